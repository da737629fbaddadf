"""A table of models and scores: fits, validation, prediction."""
