"""HuggingFace safetensors to parameter trees and back: one table of names, strict both ways, without torch."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, shapes
from geojax.models.config import EncoderConfig
from geojax.records import write_atomic, write_json

# Entries that a checkpoint may hold and an encoder does not need: constant buffers, and the heads of other tasks.
IGNORED = re.compile(r"embeddings\.(position_ids|token_type_ids)$|^(cls|lm_head|classifier|qa_outputs)\.")
OLD_NAMES = {"gamma": "weight", "beta": "bias"}


class Entry(NamedTuple):
    """One tensor: where it lies in the tree, what HuggingFace calls it, and whether it is stored transposed."""

    path: tuple[str, ...]
    name: str
    transposed: bool


def _dense(path: str, name: str) -> list[Entry]:
    parts = tuple(path.split("/"))
    return [Entry((*parts, "kernel"), f"{name}.weight", True), Entry((*parts, "bias"), f"{name}.bias", False)]


def _norm(path: str, name: str) -> list[Entry]:
    parts = tuple(path.split("/"))
    return [Entry((*parts, "scale"), f"{name}.weight", False), Entry((*parts, "bias"), f"{name}.bias", False)]


def table(apply: Apply) -> list[Entry]:
    """Every tensor of an architecture; encoder names are without the `bert.` or `roberta.` prefix."""
    entries = [
        Entry(("embeddings", name, "embedding"), f"embeddings.{name}.weight", False)
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ]
    entries += _norm("embeddings/layer_norm", "embeddings.LayerNorm")
    for i in range(apply.config.num_hidden_layers):
        ours, theirs = f"encoder/{i}", f"encoder.layer.{i}"
        for name in ("query", "key", "value"):
            entries += _dense(f"{ours}/attention/{name}", f"{theirs}.attention.self.{name}")
        entries += _dense(f"{ours}/attention/output", f"{theirs}.attention.output.dense")
        entries += _norm(f"{ours}/attention/layer_norm", f"{theirs}.attention.output.LayerNorm")
        entries += _dense(f"{ours}/intermediate", f"{theirs}.intermediate.dense")
        entries += _dense(f"{ours}/output", f"{theirs}.output.dense")
        entries += _norm(f"{ours}/layer_norm", f"{theirs}.output.LayerNorm")
    if apply.pooler:
        entries += _dense("pooler", "pooler.dense")
    return entries


def head_table(apply: Apply) -> list[Entry]:
    """The tensors of the head; their names never carry a prefix."""
    roberta = apply.config.model_type == "roberta"
    if apply.head == "classification":
        if roberta:
            return _dense("head/dense", "classifier.dense") + _dense("head/output", "classifier.out_proj")
        return _dense("head/output", "classifier")
    if apply.head == "masked_lm":
        top = "lm_head" if roberta else "cls.predictions"
        dense, norm = ("dense", "layer_norm") if roberta else ("transform.dense", "transform.LayerNorm")
        entries = _dense("head/dense", f"{top}.{dense}") + _norm("head/layer_norm", f"{top}.{norm}")
        return [*entries, Entry(("head", "bias"), f"{top}.bias", False)]
    return []


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, sharded or not."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise InputError(f"{folder} holds no model.safetensors (found: {found}); pickled weights are not read")


def fingerprint(folder: Path) -> str:
    """`sha256:` and the digest of the weight files: the identity of a local checkpoint."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    """Every tensor of a folder by canonical name: no encoder prefix, `weight` and `bias` for `gamma` and `beta`."""
    tensors = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  (a safetensors file is not a mapping)
                    *parents, last = re.sub(r"^(bert|roberta)\.", "", name).split(".")
                    tensors[".".join([*parents, OLD_NAMES.get(last, last)])] = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is damaged or incomplete: {error}") from error
    return tensors


def load_params(folder: Path, apply: Apply, tensors: dict[str, np.ndarray], *, head: bool) -> Params:
    """Fills the parameter tree of `apply` from `tensors`, with its head or without.

    Raises:
      InputError: one message that lists every fault: missing, unexpected, wrong shape, NaN or Inf, untied decoder.
    """
    entries = table(apply) + (head_table(apply) if head else [])
    expected = shapes(apply)
    faults, params = [], {}
    for entry in entries:
        if entry.name not in tensors:
            faults.append(f"missing {entry.name}")
            continue
        value = tensors[entry.name].astype(np.float32)
        value = value.T if entry.transposed else value
        shape = _get(expected, entry.path).shape
        if value.shape != shape:
            faults.append(
                f"{entry.name} has shape {tensors[entry.name].shape}, config.json asks for "
                f"{shape[::-1] if entry.transposed else shape}"
            )
        elif not np.isfinite(value).all():
            faults.append(f"{entry.name} holds {np.count_nonzero(~np.isfinite(value))} NaN or Inf")
        _set(params, entry.path, value)
    known = {entry.name for entry in entries}
    faults += [f"unexpected {name}" for name in sorted(tensors.keys() - known) if not IGNORED.search(name)]
    if head and apply.head == "masked_lm":
        decoder = next(
            (tensors[name] for name in ("cls.predictions.decoder.weight", "lm_head.decoder.weight") if name in tensors),
            None,
        )
        if decoder is not None and not np.array_equal(decoder, tensors.get("embeddings.word_embeddings.weight")):
            faults.append("the masked-LM decoder is not tied to the word embeddings")
    if faults:
        shown = "; ".join(faults[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise InputError(f"{folder} does not fit its config.json ({len(faults)} faults): {shown}")
    return jax.tree.map(jax.numpy.asarray, params)


def infer_apply(config: EncoderConfig, head: str | None, tensors: dict[str, np.ndarray]) -> tuple[bool, int | None]:
    """Whether a checkpoint has a pooler, and how many labels its classification head has (None without one)."""
    name = "classifier.out_proj.weight" if config.model_type == "roberta" else "classifier.weight"
    labels = tensors[name].shape[0] if head == "classification" and name in tensors else None
    return "pooler.dense.weight" in tensors, labels


def save_model(folder: str | Path, apply: Apply, params: Params, tokenizer: Any = None, dtype: str = "float32") -> None:
    """Writes `model.safetensors`, `config.json` and the tokenizer in HuggingFace's layout.

    Other tools read the folder: names carry the `bert.` or `roberta.` prefix where the model has a head.
    """
    folder = Path(folder)
    prefix = f"{apply.config.model_type}." if apply.head else ""
    named = [(prefix + entry.name, entry) for entry in table(apply)]
    named += [(entry.name, entry) for entry in head_table(apply)]
    tensors = {}
    for name, entry in named:
        value = np.asarray(_get(params, entry.path), dtype)
        tensors[name] = np.ascontiguousarray(value.T if entry.transposed else value)
    kind = {"classification": "ForSequenceClassification", "masked_lm": "ForMaskedLM", None: "Model"}[apply.head]
    record = {"architectures": [{"bert": "Bert", "roberta": "Roberta"}[apply.config.model_type] + kind]}
    record |= dataclasses.asdict(apply.config) | {"dtype": dtype, "tie_word_embeddings": True}
    if apply.num_labels is not None:
        record["id2label"] = {str(i): f"LABEL_{i}" for i in range(apply.num_labels)}
        record["label2id"] = {f"LABEL_{i}": i for i in range(apply.num_labels)}
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    write_json(folder / "config.json", record)
    write_atomic(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))


def _get(tree: Params, path: tuple[str, ...]) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _set(tree: Params, path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value
