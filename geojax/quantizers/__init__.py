"""Vector quantizers: `fit(points, key, ...)` gives a pytree, `cells(quantizer, points)` what statistics read."""

from types import ModuleType

from geojax.quantizers import local_search, product
from geojax.quantizers.cells import Cells

__all__ = ["QUANTIZERS", "Cells", "local_search", "product"]

QUANTIZERS: dict[str, ModuleType] = {"pq": product, "lsq": local_search}
