"""What the statistics of a quantized cloud read, whichever quantizer made it."""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.ops.distinct import first_of_each


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cells:
    """A cloud cut into cells: M partitions of its points into K cells each.

    Lengths are in the quantizer's unit and positions relative to its centre; no statistic depends on the unit.

    Attributes:
      points: Float[n, d], finite in masked rows.
      origin: Float[d], the position of the centre: `points + origin` are the points of the cloud.
      mask: Bool[n], rows that count.
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal; any in masked rows.
      codes: Int[n, M], the cell of every point; K in masked rows.
      counts: Int[M, K], points in every cell.
      codebooks: Float[M, K, d], an entry per cell; a point's entries add up to its reconstruction.
      squared_errors: Float[n], squared distance of every point to its reconstruction, zero in masked rows.
    """

    points: Float[Array, "*batch n d"]
    origin: Float[Array, "*batch d"]
    mask: Bool[Array, "*batch n"]
    twins: Int[Array, "*batch n"]
    codes: Int[Array, "*batch n M"]
    counts: Int[Array, "*batch M K"]
    codebooks: Float[Array, "*batch M K d"]
    squared_errors: Float[Array, "*batch n"]

    @property
    def distinct(self) -> Bool[Array, "n"]:
        """Of the rows that count the first of each set of equal ones."""
        return first_of_each(self.twins, self.mask)


def check_sizes(n: int, codebook_size: int, iterations: int) -> None:
    """Raises an InputError where n points cannot train codebooks of that size, in so many iterations."""
    if codebook_size < 2:
        raise InputError(f"codebook_size is {codebook_size}: a codebook needs at least 2 entries")
    if n < codebook_size:
        raise InputError(f"{n} points cannot train {codebook_size} entries a codebook: lower codebook_size to {n}")
    if iterations < 1:
        raise InputError(f"iterations is {iterations}: training needs at least 1")
