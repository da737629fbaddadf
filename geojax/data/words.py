"""The pieces of words that stand in a text, joined by spaces."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Pieces(NamedTuple):
    """For each word the first piece that ends behind the word's beginning.

    Attributes:
      place: its position among the tokens; the number of tokens where there is none, because the text was cut.
      own: whether it holds a part of the word; else the tokenizer leaves nothing of the word, and it is a later word's.
    """

    place: Int[np.ndarray, "words"]
    own: Bool[np.ndarray, "words"]


def first_pieces(words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> Pieces:
    """The first piece of every word of a text that a tokenizer has read.

    Args:
      words: the words, which single spaces join in the text.
      offsets: the part of the text, in characters, that each token holds; empty parts for special tokens.
    """
    starts, ends = np.array(offsets, int).reshape(-1, 2).T
    pieces = np.flatnonzero(ends > starts)
    begin = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1]
    # A piece may hold the space before its word, so its end decides.
    found = np.searchsorted(ends[pieces], begin, side="right")
    place = np.append(pieces, len(offsets))[found]
    own = np.append(starts, np.iinfo(int).max)[place] < begin + [len(word) for word in words]
    return Pieces(place, own)
