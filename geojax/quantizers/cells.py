"""What the statistics of a quantized cloud read, whichever quantizer made it."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cells:
    """A cloud cut into cells: M partitions of its points into K cells each.

    Lengths are in the quantizer's unit and positions relative to its centre; no statistic depends on the unit.

    Attributes:
      points: Float[n, d], zero in masked rows.
      origin: Float[d], the position of the centre: `points + origin` are the points of the cloud.
      mask: Bool[n], rows that count.
      distinct: Bool[n], of these the first of each set of equal rows.
      codes: Int[n, M], the cell of every point; K in masked rows.
      counts: Int[M, K], points in every cell.
      codebooks: Float[M, K, s], an entry per cell; s is d / M for product codes, d for additive ones.
      squared_errors: Float[n], squared distance of every point to its reconstruction, zero in masked rows.
    """

    points: Float[Array, "*batch n d"]
    origin: Float[Array, "*batch d"]
    mask: Bool[Array, "*batch n"]
    distinct: Bool[Array, "*batch n"]
    codes: Int[Array, "*batch n M"]
    counts: Int[Array, "*batch M K"]
    codebooks: Float[Array, "*batch M K s"]
    squared_errors: Float[Array, "*batch n"]
