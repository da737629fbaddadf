"""Reads HuggingFace safetensors into parameter trees and writes them, with one table of names and without torch.

Reading is strict: missing and unexpected tensors are errors.
"""

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
from geojax.models.config import EncoderConfig, to_record
from geojax.models.label_names import label_record
from geojax.runtime.records import write_atomic, write_json

# Tensors that a checkpoint may hold although the model does not need them: constant buffers, and heads of other tasks.
IGNORED = re.compile(
    r"embeddings\.(position_ids|token_type_ids)$|\.attn\.(bias|masked_bias)$|"
    r"^(cls|lm_head|classifier|pre_classifier|qa_outputs|vocab_(transform|layer_norm|projector)|generator_lm_head|"
    r"(generator_|discriminator_)?predictions|sop_classifier|score|dense)\."
)
OLD_NAMES = {"gamma": "weight", "beta": "bias"}
LEAVES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}
ENDINGS = {
    None: "Model",
    "classification": "ForSequenceClassification",
    "token_classification": "ForTokenClassification",
    "masked_lm": "ForMaskedLM",
    "causal_lm": "LMHeadModel",
}


class Entry(NamedTuple):
    """One array: its path in the parameter tree, HuggingFace's name of its tensor, and how the tensor stores it.

    `part` is the index of the array in a tensor that stores several arrays side by side; None: the tensor stores only
    this array.
    """

    path: tuple[str, ...]
    name: str
    transposed: bool
    part: int | None

    def stored_shape(self, shape: tuple[int, ...], parts: int) -> tuple[int, ...]:
        """The shape of the tensor for an array of shape `shape`; `parts` is the number of arrays in a fused tensor."""
        shape = shape[::-1] if self.transposed else shape
        return shape if self.part is None else (*shape[:-1], parts * shape[-1])


def table(apply: Apply, *, head: bool = False) -> list[Entry]:
    """The entries of all arrays of an encoder and its pooler, or of its head if `head`; names have no prefix."""
    style = apply.config.architecture
    names = style.heads[apply.head] if head else style.names
    paths = [tuple(part.key for part in path) for path, _ in jax.tree_util.tree_leaves_with_path(shapes(apply))]
    entries = []
    for path in paths:
        if (path[0] == "head") != head:
            continue
        *module, leaf = path
        layer = module[1] if path[0] == "encoder" else ""
        name = names["/".join("{}" if part.isdigit() else part for part in module)].format(layer)
        transposed = leaf == "kernel" and not (style.kernels_in_out and path[0] == "encoder")
        part = style.fused.index(module[-1]) if module[-1] in style.fused else None
        entries.append(Entry(path, f"{name}.{LEAVES[leaf]}", transposed, part))
    return entries


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, sharded or not.

    Raises:
      InputError: the folder holds no safetensors.
    """
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise InputError(f"{folder} holds no model.safetensors (found: {found}); pickled weights are not read")


def fingerprint(folder: Path) -> str:
    """The identity of a local checkpoint: `sha256:` and the SHA-256 of its weight files."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def read_tensors(folder: Path, prefix: str = "") -> dict[str, np.ndarray]:
    """All tensors of a folder by canonical name: without `prefix`; `weight` and `bias` replace `gamma` and `beta`.

    Raises:
      InputError: the folder holds no safetensors, or a file is damaged or incomplete.
    """
    tensors = {}
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  (a safetensors file is not a mapping)
                    *parents, last = name.removeprefix(prefix).split(".")
                    tensors[".".join([*parents, OLD_NAMES.get(last, last)])] = file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is damaged or incomplete: {error}") from error
    return tensors


def load_params(folder: Path, apply: Apply, tensors: dict[str, np.ndarray], *, head: bool) -> Params:
    """Fills the parameter tree of `apply` from `tensors`, with the head if `head`.

    Raises:
      InputError: one message lists the faults, at most 20 by name: missing or unexpected tensors, wrong shapes, NaN or
        Inf, an untied decoder.
    """
    style = apply.config.architecture
    entries = table(apply) + (table(apply, head=True) if head else [])
    expected = shapes(apply)
    faults, params = {}, {}  # faults in order, each once
    for entry in entries:
        if entry.name not in tensors:
            faults[f"missing {entry.name}"] = True
            continue
        value = tensors[entry.name].astype(np.float32)
        shape = entry.stored_shape(_get(expected, entry.path).shape, len(style.fused))
        if value.shape != shape:
            faults[f"{entry.name} has shape {value.shape}, config.json asks for {shape}"] = True
            continue
        if not np.isfinite(value).all():
            faults[f"{entry.name} holds {np.count_nonzero(~np.isfinite(value))} NaN or Inf"] = True
        value = value if entry.part is None else np.split(value, len(style.fused), axis=-1)[entry.part]
        _set(params, entry.path, value.T if entry.transposed else value)
    known = {entry.name for entry in entries}
    faults |= {f"unexpected {name}": True for name in sorted(tensors.keys() - known) if not IGNORED.search(name)}
    if head and apply.head in ("masked_lm", "causal_lm"):
        words = next(entry.name for entry in entries if entry.path[:2] == ("embeddings", "word_embeddings"))
        if style.decoder in tensors and not np.array_equal(tensors[style.decoder], tensors.get(words)):
            faults["the decoder of the language model is not tied to the word embeddings"] = True
    if faults:
        shown = "; ".join(list(faults)[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise InputError(f"{folder} does not fit its config.json ({len(faults)} faults): {shown}")
    return jax.tree.map(jax.numpy.asarray, params)


def infer_apply(config: EncoderConfig, head: str | None, tensors: dict[str, np.ndarray]) -> tuple[bool, int | None]:
    """Whether a checkpoint has a pooler, and the number of labels of its head (None if it has no such head)."""
    style = config.architecture
    output = style.heads.get(head, {}).get("head/output")
    labels = tensors[f"{output}.weight"].shape[0] if f"{output}.weight" in tensors else None
    return f"{style.names.get('pooler')}.weight" in tensors, labels


def save_model(folder: str | Path, apply: Apply, params: Params, tokenizer: Any = None, dtype: str = "float32") -> None:
    """Writes `model.safetensors`, `config.json` and the tokenizer in HuggingFace's layout.

    If the model has a head, the names of the encoder's tensors have their prefix, so that other tools read the folder.
    """
    folder, style = Path(folder), apply.config.architecture
    prefix = style.prefix if apply.head else ""
    named = [(prefix + entry.name, entry) for entry in table(apply)]
    named += [(entry.name, entry) for entry in table(apply, head=True)] if apply.head else []
    parts = {}
    for name, entry in named:
        value = np.asarray(_get(params, entry.path), dtype)
        parts.setdefault(name, {})[entry.part] = value.T if entry.transposed else value
    tensors = {
        name: np.ascontiguousarray(np.concatenate([found[part] for part in sorted(found)], axis=-1))
        for name, found in parts.items()
    }
    record = {"architectures": [style.classes + ENDINGS[apply.head]]}
    record |= to_record(apply.config) | {"dtype": dtype, "tie_word_embeddings": True}
    if apply.num_labels is not None:
        record |= label_record(apply.label_names or [f"LABEL_{i}" for i in range(apply.num_labels)])
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
