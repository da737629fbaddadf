"""RoBERTa as fairseq stores it, and the dictionary beside its checkpoint."""

import argparse
import logging
import re
from pathlib import Path
from typing import Any

from experiments.convert_checkpoint.pickled import Tensors, unpickle
from geojax.errors import InputError
from geojax.models.unknown import byte_characters
from geojax.runtime import records

FAIRSEQ = {  # names below sentence_encoder, and HuggingFace's; {} is the number of a layer
    "embed_tokens": "embeddings.word_embeddings",
    "embed_positions": "embeddings.position_embeddings",
    "segment_embeddings": "embeddings.token_type_embeddings",
    "emb_layer_norm": "embeddings.LayerNorm",
    "layernorm_embedding": "embeddings.LayerNorm",
    "layers.{}.self_attn.q_proj": "encoder.layer.{}.attention.self.query",
    "layers.{}.self_attn.k_proj": "encoder.layer.{}.attention.self.key",
    "layers.{}.self_attn.v_proj": "encoder.layer.{}.attention.self.value",
    "layers.{}.self_attn.out_proj": "encoder.layer.{}.attention.output.dense",
    "layers.{}.self_attn_layer_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "layers.{}.fc1": "encoder.layer.{}.intermediate.dense",
    "layers.{}.fc2": "encoder.layer.{}.output.dense",
    "layers.{}.final_layer_norm": "encoder.layer.{}.output.LayerNorm",
}
SPECIAL = 4  # <s> <pad> </s> <unk> come before the entries of a dict.txt


