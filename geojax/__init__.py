"""geojax: the geometry of a transformer's latent space, and what it says about fine-tuning."""

import importlib
from typing import Any

from geojax.version import __version__

__all__ = ["__version__", "monitor", "testing"]


def __getattr__(name: str) -> Any:
    """The public names, imported on use: `import geojax` stays light."""
    if name == "monitor":
        return importlib.import_module("geojax.streaming.monitor").monitor
    if name == "testing":
        return importlib.import_module("geojax.testing")
    raise AttributeError(f"module 'geojax' has no attribute {name!r}")
