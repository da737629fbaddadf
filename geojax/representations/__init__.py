"""Texts through a model to a cloud of points: forward pass, token policies, provenance."""

import importlib
from typing import Any

from geojax.representations.cloud import Cloud, check_finite, common_points, read_cloud

SAMPLING = ("parse_layers", "read_sequences", "sample")
__all__ = ["Cloud", "check_finite", "common_points", "parse_layers", "read_cloud", "read_sequences", "sample"]


def __getattr__(name: str) -> Any:
    """The names of `sampling`, imported on use: reading a cloud needs none of the libraries that models need."""
    if name in SAMPLING:
        return getattr(importlib.import_module("geojax.representations.sampling"), name)
    raise AttributeError(f"module 'geojax.representations' has no attribute {name!r}")