def read_fairseq(path: Path) -> tuple[dict[str, Any], Tensors]:
    """The config and the tensors of a fairseq RoBERTa, by HuggingFace's names."""
    import torch

    checkpoint = unpickle(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        raise InputError(f"{path} is no fairseq checkpoint: it has no 'model'")
    settings = checkpoint.get("args") or (checkpoint.get("cfg") or {}).get("model") or {}
    settings = vars(settings) if isinstance(settings, argparse.Namespace) else settings
    tensors, unknown = {}, []
    for name, tensor in checkpoint["model"].items():
        if name.startswith("classification_heads."):
            continue  # heads of other tasks
        if (renamed := rename(name, tensor)) is None:
            unknown.append(name)
        else:
            tensors |= renamed
    needed = {
        "word embeddings": "roberta.embeddings.word_embeddings.weight",
        "position embeddings": "roberta.embeddings.position_embeddings.weight",
        "layers": "roberta.encoder.layer.0.intermediate.dense.weight",
    }
    faults = [f"an unknown {name}" for name in unknown[:5]]
    faults += [f"no {what}" for what, name in needed.items() if name not in tensors]
    faults += ["no number of attention heads"] if "encoder_attention_heads" not in settings else []
    if faults:
        raise InputError(f"{path} is no RoBERTa that is known here: it has {', '.join(faults)}")
    words, positions = (tensors[f"roberta.embeddings.{part}_embeddings.weight"] for part in ("word", "position"))
    if not torch.equal(tensors.pop("lm_head.decoder.weight", words), words):
        raise InputError(f"{path} has a language model that is not tied to its word embeddings")
    types = tensors.setdefault("roberta.embeddings.token_type_embeddings.weight", torch.zeros(1, words.shape[1]))
    layers = 1 + max(int(name.split(".")[3]) for name in tensors if ".layer." in name)
    return {
        "model_type": "roberta",
        "architectures": ["RobertaForMaskedLM"],
        "vocab_size": len(words),
        "hidden_size": words.shape[1],
        "num_hidden_layers": layers,
        "num_attention_heads": settings["encoder_attention_heads"],
        "intermediate_size": len(tensors["roberta.encoder.layer.0.intermediate.dense.weight"]),
        "hidden_act": settings.get("activation_fn", "gelu"),
        "hidden_dropout_prob": settings.get("dropout", 0.1),
        "attention_probs_dropout_prob": settings.get("attention_dropout", 0.1),
        "max_position_embeddings": len(positions),
        "type_vocab_size": len(types),
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }, tensors


def rename(name: str, tensor: Any) -> Tensors | None:
    """A fairseq tensor by HuggingFace's name, or three tensors for a joint projection; None for an unknown name."""
    name = re.sub(r"^(encoder|decoder)\.", "", name)
    if name.startswith("lm_head."):
        known = re.fullmatch(r"lm_head\.(weight|bias|(dense|layer_norm)\.(weight|bias))", name)
        return {name.replace("lm_head.weight", "lm_head.decoder.weight"): tensor} if known else None
    name = name.removeprefix("sentence_encoder.")
    if joint := re.fullmatch(r"layers\.(\d+)\.self_attn\.in_proj_(weight|bias)", name):
        parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
        return {f"roberta.encoder.layer.{joint[1]}.attention.self.{part}.{joint[2]}": value for part, value in parts}
    module, _, leaf = name.rpartition(".")
    number = next(iter(re.findall(r"(?<=^layers\.)\d+", module)), "")
    target = FAIRSEQ.get(re.sub(r"^layers\.\d+", "layers.{}", module))
    return {f"roberta.{target.format(number)}.{leaf}": tensor} if target else None


def check_vocabulary(dictionary: Path, tokenizer: Path) -> None:
    """Raises an InputError where the ids of a tokenizer differ from the dict.txt beside the checkpoint.

    Entries of a dict.txt are symbols, or numbers of GPT-2's vocabulary: 256 bytes, printable bytes first, then the
    merges in order.
    """
    if not dictionary.exists():
        logging.warning("%s does not exist: that the tokenizer's ids are the checkpoint's is not checked", dictionary)
        return
    lines = _lines(dictionary)
    entries = [line.removesuffix(" #fairseq:overwrite").rsplit(" ", 1)[0] for line in lines]
    symbols = [entry for entry in entries if not re.fullmatch(r"madeupword\d+|<.*>", entry)]
    tokens = numbered_tokens(tokenizer, dictionary) if all(map(str.isdecimal, symbols)) else None
    vocabulary = vocabulary_of(tokenizer, dictionary)
    for number, entry in enumerate(entries):
        if tokens is None:
            token = entry
        else:
            token = tokens[int(entry)] if entry.isdecimal() and int(entry) < len(tokens) else None
        if token is None or re.fullmatch(r"madeupword\d+|<.*>", token):
            continue
        if vocabulary.get(token) != SPECIAL + number:
            raise InputError(
                f"{tokenizer} is not the checkpoint's tokenizer: {token!r} has id {vocabulary.get(token)} there and "
                f"{SPECIAL + number} in {dictionary}"
            )


def numbered_tokens(tokenizer: Path, dictionary: Path) -> list[str]:
    """The tokens of GPT-2's vocabulary by number, from a tokenizer's merges."""
    if not all((tokenizer / name).exists() for name in ("vocab.json", "merges.txt")):
        raise InputError(f"{tokenizer} has no vocab.json and merges.txt to compare with {dictionary}")
    characters = byte_characters()
    printable = [character for character in characters if ord(character) < 256]
    merges = ["".join(line.split()) for line in _lines(tokenizer / "merges.txt") if not line.startswith("#version")]
    return [*printable, *sorted(set(characters) - set(printable)), *filter(None, merges)]


def vocabulary_of(tokenizer: Path, dictionary: Path) -> dict[str, int]:
    """The ids of a tokenizer's tokens, from the file that says most."""
    if (tokenizer / "vocab.json").exists():
        return records.read_json(tokenizer / "vocab.json")
    if (tokenizer / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(tokenizer / "tokenizer.json")).get_vocab()
        except Exception as error:  # damaged files raise bare Exceptions
            raise InputError(f"{tokenizer / 'tokenizer.json'} cannot be read: {error}") from error
    if (tokenizer / "vocab.txt").exists():
        return {token: number for number, token in enumerate(_lines(tokenizer / "vocab.txt"))}
    raise InputError(f"{tokenizer} has no vocab.json, tokenizer.json or vocab.txt to compare with {dictionary}")


def _lines(path: Path) -> list[str]:
    """The lines of a text file."""
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
