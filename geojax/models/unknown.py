"""Texts through a tokenizer: tokens, and the share of them that the tokenizer does not know."""

import json
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from geojax.errors import InputError

log = logging.getLogger(__name__)

UNKNOWN, MOST_UNKNOWN = 0.01, 0.5  # shares of unknown tokens: above the first a warning, above the second an error


def byte_characters() -> list[str]:
    """The characters that stand for the bytes 0 to 255 in a vocabulary of GPT-2's kind."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


BYTES = {character: byte for byte, character in enumerate(byte_characters())}


def tokenize(tokenizer: Any, *texts: Sequence[str], **options: Any) -> Any:
    """`tokenizer(*texts, **options)`; InputError for a text that the tokenizer cannot read."""
    try:
        return tokenizer(*texts, **options)
    except Exception as error:  # tokenizers raise bare Exceptions
        raise InputError(f"the model's tokenizer cannot read a text: {error}") from error


def unknown_share(tokenizer: Any, ids: Sequence[Sequence[int]], texts: Sequence[Sequence[str]]) -> float:
    """The share of unknown tokens in tokenised texts, special tokens of the model not counted.

    A character that the tokenizer leaves out, because its vocabulary has neither the character nor an unknown token,
    counts as an unknown token.

    Args:
      tokenizer: the tokenizer.
      ids: the tokens of every example.
      texts: the first text of every example, and the second texts of pairs.
    """
    flat = np.fromiter(chain.from_iterable(ids), np.int64)
    unknown = int(np.isin(flat, _unknown_ids(tokenizer)).sum())
    put = tokenizer.num_special_tokens_to_add(pair=len(texts) == 2) * len(ids)
    lost = _left_out(tokenizer, chain.from_iterable(texts))
    return (unknown + lost) / max(1, len(flat) - put + lost)


def check_unknown(share: float, texts: str, allow: bool) -> None:
    """Warns where more than 1 % of the tokens of `texts` are unknown.

    Raises:
      InputError: more than half are, and `allow` is false.
    """
    if share > MOST_UNKNOWN and not allow:
        raise InputError(
            f"{100 * share:.0f} % of the tokens of {texts} are unknown to the model's tokenizer: take a model of this "
            f"kind of text, or set allow_unknown"
        )
    if share > UNKNOWN:
        log.warning("%.1f %% of the tokens of %s are unknown to the model's tokenizer", 100 * share, texts)


def _unknown_ids(tokenizer: Any) -> list[int]:
    """The ids that stand for unknown text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or type(backend.model).__name__ == "Unigram":
        named = [getattr(tokenizer, "unk_token_id", None)]
        if named == [None] and backend is not None:
            named = [json.loads(backend.to_str())["model"]["unk_id"]]
    else:  # GPT-2 names an unknown token that its model never gives
        named = [backend.token_to_id(backend.model.unk_token)] if backend.model.unk_token else []
    return [number for number in named if number is not None]


def _left_out(tokenizer: Any, texts: Any) -> int:
    """The number of characters of texts, spaces not counted, that no token covers."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = getattr(backend, "model", None)
    if type(model).__name__ != "BPE" or model.unk_token or model.byte_fallback:
        return 0
    if all(backend.token_to_id(character) is not None for character in BYTES):
        return 0
    backend.no_truncation()
    lost, texts = 0, list(texts)
    for text, one in zip(texts, backend.encode_batch(texts, add_special_tokens=False), strict=True):
        covered = set(chain.from_iterable(range(*pair) for pair in one.offsets))
        lost += sum(place not in covered and not character.isspace() for place, character in enumerate(text))
    return lost
