"""Token classification: tagged words, their files, entities and scores, and a miniature."""
