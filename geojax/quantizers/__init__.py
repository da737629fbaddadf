"""Vector quantizers: `fit(points, key, ...)` gives a pytree, `cells(quantizer, points)` what statistics read."""

from types import ModuleType

from geojax.quantizers import product
from geojax.quantizers.cells import Cells

__all__ = ["QUANTIZERS", "Cells", "product"]

QUANTIZERS: dict[str, ModuleType] = {"pq": product}
