"""Callbacks of HuggingFace's Trainer and of Lightning, which log the geometry of the model under training."""

import importlib
from typing import Any

__all__ = ["LightningGeometry", "Probe", "TrainerGeometry"]
PLACES = {"LightningGeometry": "lightning", "Probe": "probe", "TrainerGeometry": "huggingface"}


def __getattr__(name: str) -> Any:
    """The public names, imported on use: each needs a library that the others do without."""
    if name in PLACES:
        return getattr(importlib.import_module(f"geojax.integrations.{PLACES[name]}"), name)
    raise AttributeError(f"module 'geojax.integrations' has no attribute {name!r}")
