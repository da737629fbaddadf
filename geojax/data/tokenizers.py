"""Lower-casing WordPiece tokenizers with five special tokens at ids 0 to 4: training, checking, tokenising a text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from geojax.errors import InputError
from geojax.models import unknown as models_unknown
from geojax.runtime import records

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL_TOKENS))
ALPHABET = 150  # characters in the vocabulary; rarer characters become [UNK]


def train_wordpiece(text: Iterable[str], vocabulary_size: int, max_length: int, folder: Path) -> Any:
    """Trains a WordPiece tokenizer on a text and writes it to `folder`; later calls read it from there.

    Two trainings on the same text can give different tokenizers, because equally frequent pairs of pieces are merged in
    no fixed order.

    Args:
      text: paragraphs; not read if the folder holds a tokenizer.
      vocabulary_size: largest number of entries, special tokens and all characters included.
      max_length: tokens that the tokenizer truncates its inputs to, when truncation is requested.
      folder: folder of the tokenizer; the tokenizer is complete if the folder holds a file `DONE`.

    Raises:
      InputError: the special tokens and the characters of the text are more than `vocabulary_size`.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    if not (folder / "DONE").exists():
        tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL_TOKENS[UNK]))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            limit_alphabet=ALPHABET,
            special_tokens=list(SPECIAL_TOKENS),
            show_progress=False,
        )
        tokenizer.train_from_iterator(text, trainer)
        if tokenizer.get_vocab_size() > vocabulary_size:
            raise InputError(
                f"vocabulary_size is {vocabulary_size}: the special tokens and the characters of the text alone are "
                f"{tokenizer.get_vocab_size()}"
            )
        whole = BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=True, model_max_length=max_length)
        whole.save_pretrained(folder)
        records.write_atomic(folder / "DONE", b"")
    return BertTokenizer.from_pretrained(folder)


def check_special_tokens(tokenizer: Any) -> None:
    """Raises InputError if the ids of a tokenizer's special tokens differ from the order of `SPECIAL_TOKENS`."""
    special = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    if (*special, tokenizer.mask_token_id) != tuple(range(len(SPECIAL_TOKENS))):
        raise InputError(
            "the model's special tokens are not those of configs/pretrain.py: choose an encoder made by it"
        )


def check_unknown(ids: Int[np.ndarray, "rows length"], texts: str, allow: bool) -> float:
    """The share of `UNK` in rows of token ids, other special tokens not counted; warns or refuses for a large one.

    Raises:
      InputError: more than half of the tokens of `texts` are unknown, and `allow` is false.
    """
    unknown, known = int((ids == UNK).sum()), int((ids > MASK).sum())
    share = unknown / max(1, unknown + known)
    models_unknown.check_unknown(share, texts, allow)
    return share


def tokenize(tokenizer: Any, text: Iterable[str]) -> Iterator[list[int]]:
    """The token ids of every paragraph, without special tokens and without truncation."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # the last call of the tokenizer may have left its own
    backend.no_padding()
    encoded = backend.encode_batch(list(text), add_special_tokens=False)
    return (encoding.ids for encoding in encoded)
