"""Codebooks whose entries add up, and their regression on the codes of points."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

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

    def add(self, rows: Points, codes: Int[Array, "n M"], weight: Float[Array, "n"]) -> "Regression":
        """Adds points with weights: -1 takes them out again."""
        count, size, _ = self.entries.shape
        flat = codes + size * jnp.arange(count)
        gram = self.gram.at[flat[:, :, None], flat[:, None, :]].add(weight[:, None, None])
        sums = self.sums
        for place in flat.T:
            sums = sums.at[place].add(weight[:, None] * rows)
        return replace(self, gram=gram, sums=sums)

    def improve(self) -> "Regression":
        """Solves for each codebook in turn given the others: a sweep of block Gauss-Seidel, its blocks diagonal."""
        count, size, d = self.entries.shape
        entries = self.entries.reshape(-1, d)
        for m in range(count):
            block = slice(m * size, (m + 1) * size)
            used = jnp.diag(self.gram)[block, None]
            others = matmul(self.gram[block], entries) - used * entries[block]
            entries = entries.at[block].set((self.sums[block] - others) / (used + RIDGE))
        return replace(self, entries=entries.reshape(count, size, d))

    def occupy(self, rows: Points, codes: Int[Array, "n M"], weight: Float[Array, "n"]) -> Float[Array, "M K d"]:
        """The codebooks, entries without points moved to where they reconstruct the worst fitted rows, one each."""
        count, size, _ = self.entries.shape
        empty = jnp.diag(self.gram) < 0.5

        def fill() -> Float[Array, "M K d"]:
            residuals = rows - sum_entries(self.entries, codes)
            _, worst = jax.lax.top_k(jnp.where(weight > 0, jnp.sum(residuals**2, 1), -1), min(size, len(rows)))
            spare = worst[jnp.minimum(jnp.cumsum(empty) - 1, len(worst) - 1)].reshape(count, size)
            moved = jnp.stack([take(self.entries[m], codes[spare[m], m]) + residuals[spare[m]] for m in range(count)])
            usable = empty.reshape(count, size) & (weight[spare] > 0)
            return jnp.where(usable[:, :, None], moved, self.entries)

        return jax.lax.cond(jnp.any(empty), fill, lambda: self.entries)
