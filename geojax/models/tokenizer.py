"""The tokenizer of a model folder: read as its files say, and compared with the model."""

import json
import logging
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geojax.errors import InputError
from geojax.models.config import ModelConfig, read_record
from geojax.models.torch_backend import TorchConfig
from geojax.models.unknown import BYTES

log = logging.getLogger(__name__)

FILES = ("tokenizer.json", "vocab.txt", "vocab.json")
# Settings of `tokenizer_config.json` that are also settings of BERT's normalizer in `tokenizer.json`.
OF_NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
RESERVED = re.compile(r"[\[<].+[\]>]|madeupword\d+")  # special tokens and unused entries
CLEAR = 0.1  # the share of a vocabulary's words above which their case or accents are the vocabulary's own
TESTED = 1024  # entries of a vocabulary that are tested
NEVER = 0.01  # share of words that no text gives, above which there is a warning
ROLES = ("bos", "eos", "cls", "sep", "unk", "pad")


def load_tokenizer(folder: Path, config: ModelConfig | TorchConfig) -> Any:
    """The tokenizer of a model folder.

    A `tokenizer.json` is taken as it is, except for the settings that `tokenizer_config.json` states. A `vocab.txt`
    whose case nothing states is read with the case of its entries.

    Raises:
      InputError: no tokenizer, one that cannot be read or is not a fast one, or one that does not fit the model: ids
        beyond the embeddings, ids for less than half of them, or other special tokens than `config.json` states.
    """
    if not any((folder / name).exists() for name in FILES):
        pieces = [path.name for path in folder.glob("*.model")]
        alone = f"; {pieces[0]} alone is not read: save the tokenizer with a tokenizer.json" if pieces else ""
        raise InputError(f"{folder} holds no tokenizer ({', '.join(FILES[:-1])} or {FILES[-1]}){alone}")
    try:
        tokenizer, entries = _read(folder)
    except Exception as error:  # the tokenizer readers raise bare Exceptions on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the tokenizer in {folder} cannot be read: {reason}") from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise InputError(
            f"the tokenizer in {folder} is a {type(tokenizer).__name__}, which is not a fast one: save the "
            f"model with a tokenizer.json"
        )
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    # Any token will do for a decoder, because padding is always masked and nothing counts from it.
    if config.architecture.causal and tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(config.pad_token_id)
    if fault := _misfit(folder, tokenizer, config, entries):
        raise InputError(f"the tokenizer in {folder} does not fit the model: {fault}")
    if not config.architecture.causal and not tokenizer.num_special_tokens_to_add():
        log.warning("%s: the tokenizer puts no special tokens into a text, and the model was made for them", folder)
    _warn_of_unused(folder, tokenizer, config)
    return tokenizer


def _read(folder: Path) -> tuple[Any, set[str] | None]:
    """The tokenizer in a folder, and the entries that its files hold; None where no file was read here."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, BertTokenizer

    stated = _record(folder / "tokenizer_config.json")
    added = {str(entry.get("content")) for entry in stated.get("added_tokens_decoder", {}).values()}
    added |= set(_record(folder / "added_tokens.json"))
    options = {"local_files_only": True, "trust_remote_code": False}
    if (folder / "tokenizer.json").exists():
        own = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        return _as_in(own, stated, tokenizer), set(own.get_vocab()) | added
    if not (folder / "vocab.txt").exists():
        return AutoTokenizer.from_pretrained(folder, **options), None
    entries = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    if not {"[UNK]", "[CLS]", "[SEP]"} <= set(entries):  # another format than BERT's
        return AutoTokenizer.from_pretrained(folder, **options), None
    if stated.get("do_lower_case") is None:
        options |= _case(folder, entries)
    named = stated.get("tokenizer_class") or read_record(folder).get("tokenizer_class")
    return (AutoTokenizer if named else BertTokenizer).from_pretrained(folder, **options), set(entries) | added


def _as_in(own: Any, stated: dict[str, Any], tokenizer: Any) -> Any:
    """A tokenizer with the parts of `tokenizer.json`, which transformers builds anew for some classes.

    What `tokenizer_config.json` states replaces the settings of BERT's normalizer and of byte-level splitting.
    """
    from tokenizers import normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if isinstance(normalizer := own.normalizer, normalizers.BertNormalizer):
        for name, setting in OF_NORMALIZER.items():
            if stated.get(name) is not None:
                setattr(normalizer, setting, stated[name])
        own.normalizer = normalizer
    splitter, space = own.pre_tokenizer, stated.get("add_prefix_space")
    if isinstance(splitter, pre_tokenizers.ByteLevel) and space is not None:
        splitter.add_prefix_space = space
        own.pre_tokenizer = splitter
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = ("model", "normalizer", "pre_tokenizer", "post_processor", "decoder")
    if backend is None or all(repr(getattr(backend, part)) == repr(getattr(own, part)) for part in parts):
        return tokenizer
    for part in parts:
        setattr(backend, part, getattr(own, part))
    names = ("model_max_length", "model_input_names", "padding_side", "truncation_side")
    kept = {name: getattr(tokenizer, name) for name in names}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **kept, **tokenizer.special_tokens_map)


def _case(folder: Path, entries: Sequence[str]) -> dict[str, bool]:
    """Whether the text of a vocabulary was lower-cased and had its accents taken away, by the vocabulary's words."""
    words = [word for entry in entries if not RESERVED.fullmatch(entry) if (word := entry.removeprefix("##")).strip()]
    words = [word for word in words if any(map(str.isalpha, word))]
    cased = sum(word != word.lower() for word in words) / max(1, len(words))
    accented = sum(word != _without_accents(word) for word in words) / max(1, len(words))
    if 0 < cased < CLEAR:
        log.warning(
            "%s does not say whether text is lower-cased: it is, and %.1f %% of the words in vocab.txt have capitals; "
            "state do_lower_case in tokenizer_config.json",
            folder,
            100 * cased,
        )
    lower = cased < CLEAR
    return {"do_lower_case": lower, "strip_accents": lower and accented < CLEAR}


