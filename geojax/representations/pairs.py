"""Two clouds of the same texts, row beside row."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError
from geojax.representations.cloud import Cloud
from geojax.representations.policies import ONE_EACH


def aligned(first: Cloud, second: Cloud) -> tuple[Cloud, Cloud]:
    """The points of both clouds that stand for the same piece of the same text, in the order of the first cloud.

    Clouds with one point a sequence are aligned by the sequence, those of one tokenizer by sequence, position and
    token, so that a model that cuts long sequences earlier takes only its own points from the other; those of words
    by their number in the sequence. Clouds without provenance, as arrays of a file, are taken row by row.

    Raises:
      InputError: clouds of other texts, of two token policies, of the tokens of two tokenizers, of words that two
        tokenizers divide otherwise or cut elsewhere, or without a common point.
    """
    for name, what in (("sequences_sha256", "texts"), ("tokens", "token policies")):
        own, other = (cloud.provenance.get(name) for cloud in (first, second))
        if own != other:
            raise InputError(
                f"the clouds are of different {what}, {_short(own)} and {_short(other)}: sample both alike"
            )
    policy = first.provenance.get("tokens")
    tokenizers, words = (
        [cloud.provenance.get(name) for cloud in (first, second)] for name in ("tokenizer_sha256", "words_sha256")
    )
    if policy in ONE_EACH:
        return _matched(first, second, ("sequence_index",))
    if tokenizers[0] == tokenizers[1] is not None:
        return _matched(first, second, ("sequence_index", "position", "token_id"))
    if policy == "word" and words[0] == words[1] is not None:
        return first, second
    if policy == "word":
        raise InputError(
            "the tokenizers divide the texts into different words, or cut them elsewhere: take the tokens 'mean', one "
            "point a sequence"
        )
    if policy is not None:
        both = " and ".join(map(_short, tokenizers))
        raise InputError(
            f"the points are tokens ({policy!r}) of two tokenizers, {both}, of which none stands beside another: take "
            "the tokens 'mean' or 'word'"
        )
    if not np.array_equal(first.sequence_index, second.sequence_index):
        raise InputError("the sequence indices of the clouds differ: row i of both must be the same input")
    return first, second


def _matched(first: Cloud, second: Cloud, names: tuple[str, ...]) -> tuple[Cloud, Cloud]:
    """The rows of both clouds that agree in these fields."""
    keys = np.concatenate([np.stack([getattr(cloud, name) for name in names], 1) for cloud in (first, second)])
    numbers = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)[1].ravel()
    own, other = np.split(numbers, [len(first.points)])
    _, rows, others = np.intersect1d(own, other, return_indices=True)
    if not len(rows):
        raise InputError("the clouds have no point of the same place in common")
    order = np.argsort(rows)
    return _rows_of(first, rows[order]), _rows_of(second, others[order])


def _rows_of(cloud: Cloud, rows: Int[np.ndarray, "k"]) -> Cloud:
    """The cloud of these rows; itself, where they are all of its own in their order."""
    if np.array_equal(rows, np.arange(len(cloud.points))):
        return cloud
    return replace(
        cloud, **{name: getattr(cloud, name)[rows] for name in ("points", "sequence_index", "position", "token_id")}
    )


def _short(digest: str | None) -> str:
    return "unknown" if digest is None else digest[:12]
