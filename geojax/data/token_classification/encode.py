"""Tokenises sentences of tagged words; the label of a word stands on its first piece."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from geojax.data.encoded import Batch, Encoded, ladder, padded
from geojax.data.token_classification.examples import Sentences, Task
from geojax.data.words import first_pieces
from geojax.errors import InputError
from geojax.models.unknown import check_unknown, tokenize, unknown_share

NO_LABEL = -1  # of tokens that are no first piece

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedSentences(Encoded):
    """Tokenised sentences; `labels` are Int[n, T], the number of a tag at the first piece of a word, elsewhere -1.

    Attributes:
      gold: the tag of every word, as its place among the task's label names, one sentence after another.
      sentence: the sentence of every word.
      place: the position of the first piece of every word; -1 where the sentence was cut before it, or the tokenizer
        leaves nothing of it.
    """

    gold: Int[np.ndarray, "words"]
    sentence: Int[np.ndarray, "words"]
    place: Int[np.ndarray, "words"]

    def renumbered(self, numbers: Int[np.ndarray, "classes"]) -> "EncodedSentences":
        """The same sentences with the output of class c numbered `numbers[c]`; `gold` stays the task's number."""
        labels = np.where(self.labels == NO_LABEL, NO_LABEL, numbers[self.labels]).astype(self.labels.dtype)
        return replace(self, labels=labels)

    def targets(self, index: Int[np.ndarray, "rows"], size: int, length: int) -> Batch:
        """The tags of every position, -1 where a position counts for nothing."""
        tags = np.full((size, length), NO_LABEL, np.int32)
        width = min(length, self.labels.shape[1])
        tags[: len(index), :width] = self.labels[index, :width]
        return {"tags": tags}


def encode(
    task: Task, tokenizer: Any, sentences: Sentences, max_length: int, *, allow_unknown: bool = False
) -> EncodedSentences:
    """Tokenises sentences, their words joined by spaces, and cuts them after `max_length` tokens.

    Words that are cut off have no label in training; in a score they count as tagged O, and a warning counts them.

    Raises:
      InputError: `max_length` is too small for the special tokens and a word, or more than half of the tokens are
        unknown to the tokenizer, without `allow_unknown`.
    """
    special = tokenizer.num_special_tokens_to_add(pair=False)
    if max_length < special + 1:
        raise InputError(
            f"max_length {max_length} is too short: {special} special tokens and a word need {special + 1}"
        )
    texts = [" ".join(words) for words in sentences.words]
    options = {"truncation": True, "max_length": max_length, "padding": False, "return_offsets_mapping": True}
    tokens = tokenize(tokenizer, texts, **options)
    unknown = unknown_share(tokenizer, tokens["input_ids"], [texts])
    check_unknown(unknown, "the sentences", allow_unknown)
    numbers = {tag: number for number, tag in enumerate(task.label_names)}
    rows, places, cut = [], [], 0
    for words, tags, ids, offsets in zip(
        sentences.words, sentences.tags, tokens["input_ids"], tokens["offset_mapping"], strict=True
    ):
        found = first_pieces(words, offsets)
        cut += int((found.place == len(ids)).sum())
        place = np.where(found.own & (found.place < len(ids)), found.place, -1)
        row = np.full(len(ids), NO_LABEL, np.int16)
        row[place[place >= 0]] = np.array([numbers[tag] for tag in tags], np.int16)[place >= 0]
        rows.append(row)
        places.append(place)
    if cut:
        log.warning("%d words stand behind the %d tokens of max_length: they count as tagged O", cut, max_length)
    types, pad_id = tokens.get("token_type_ids"), tokenizer.pad_token_id
    input_ids = padded(tokens["input_ids"], pad_id, np.int32)
    return EncodedSentences(
        input_ids,
        np.zeros_like(input_ids, np.int8) if types is None else padded(types, 0, np.int8),
        np.array([len(ids) for ids in tokens["input_ids"]], np.int32),
        padded(rows, NO_LABEL, np.int16),
        ladder(max_length),
        pad_id,
        unknown,
        gold=np.array([numbers[tag] for tags in sentences.tags for tag in tags], np.int32),
        sentence=np.repeat(np.arange(len(sentences)), sentences.labels),
        place=np.concatenate(places),
    )
