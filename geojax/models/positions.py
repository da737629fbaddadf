"""What the position of a token means: its number, whom it sees, and how its queries and keys are rotated.

B: batch, T: length, H: heads, h: width of a head.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from geojax.models.architectures.record import FULL, SLIDING
from geojax.models.config import ModelConfig
from geojax.models.rope import Rope

SPARE = {"arange": 0, "padding_idx": 0, "mask": 2}  # rows of a table of positions beyond `max_position_embeddings`

Rotation = tuple[Float[Array, "T half"], Float[Array, "T half"]]  # cosines and sines of the angles of every position


class Distances(NamedTuple):
    """Vectors of distances, and the row of the vector for every query and key."""

    vectors: Float[Array, "r d"]
    rows: Int[Array, "T T"]


class Places(NamedTuple):
    """What positions mean to the attention of a layer.

    Attributes:
      bias: added to the scores of attention: 0 where a token sees another one, the most negative number elsewhere.
      rotation: of queries and keys; None: they are not rotated.
      distances: vectors that queries and keys are compared with; None: there are none.
    """

    bias: Float[Array, "B #H #T T"]
    rotation: Rotation | None
    distances: Distances | None = None


def number(config: ModelConfig, input_ids: Int[Array, "B T"], mask: Bool[Array, "B T"]) -> Int[Array, "#B T"]:
    """The number of every token, by which its position embedding is looked up (`Architecture.numbering`)."""
    numbering = config.architecture.numbering
    if numbering == "arange":
        return jnp.arange(input_ids.shape[1])[None]
    real, before = (input_ids != config.pad_token_id, config.pad_token_id) if numbering == "padding_idx" else (mask, 1)
    real = real.astype(jnp.int32)
    return jnp.cumsum(real, axis=1) * real + before


def places(config: ModelConfig, mask: Bool[Array, "B T"]) -> dict[str, Places]:
    """What positions mean, by the type of a layer's attention."""
    ropes = {FULL: config.rope, SLIDING: config.local_rope or config.rope}
    windows = {FULL: None, SLIDING: config.sliding_window}
    found = {}
    for kind in sorted(set(config.attention_types)):
        # The most negative finite number, not -inf, because a row of padding only must not become NaN.
        bias = jnp.where(seen(config, mask, windows[kind]), 0.0, jnp.finfo(jnp.float32).min)
        found[kind] = Places(bias, rotation(ropes[kind], config.head_width, mask.shape[1]))
    return found


def seen(config: ModelConfig, mask: Bool[Array, "B T"], window: int | None) -> Bool[Array, "B 1 #T T"]:
    """Whether a token attends to another one: to real tokens, not to later ones if causal, none beyond the window."""
    visible, length = mask[:, None, None, :], mask.shape[1]
    if config.architecture.causal:
        visible = visible & jnp.tri(length, dtype=bool)
        window = None if window is None else window - 1
    if window is not None and window < length - 1:
        place = jnp.arange(length)
        visible = visible & (jnp.abs(place[:, None] - place) <= window)
    return visible


def rotation(rope: Rope | None, head_dim: int, length: int) -> Rotation | None:
    """Cosines and sines of the angles by which positions 0, 1, ... are rotated."""
    if rope is None:
        return None
    angles = jnp.arange(length, dtype=jnp.float32)[:, None] * rope.frequencies(head_dim)
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x: Float[Array, "B T H h"], by: Rotation) -> Float[Array, "B T H h"]:
    """Rotates the pairs (i, i + r/2) of the first r dimensions of a head; the others stay (Su et al., eq. 15)."""
    cosines, sines = (table[:, None] for table in by)
    half = cosines.shape[-1]
    first, second, rest = jnp.split(x.astype(jnp.float32), (half, 2 * half), axis=-1)
    turned = [first * cosines - second * sines, second * cosines + first * sines, rest]
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)
