"""Numerics that measures share: the only place with row blocks, precision and masks."""
