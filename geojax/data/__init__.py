"""Data sets and their tokenizers."""
