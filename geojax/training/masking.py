"""Inputs of masked language modelling: windows of a text, their order in batches, and the masking of tokens.

A text is one stream of tokens with [SEP] after every paragraph, cut into full windows: [CLS] and `length` - 1 tokens of
the stream. There is no next-sentence task; token types are 0 up to a window's first [SEP] and 1 after it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from geojax.data.tokenizers import CLS, MASK, SEP, SPECIAL_TOKENS
from geojax.errors import InputError
from geojax.training.settings import epoch_order
from geojax.typing import Key

MASKED_FRACTION = 0.15

Windows = Int[Array, "B T"]
Chosen = Int[Array, "B P"]

_order = lru_cache(maxsize=2)(epoch_order)  # every step of an epoch needs the order of that epoch


def pack(paragraphs: Iterable[Sequence[int]], length: int) -> np.ndarray:
    """Windows of a text: Int[n, length], without padding; the last, incomplete window is left out.

    Args:
      paragraphs: token ids of each paragraph, without special tokens; empty paragraphs are skipped.
      length: tokens of a window, [CLS] included.

    Raises:
      InputError: the text does not fill one window.
    """
    stream = np.asarray([token for ids in paragraphs if len(ids) for token in (*ids, SEP)], np.int32)
    count = len(stream) // (length - 1)
    if count == 0:
        raise InputError(f"the text has {len(stream)} tokens, fewer than one window of {length}: give more text")
    body = stream[: count * (length - 1)].reshape(count, length - 1)
    return np.concatenate([np.full((count, 1), CLS, np.int32), body], axis=1)


def batch_rows(step: int, *, windows: int, batch_size: int, seed: int) -> np.ndarray:
    """Indices of the windows in the batch of a step; every epoch has a new order, and leaves out a last, smaller batch.

    The result depends on the arguments only, so a resumed run sees the same batches as an uninterrupted run.

    Raises:
      InputError: `batch_size` exceeds `windows`.
    """
    if batch_size > windows:
        raise InputError(f"batch_size {batch_size} exceeds the {windows} windows of the text")
    epoch, index = divmod(step, windows // batch_size)
    return _order(windows, seed, epoch)[index * batch_size : (index + 1) * batch_size]


def masked_count(length: int) -> int:
    """The number of positions chosen in a window: 15 % of `length`, rounded, at least 1."""
    return max(1, round(MASKED_FRACTION * length))


def mask_tokens(
    key: Key, input_ids: Windows, vocab_size: int, *, always: bool = False
) -> tuple[Windows, Chosen, Int[Array, "B P"], Bool[Array, "B P"]]:
    """Masks tokens: in each window the same number of positions, drawn without replacement from its ordinary tokens.

    Ordinary tokens are all but `SPECIAL_TOKENS`, which include [UNK]. A chosen token becomes [MASK] with probability
    0.8, a random ordinary token with 0.1, and stays with 0.1; with `always`, it becomes [MASK].

    Returns:
      The changed windows; the chosen positions; the original tokens at those positions; whether a position counts
      (False if a window has fewer ordinary tokens than positions to choose).
    """
    key_positions, key_kind, key_token = jax.random.split(key, 3)
    special = input_ids < len(SPECIAL_TOKENS)
    rank = jnp.where(special, -1.0, jax.random.uniform(key_positions, input_ids.shape))
    rank, positions = jax.lax.top_k(rank, masked_count(input_ids.shape[1]))
    tokens = jnp.take_along_axis(input_ids, positions, axis=1)
    counts = rank >= 0
    kind = jax.random.uniform(key_kind, positions.shape)
    random = jax.random.randint(key_token, positions.shape, len(SPECIAL_TOKENS), vocab_size)
    changed = jnp.where(always | (kind < 0.8), MASK, jnp.where(kind < 0.9, random, tokens))
    changed = jnp.where(counts, changed, tokens)
    rows = jnp.arange(input_ids.shape[0])[:, None]
    return input_ids.at[rows, positions].set(changed), positions, tokens, counts


def token_types(input_ids: Windows) -> Windows:
    """0 up to and including a window's first [SEP], 1 after it."""
    separators = (input_ids == SEP).astype(jnp.int32)
    return jnp.minimum(jnp.cumsum(separators, axis=1) - separators, 1)
