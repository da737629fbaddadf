"""Self-attention with several heads (Vaswani et al. 2017, arXiv 1706.03762), of queries in groups (Ainslie et al. 2023,
arXiv 2305.13245) where there are fewer heads of keys and values.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from geojax.models.config import ModelConfig
from geojax.models.dense import Hidden, linear
from geojax.models.dropout import Word, dropout, split
from geojax.models.norms import norm
from geojax.models.positions import Distances, Places, rotate

Heads = Float[Array, "B T H h"]
Groups = Float[Array, "B T G h"]


class Attention(nnx.Module):
    """What attention adds to the residual stream, and the norm before or after it; `normed`: whether there is one."""

    def __init__(self, config: ModelConfig, *, normed: bool = True, rngs: nnx.Rngs):
        style, bias = config.architecture, config.attention_bias
        queries, keys = (heads * config.head_width for heads in (config.num_attention_heads, config.key_value_heads))
        self.config = config
        self.query, self.key, self.value = (
            linear(config, config.hidden_size, width, rngs, bias=bias) for width in (queries, keys, keys)
        )
        self.output = linear(config, queries, config.hidden_size, rngs, bias=bias and style.output_bias, residual=True)
        if style.relative == "disentangled" and not config.share_att_key:
            self.position_query, self.position_key = (
                linear(config, config.hidden_size, queries, rngs) for _ in range(2)
            )
        if style.query_key_norm:
            self.query_norm, self.key_norm = (norm(config, rngs, config.head_width) for _ in range(2))
        if normed:
            self.norm = norm(config, rngs)

    def __call__(self, inputs: Hidden, places: Places, seed: Word | None) -> Hidden:
        seed_weights, seed_output = split(seed, 2)
        query, keys, value = (self._heads(name, inputs) for name in ("query", "key", "value"))
        if self.config.architecture.query_key_norm:
            query, keys = self.query_norm(query), self.key_norm(keys)
        weights = jax.nn.softmax(self.scores(query, keys, places))
        weights = dropout(weights, self.config.attention_probs_dropout_prob, seed_weights).astype(value.dtype)
        context = jnp.einsum("bhqk,bkhd->bqhd", weights, self._for_all_queries(value)).reshape(*inputs.shape[:2], -1)
        return dropout(self.output(context), self.config.hidden_dropout_prob, seed_output)

    def scores(self, query: Heads, keys: Groups, places: Places) -> Float[Array, "B H T T"]:
        """The scores of all pairs of tokens; all that depends on their positions comes in here."""
        if places.rotation is not None:
            query, keys = rotate(query, places.rotation), rotate(keys, places.rotation)
        terms = 1 if places.distances is None else 3
        query = query * (terms * query.shape[-1]) ** -0.5
        products = _products("bqhd,bkhd->bhqk", query, self._for_all_queries(keys))
        if places.distances is not None:
            products = products + self._of_distances(query, keys * (terms * keys.shape[-1]) ** -0.5, places.distances)
        return products + places.bias

    def _of_distances(self, query: Heads, keys: Heads, distances: Distances) -> Float[Array, "B H T T"]:
        """Queries with the keys of distances, and keys with the queries of distances (arXiv 2006.03654, eq. 4)."""
        prefix = "" if self.config.share_att_key else "position_"
        vectors = distances.vectors.astype(query.dtype)[None]
        of_queries, of_keys = (self._heads(f"{prefix}{name}", vectors)[0] for name in ("query", "key"))
        to_position = _products("bqhd,rhd->bhqr", query, of_keys)
        from_position = _products("bkhd,rhd->bhkr", keys, of_queries)
        rows = distances.rows[None, None]
        found = jnp.take_along_axis(from_position, rows.swapaxes(-1, -2), axis=-1).swapaxes(-1, -2)
        return found + jnp.take_along_axis(to_position, rows, axis=-1)

    def _heads(self, name: str, inputs: Hidden) -> Heads:
        return getattr(self, name)(inputs).reshape(*inputs.shape[:2], -1, self.config.head_width)

    def _for_all_queries(self, heads: Groups) -> Heads:
        """Keys or values, each for its group of heads of queries."""
        group = self.config.num_attention_heads // self.config.key_value_heads
        return heads if group == 1 else jnp.repeat(heads, group, axis=2)


def _products(axes: str, left: Array, right: Array) -> Array:
    return jnp.einsum(axes, left, right, preferred_element_type=jnp.float32)
