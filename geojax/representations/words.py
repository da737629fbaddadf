"""Vectors of words that are given one by one: the first piece of each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from geojax.data import words as data_words
from geojax.models.apply import Apply, Params
from geojax.models.torch_backend import TorchApply
from geojax.models.unknown import tokenize
from geojax.representations import forward, sampling
from geojax.representations.cloud import Cloud


def sample_words(
    apply: Apply | TorchApply,
    params: Params,
    tokenizer: Any,
    utterances: Sequence[Sequence[str]],
    *,
    layers: tuple[int, ...],
    masked: bool = False,
    allow_unknown: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cloud, ...]:
    """One cloud for each layer with one point for each word of utterances.

    The model reads the words joined by spaces; a word is its first piece, or the next piece where its tokenizer leaves
    nothing of the word. Words beyond the longest sequence of the model have no point; the provenance counts such
    utterances (`truncated`).

    Args:
      apply, params, tokenizer: as `models.load` returns them.
      utterances: words without spaces in them.
      layers, masked, allow_unknown, provenance, progress: as in `representations.sample`.

    Raises:
      InputError: as `representations.sample`.
    """
    texts = [" ".join(words) for words in utterances]
    encoded = forward.encode(apply, tokenizer, texts, "word", provenance, allow_unknown=allow_unknown)
    kept = first_pieces(tokenizer, utterances, encoded.longest)
    reached = (words[: len(places)] for words, places in zip(utterances, kept, strict=True))
    about = encoded.provenance | {"words_sha256": forward.digest_of_words(reached)}
    counts = np.array([len(places) for places in kept])
    encoded = replace(encoded, kept=kept, counts=counts, provenance=about)
    encoded = forward.masked(encoded, tokenizer) if masked else encoded
    return sampling.clouds_in_memory(apply, params, encoded, layers, progress)


def first_pieces(tokenizer: Any, utterances: Sequence[Sequence[str]], longest: int) -> list[Int[np.ndarray, "words"]]:
    """The position of the first piece of every word that the first `longest` tokens of its utterance reach."""
    texts = [" ".join(words) for words in utterances]
    options = {"truncation": True, "max_length": longest, "return_offsets_mapping": True}
    found = tokenize(tokenizer, texts, return_token_type_ids=False, **options)["offset_mapping"]
    places = [data_words.first_pieces(words, own).place for words, own in zip(utterances, found, strict=True)]
    return [place[place < len(own)] for place, own in zip(places, found, strict=True)]