def _without_accents(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")


def _misfit(folder: Path, tokenizer: Any, config: ModelConfig | TorchConfig, entries: set[str] | None) -> str:
    """Why a tokenizer cannot belong to a model; empty where it can."""
    ids, size = set(tokenizer.get_vocab().values()), config.vocab_size
    largest = max(ids, default=-1)
    if largest >= size:
        return f"its largest id is {largest}, the model has {size} embeddings"
    if 2 * len(ids) < size:
        return f"it has {len(ids)} tokens, the model {size} embeddings"
    if not config.architecture.causal and tokenizer.pad_token_id != config.pad_token_id:
        return f"it pads with id {tokenizer.pad_token_id}, the model with {config.pad_token_id}"
    backend = tokenizer.backend_tokenizer
    try:
        empty = [backend.encode(""), backend.encode("", "")]
    except Exception as error:  # a template with special tokens that the vocabulary lacks
        return f"it cannot put special tokens into a text ({error})"
    put = {number: token for one in empty for number, token in zip(one.ids, one.tokens, strict=True)}
    for number, token in put.items():
        if backend.token_to_id(token) != number:
            return f"it puts {token} into texts as id {number}, and the id of {token} is {backend.token_to_id(token)}"
    record = read_record(folder)
    for role in ROLES:
        token, own = getattr(tokenizer, f"{role}_token"), getattr(tokenizer, f"{role}_token_id")
        needed = own in put or (role == "unk" and token == getattr(backend.model, "unk_token", None))
        if needed and entries is not None and token is not None and token not in entries:
            return f"none of its files holds its {role} token {token}"
        if own is None and config.architecture.numbering == "padding_idx":  # <s> and </s> have two roles
            own = {"bos": tokenizer.cls_token_id, "eos": tokenizer.sep_token_id}.get(role)
        said = record.get(f"{role}_token_id")
        if isinstance(said, int) and own in put and own != said:
            return f"its {role} token has id {own}, config.json says {said}"
    return ""


def _warn_of_unused(folder: Path, tokenizer: Any, config: ModelConfig | TorchConfig) -> None:
    """Warns where much of a model's vocabulary is never used: embeddings without a token, words that no text gives."""
    without = config.vocab_size - len(set(tokenizer.get_vocab().values()))
    if without > CLEAR * config.vocab_size:
        share = 100 * without / config.vocab_size
        log.warning("%s: %d of %d embeddings (%.0f %%) have no token", folder, without, config.vocab_size, share)
    backend = tokenizer.backend_tokenizer
    words = _words(backend)
    chosen = sorted(words)[:: -(-len(words) // TESTED) or 1]
    try:
        found = backend.encode_batch([words[entry] for entry in chosen], add_special_tokens=False)
    except Exception as error:  # no unknown token in the vocabulary: texts of known tokens can be read all the same
        log.warning("%s: the tokenizer cannot read all texts: %s", folder, error)
        return
    lost = [entry for entry, one in zip(chosen, found, strict=True) if backend.token_to_id(entry) not in one.ids]
    if len(lost) > NEVER * len(chosen):
        log.warning(
            "%s: the tokenizer never gives %.1f %% of the vocabulary's words, such as %s: check do_lower_case and the "
            "other settings of the tokenizer",
            folder,
            100 * len(lost) / len(chosen),
            ", ".join(map(repr, lost[:3])),
        )


def _words(backend: Any) -> dict[str, str]:
    """The entries of a vocabulary that are whole words, or begin one, with their texts."""
    vocabulary = backend.get_vocab(with_added_tokens=False).keys() - {
        token.content for token in backend.get_added_tokens_decoder().values()
    }
    entries = [entry for entry in vocabulary if not RESERVED.fullmatch(entry)]
    suffix = getattr(backend.model, "end_of_word_suffix", None)
    prefix = getattr(backend.model, "continuing_subword_prefix", None)
    if suffix:
        texts = {entry: entry.removesuffix(suffix) for entry in entries if entry.endswith(suffix)}
    elif begin := [entry for entry in entries if entry.startswith("\u2581") and len(entry) > 1]:  # SentencePiece
        texts = {entry: entry[1:].replace("\u2581", " ") for entry in begin}
    elif "\u0120" in vocabulary:  # bytes
        begin = [entry for entry in entries if entry.startswith("\u0120") and len(entry) > 1]
        texts = {entry: _text_of_bytes(entry) for entry in begin or entries}
    else:
        texts = {entry: entry for entry in entries if not (prefix and entry.startswith(prefix))}
    return {entry: text for entry, text in texts.items() if text.strip() and text.isprintable()}


def _text_of_bytes(entry: str) -> str:
    """The text of an entry of a byte-level vocabulary; empty where the bytes are part of a character."""
    try:
        return bytes(BYTES[character] for character in entry).decode()
    except (KeyError, UnicodeDecodeError):
        return ""


def _record(path: Path) -> dict[str, Any]:
    """A JSON record; empty where there is no file."""
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not isinstance(record, dict):
        raise ValueError(f"{path.name} is not a record")
    return record
