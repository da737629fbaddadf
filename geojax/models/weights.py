"""Fills parameter trees from HuggingFace's tensors and writes them, with one table of names and without torch.

Reading is strict: missing and unexpected tensors are errors.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, shapes
from geojax.models.architectures import Architecture
from geojax.models.config import ModelConfig, to_record
from geojax.models.label_names import label_record
from geojax.models.network import Dtype
from geojax.models.quantized import is_real
from geojax.runtime.records import write_atomic, write_json

# Tensors that a checkpoint may hold although the model does not need them: constant buffers, and heads of other tasks.
IGNORED = re.compile(
    r"embeddings\.(position_ids|token_type_ids)$|\.(attn|attention)\.(bias|masked_bias)$|rotary_emb\.inv_freq$|"
    r"^(cls|lm_head|classifier|pre_classifier|qa_outputs|vocab_(transform|layer_norm|projector)|generator_lm_head|"
    r"(generator_|discriminator_)?predictions|sop_classifier|score|dense)\."
)
WORDS = ("embeddings", "word_embeddings", "embedding")
LEAVES = {"kernel": "weight", "embedding": "weight", "scale": "weight", "bias": "bias"}


class Entry(NamedTuple):
    """One array: its path in the parameter tree, HuggingFace's name of its tensor, and how the tensor stores it.

    The tensor is the transposed array if `transposed`, and stores `parts` arrays side by side, this one at place
    `part`: one whole array after the other, or those of every one of `blocks` heads.
    """

    path: tuple[str, ...]
    name: str
    transposed: bool
    part: int
    parts: int
    blocks: int

    def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the tensor for an array of shape `shape`."""
        shape = (*shape[:-1], self.parts * shape[-1])
        return shape[::-1] if self.transposed else shape

    def array(self, tensor: np.ndarray) -> np.ndarray:
        """The array in a tensor."""
        tensor = tensor.T if self.transposed else tensor
        if self.parts == 1:
            return tensor
        blocks = tensor.reshape(*tensor.shape[:-1], self.blocks, self.parts, -1)[..., self.part, :]
        return blocks.reshape(*tensor.shape[:-1], -1)

    def tensor(self, arrays: list[np.ndarray]) -> np.ndarray:
        """The tensor of all its arrays, in their order."""
        blocks = [array.reshape(*array.shape[:-1], self.blocks, 1, -1) for array in arrays]
        whole = np.concatenate(blocks, axis=-2).reshape(*arrays[0].shape[:-1], -1)
        return np.ascontiguousarray(whole.T if self.transposed else whole)


def table(apply: Apply, *, head: bool = False) -> list[Entry]:
    """The entries of all arrays of an encoder and its pooler, or of its head if `head`; names have no prefix."""
    style = apply.config.architecture
    names = style.heads[apply.head] if head else style.names
    sides = {}  # paths of the modules in one tensor
    for path, name in names.items():
        sides.setdefault(name, []).append(path)
    paths = [tuple(part.key for part in path) for path, _ in jax.tree_util.tree_leaves_with_path(shapes(apply))]
    entries = []
    for path in paths:
        if (path[0] == "head") != head:
            continue
        *module, leaf = path
        layer = module[1] if path[0] == "encoder" else ""
        place = "/".join("{}" if part.isdigit() else part for part in module)
        transposed = leaf == "kernel" and not (style.kernels_in_out and path[0] == "encoder")
        together = sides[names[place]]
        blocks = apply.config.num_attention_heads if style.interleaved and len(together) > 1 else 1
        name = f"{names[place].format(layer)}.{LEAVES[leaf]}"
        entries.append(Entry(path, name, transposed, together.index(place), len(together), blocks))
    return entries


