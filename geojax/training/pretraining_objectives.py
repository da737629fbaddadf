"""Objectives of pre-training (the prediction target of a masked token), and orders of the words of a text.

| objective | prediction target of a masked token (Alajrami & Aletras 2022, arXiv 2203.10415, section 3) | classes |
|---|---|---|
| masked_lm | the token | the vocabulary |
| first_character | its first character: a letter a to z, punctuation, a digit, or any other character | 29 |
| ascii_sum | the sum of its characters' code points, modulo 5 | 5 |
| random_label | a random label, drawn once for each entry of the vocabulary | 5 |

| word order | the text in training (Sinha et al. 2021, arXiv 2104.06644) |
|---|---|
| text | the text as it is |
| sentence | the words of each sentence, shuffled |
| corpus | the words of the whole text, shuffled; every paragraph keeps its number of words |
"""

import re
import string
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError

CLASSES = {"masked_lm": None, "first_character": 29, "ascii_sum": 5, "random_label": 5}
WORD_ORDERS = ("text", "sentence", "corpus")
PUNCTUATION, DIGIT, OTHER = 26, 27, 28  # after the letters a to z, 0 to 25
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def check(objective: str, word_order: str) -> None:
    """Raises InputError if the objective or the word order is unknown."""
    if objective not in CLASSES:
        raise InputError(f"objective {objective!r} is unknown: choose one of {', '.join(CLASSES)}")
    if word_order not in WORD_ORDERS:
        raise InputError(f"word order {word_order!r} is unknown: choose one of {', '.join(WORD_ORDERS)}")


def token_classes(objective: str, vocabulary: Sequence[str], seed: int) -> Int[np.ndarray, "V"] | None:
    """The class of every entry of a vocabulary; None for masked language modelling, which predicts the tokens.

    Args:
      objective: a key of `CLASSES`.
      vocabulary: the entries in the order of their ids; a leading ## of a word piece is ignored.
      seed: seed of the random labels.
    """
    if objective == "masked_lm":
        return None
    if objective == "random_label":
        return np.random.default_rng(seed).integers(CLASSES[objective], size=len(vocabulary), dtype=np.int32)
    pieces = [entry.removeprefix("##") if len(entry) > 2 else entry for entry in vocabulary]
    if objective == "first_character":
        return np.array([_first_character(piece) for piece in pieces], np.int32)
    return np.array([sum(map(ord, piece)) % CLASSES[objective] for piece in pieces], np.int32)


def _first_character(piece: str) -> int:
    first = piece[0].lower()
    if first in string.ascii_lowercase:
        return string.ascii_lowercase.index(first)
    return PUNCTUATION if first in string.punctuation else DIGIT if first in string.digits else OTHER


def reorder(paragraphs: Sequence[str], word_order: str, seed: int) -> list[str]:
    """A text with its words in another order; words are separated by whitespace and include adjacent punctuation.

    Args:
      paragraphs: the text.
      word_order: one of `WORD_ORDERS`; a sentence ends at a full stop, question or exclamation mark before whitespace.
      seed: seed of the order.
    """
    random = np.random.default_rng(seed)
    if word_order == "text":
        return list(paragraphs)
    if word_order == "sentence":
        return [" ".join(_shuffled(s, random) for s in SENTENCE_END.split(paragraph)) for paragraph in paragraphs]
    counts = [len(paragraph.split()) for paragraph in paragraphs]
    words = _shuffled(" ".join(paragraphs), random).split(" ")
    ends = np.cumsum(counts)
    return [" ".join(words[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _shuffled(text: str, random: np.random.Generator) -> str:
    words = text.split()
    return " ".join(words[i] for i in random.permutation(len(words)))
