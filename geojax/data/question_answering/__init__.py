"""Question answering: spans of a context that answer a question, their files and scores, and a miniature."""
