"""Tokenises texts and pairs of texts."""

from typing import Any

import numpy as np

from geojax.data.encoded import Encoded, ladder, padded
from geojax.data.glue.examples import Examples
from geojax.errors import InputError
from geojax.models.unknown import check_unknown, tokenize, unknown_share


def encode(tokenizer: Any, examples: Examples, max_length: int, *, allow_unknown: bool = False) -> Encoded:
    """Tokenises examples with the model's own tokenizer; pairs are truncated longest text first.

    Raises:
      InputError: `max_length` is too small for the special tokens and one token of each text, or more than half of the
        tokens are unknown to the tokenizer, without `allow_unknown`.
    """
    texts = 1 if examples.text_b is None else 2
    special = tokenizer.num_special_tokens_to_add(pair=texts == 2)
    if max_length < special + texts:
        raise InputError(
            f"max_length {max_length} is too short: {special} special tokens and a token of each text need "
            f"{special + texts}"
        )
    columns = [list(column) for column in (examples.text_a, examples.text_b) if column is not None]
    tokens = tokenize(tokenizer, *columns, truncation="longest_first", max_length=max_length, padding=False)
    unknown = unknown_share(tokenizer, tokens["input_ids"], columns)
    check_unknown(unknown, "the examples", allow_unknown)
    types, pad_id = tokens.get("token_type_ids"), tokenizer.pad_token_id
    input_ids = padded(tokens["input_ids"], pad_id, np.int32)
    token_type_ids = np.zeros_like(input_ids, np.int8) if types is None else padded(types, 0, np.int8)
    lengths = np.array([len(ids) for ids in tokens["input_ids"]], np.int32)
    return Encoded(input_ids, token_type_ids, lengths, examples.labels, ladder(max_length), pad_id, unknown)