def load_params(
    folder: Path, apply: Apply, tensors: dict[str, np.ndarray], *, head: bool, dtype: Dtype = "float32"
) -> Params:
    """Fills the parameter tree of `apply` from `tensors`, with the head if `head`.

    Of two tied tensors, word embeddings and decoder or the two names of the decoder's bias, either will do.

    Args:
      folder: the folder that messages name.
      apply: the model.
      tensors: by canonical name; consumed, so that no tensor is held beside its parameter.
      dtype: type of kernels and tables; biases and norms are float32.

    Raises:
      InputError: one message lists the faults, at most 20 by name: missing or unexpected tensors, wrong shapes or
        types, NaN or Inf, tied tensors that differ.
    """
    entries = table(apply) + (table(apply, head=True) if head else [])
    expected, twins = shapes(apply), _twins(apply, entries)
    known = {entry.name for entry in entries} | set(twins.values())
    unknown = sorted(name for name in tensors.keys() - known if not _is_ignored(name, apply.config.architecture))
    last = {entry.name: entry for entry in entries}
    faults, params = {}, {}  # faults in order, each once
    for entry in entries:
        twin = twins.get(entry.name, "")
        either = apply.config.tie_word_embeddings or entry.path[0] == "head"
        name = twin if either and entry.name not in tensors and twin in tensors else entry.name
        if name not in tensors:
            faults[f"missing {name}"] = True
            continue
        if fault := _fault(name, tensors[name], entry.stored_shape(_get(expected, entry.path).shape)):
            faults[fault] = True
            continue
        if head and twin in tensors and not np.array_equal(tensors[name], tensors[twin]):
            kind = "decoder" if entry.path[0] == "embeddings" else "decoder's bias"
            tied = "word embeddings" if entry.path[0] == "embeddings" else "head's bias"
            faults[f"the {kind} of the language model is not tied to the {tied}"] = True
        array = entry.array(tensors[name] if last[entry.name] is not entry else tensors.pop(name))
        _set(params, entry.path, jnp.asarray(array, dtype if array.ndim > 1 else jnp.float32))
    faults |= {f"unexpected {name}": True for name in unknown}
    if faults:
        shown = "; ".join(list(faults)[:20]) + (f"; and {len(faults) - 20} more" if len(faults) > 20 else "")
        raise InputError(f"{folder} does not fit its config.json ({len(faults)} faults): {shown}")
    return params


def _is_ignored(name: str, style: Architecture) -> bool:
    """Whether a tensor is a constant, is not read, or belongs to a head."""
    modules = {module for names in style.heads.values() for module in names.values()}
    return bool(IGNORED.search(name)) or name.startswith((*style.unused, *(f"{module}." for module in modules)))


def _twins(apply: Apply, entries: list[Entry]) -> dict[str, str]:
    """The other names of tied tensors in a checkpoint: of the word embeddings and of the bias of the masked-LM head."""
    decoder = apply.config.architecture.decoder
    other = {} if apply.config.untied else {WORDS: decoder}
    if apply.head == "masked_lm":
        other[("head", "bias")] = decoder.removesuffix("weight") + "bias"
    return {entry.name: other[entry.path] for entry in entries if other.get(entry.path, entry.name) != entry.name}


def _fault(name: str, value: np.ndarray, shape: tuple[int, ...]) -> str:
    """Why a tensor cannot be a parameter of `shape`; empty where it can."""
    if not is_real(value.dtype):
        return f"{name} is {value.dtype}, and config.json does not say what its numbers mean"
    if value.shape != shape:
        return f"{name} has shape {value.shape}, config.json asks for {shape}"
    if bad := np.count_nonzero(~np.isfinite(value)):
        return f"{name} holds {bad} NaN or Inf"
    with np.errstate(over="ignore"):
        large = np.count_nonzero(~np.isfinite(value.astype(np.float32)))
    return f"{name} holds {large} numbers beyond float32" if large else ""


def infer_apply(config: ModelConfig, head: str | None, tensors: dict[str, np.ndarray]) -> tuple[bool, int | None]:
    """Whether a checkpoint has a pooler, and the number of labels of its head (None if it has no such head)."""
    style = config.architecture
    output = style.heads.get(head, {}).get("head/output")
    weight = tensors.get(f"{output}.weight")
    labels = weight.shape[0] if weight is not None and weight.ndim == 2 and len(weight) else None
    return f"{style.names.get('pooler')}.weight" in tensors, labels


def save_model(folder: str | Path, apply: Apply, params: Params, tokenizer: Any = None, dtype: str = "float32") -> None:
    """Writes `model.safetensors`, `config.json` and the tokenizer in HuggingFace's layout.

    If the model has a head, the names of the encoder's tensors have their prefix, so that other tools read the folder.
    """
    folder, style = Path(folder), apply.config.architecture
    prefix = style.prefix if apply.head else ""
    named = [(prefix + entry.name, entry) for entry in table(apply)]
    named += [(entry.name, entry) for entry in table(apply, head=True)] if apply.head else []
    arrays, last = {}, {}
    for name, entry in named:
        arrays.setdefault(name, {})[entry.part] = np.asarray(_get(params, entry.path), dtype)
        last[name] = entry
    tensors = {name: last[name].tensor([found[part] for part in sorted(found)]) for name, found in arrays.items()}
    record = {"architectures": [style.class_of(apply.head)]} | to_record(apply.config) | {"dtype": dtype}
    record["tie_word_embeddings"] = not apply.config.untied
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
