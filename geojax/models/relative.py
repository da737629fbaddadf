"""Relative positions: how far one token is behind another, and what the attention of all layers makes of it.

MPNet (Song et al. 2020, arXiv 2004.09297) adds a bias to the scores of each head, with the buckets of Raffel et al.
2020 (arXiv 1910.10683, section 2.1). DeBERTa (He et al. 2021, arXiv 2006.03654, eq. 4) compares queries and keys with
vectors of distances, with the buckets of its version 2.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Int

from geojax.models.config import ModelConfig
from geojax.models.norms import norm
from geojax.models.positions import Distances, Places


def of_t5(behind: Int[np.ndarray, "n"], buckets: int, farthest: int) -> Int[np.ndarray, "n"]:
    """The bucket of each distance: half of all for later tokens, half of each exact, the others up to `farthest`.

    Bucket widths grow with the logarithm of the distance; the last ones hold all beyond. Float32, as transformers has
    it.
    """
    half, size = buckets // 2, np.abs(behind)
    exact = half // 2
    share = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(exact)) / np.float32(np.log(farthest / exact))
    wide = np.minimum(exact + (share * np.float32(half - exact)).astype(int), half - 1)
    return np.where(behind < 0, half, 0) + np.where(size < exact, size, wide)


def of_deberta(behind: Int[np.ndarray, "n"], buckets: int | None, farthest: int) -> Int[np.ndarray, "n"]:
    """The row of each distance in a table of vectors: 2 `buckets` rows, of which the middle one is for distance 0.

    Distances up to half of `buckets` have rows of their own, the others, up to `farthest`, share rows by their
    logarithm. Without buckets all distances below `farthest` have rows of their own. Float32, as transformers has it.
    """
    span, found = buckets or farthest, behind
    if buckets:
        half, size = buckets // 2, np.abs(behind)
        share = np.log(np.maximum(size, half).astype(np.float32) / np.float32(half))
        share /= np.log(np.float32((farthest - 1) / half))
        wide = np.ceil(share * np.float32(half - 1)).astype(int) + half
        found = np.where(size <= half, behind, wide * np.sign(behind))
    return np.clip(found + span, 0, 2 * span - 1)


def _table(config: ModelConfig, rows: int, width: int, rngs: nnx.Rngs) -> nnx.Embed:
    return nnx.Embed(rows, width, embedding_init=jax.nn.initializers.normal(config.initializer_range), rngs=rngs)


class RelativeBias(nnx.Module):
    """A bias of the scores for every bucket and head."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.table = _table(config, config.relative_buckets, config.num_attention_heads, rngs)

    def __call__(self, places: Places, length: int) -> Places:
        """The places with the bias added to theirs."""
        rows = _of_pairs(of_t5(_behind(length), self.config.relative_buckets, self.config.relative_distance), length)
        return places._replace(bias=places.bias + jnp.moveaxis(self.table(rows), -1, 0))


class RelativeVectors(nnx.Module):
    """A vector for every distance, normalised."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        rows = 2 * (config.relative_buckets or config.relative_distance)
        self.table = _table(config, rows, config.hidden_size, rngs)
        self.norm = norm(config, rngs)

    def __call__(self, places: Places, length: int) -> Places:
        """The places with the vectors, and the row of the vector of every pair of tokens."""
        rows = of_deberta(_behind(length), self.config.relative_buckets, self.config.relative_distance)
        return places._replace(distances=Distances(self.norm(self.table.embedding[...]), _of_pairs(rows, length)))


def _behind(length: int) -> Int[np.ndarray, "n"]:
    """All distances in a sequence, from 1 - length to length - 1."""
    return np.arange(1 - length, length)


def _of_pairs(values: Int[np.ndarray, "n"], length: int) -> Int[Array, "T T"]:
    """The value of the distance that each query is behind each key."""
    place = jnp.arange(length)
    return jnp.asarray(values, jnp.int32)[place[:, None] - place + length - 1]
