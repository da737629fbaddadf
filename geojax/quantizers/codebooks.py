"""Codebooks whose entries add up, and their regression on the codes of points."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.ops.blocks import row_blocks
from geojax.ops.safe import matmul
from geojax.typing import Points

# Weight of the codebooks' squared length against squared errors: the sums alone leave M - 1 shifts undetermined.
RIDGE = 1e-2


def take(table: Float[Array, "K *rest"], index: Int[Array, "*b"]) -> Float[Array, "..."]:
    """Rows of a table; an index beyond the last takes the last."""
    return table.at[index].get(mode="clip")


def sum_entries(codebooks: Float[Array, "M K d"], codes: Int[Array, "b M"]) -> Float[Array, "b d"]:
    """The reconstruction of every row of codes."""
    return sum(take(codebook, code) for codebook, code in zip(codebooks, codes.T, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Regression:
    """Ridge regression of points on their codes, in progress: B is n x M K with a one for each code of a point.

    Attributes:
      gram: Float[M K, M K], B'B.
      sums: Float[M K, d], B'X.
      entries: Float[M, K, d], the codebooks.
    """

    gram: Float[Array, "*batch MK MK"]
    sums: Float[Array, "*batch MK d"]
    entries: Float[Array, "*batch M K d"]

    def add(self, rows: Points, codes: Int[Array, "n M"], weight: Float[Array, "n"], tile: int) -> "Regression":
        """Adds points with weights: -1 takes them out again.

        Rows go in tile by tile, up to the last one with a weight, because masked rows may be most of them.
        """
        count, size, _ = self.entries.shape
        tiles = row_blocks(rows, tile), row_blocks(codes + size * jnp.arange(count), tile), row_blocks(weight, tile)

        def add_tile(number: Int[Array, ""], state: tuple[Array, Array]) -> tuple[Array, Array]:
            gram, sums = state
            rows, flat, weight = (part[number] for part in tiles)
            gram = gram.at[flat[:, :, None], flat[:, None, :]].add(weight[:, None, None])
            for place in flat.T:
                sums = sums.at[place].add(weight[:, None] * rows)
            return gram, sums

        used = jnp.max(jnp.where(jnp.any(tiles[2] != 0, 1), jnp.arange(1, len(tiles[2]) + 1), 0))
        gram, sums = jax.lax.fori_loop(0, used, add_tile, (self.gram, self.sums))
        return replace(self, gram=gram, sums=sums)

    def improve(self) -> "Regression":
        """Solves for each codebook in turn given the others: a sweep of block Gauss-Seidel, its blocks diagonal."""
        count, size, d = self.entries.shape
        used = jnp.diag(self.gram).reshape(count, size, 1)
        blocks = self.gram.reshape(count, size, -1), self.sums.reshape(count, size, d), used

        def solve(m: Int[Array, ""], entries: Float[Array, "M K d"]) -> Float[Array, "M K d"]:
            gram, sums, used = (block[m] for block in blocks)
            others = matmul(gram, entries.reshape(-1, d)) - used * entries[m]
            return entries.at[m].set((sums - others) / (used + RIDGE))

        return replace(self, entries=jax.lax.fori_loop(0, count, solve, self.entries))

    def occupy(self, rows: Points, codes: Int[Array, "n M"], weight: Float[Array, "n"]) -> Float[Array, "M K d"]:
        """The codebooks, entries without points moved to where they reconstruct the worst fitted rows, one each."""
        count, size, _ = self.entries.shape
        empty = jnp.diag(self.gram) < 0.5

        def fill() -> Float[Array, "M K d"]:
            residuals = rows - sum_entries(self.entries, codes)
            _, worst = jax.lax.top_k(jnp.where(weight > 0, jnp.sum(residuals**2, 1), -1), min(size, len(rows)))
            spare = worst[jnp.minimum(jnp.cumsum(empty) - 1, len(worst) - 1)].reshape(count, size)
            moved = jax.vmap(take)(self.entries, jnp.take_along_axis(codes.T, spare, 1)) + residuals[spare]
            usable = empty.reshape(count, size) & (weight[spare] > 0)
            return jnp.where(usable[:, :, None], moved, self.entries)

        return jax.lax.cond(jnp.any(empty), fill, lambda: self.entries)
