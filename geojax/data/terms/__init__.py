"""Term tagging: words with the tags B (a term begins), I (it goes on) and O, their files, scores and a miniature."""
