"""geojax: the geometry of a transformer's latent space, and what it says about fine-tuning."""

import importlib
from typing import TYPE_CHECKING, Any

from geojax.version import __version__

if TYPE_CHECKING:
    from geojax import testing
    from geojax.api.calls import compare, measure
    from geojax.api.rank import rank
    from geojax.api.translate import translate
    from geojax.streaming.monitor import monitor

__all__ = ["__version__", "compare", "measure", "monitor", "rank", "testing", "translate"]
PLACES = {
    "compare": "geojax.api.calls",
    "measure": "geojax.api.calls",
    "monitor": "geojax.streaming.monitor",
    "rank": "geojax.api.rank",
    "translate": "geojax.api.translate",
}


def __getattr__(name: str) -> Any:
    """The public names, imported on use: `import geojax` stays light."""
    if name in PLACES:
        return getattr(importlib.import_module(PLACES[name]), name)
    if name == "testing":
        return importlib.import_module("geojax.testing")
    raise AttributeError(f"module 'geojax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
