"""Encoders and decoders, loaded by `load(name_or_path)`.

A model is a pure function and a tree of parameters: `apply(params, batch, *, key=None) -> {"hidden_states", ...}`.
"""

import difflib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_args

from geojax.errors import InputError
from geojax.models import torch_backend
from geojax.models.apply import LABELLED, Apply, Params, init, make_apply, shapes, with_head
from geojax.models.config import ModelConfig, read_config, read_record
from geojax.models.label_names import read_label_names
from geojax.models.network import Dtype
from geojax.models.quantized import dequantized
from geojax.models.tensor_files import fingerprint, read_tensors
from geojax.models.tokenizer import load_tokenizer
from geojax.models.torch_backend import TorchApply, TorchConfig
from geojax.models.weights import infer_apply, load_params, save_model
from geojax.runtime.folders import written
from geojax.typing import Key

__all__ = [
    "Apply",
    "ModelConfig",
    "Model",
    "Source",
    "init",
    "load",
    "load_torch",
    "make_apply",
    "resolve",
    "save",
    "shapes",
    "shipped",
    "with_head",
]

LONGEST_NAME = 255  # characters of a folder's name
ASSETS = Path(str(resources.files("geojax"))) / "assets"
HUB_FILES = [
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "modules.json",  # the next four: of sentence-transformers
    "sentence_*_config.json",
    "config_sentence_transformers.json",
    "[0-9]*_*/config.json",
    "added_tokens.json",
    "sentencepiece*",
    "spiece.model",
]


class Model(NamedTuple):
    """A loaded model."""

    apply: Apply | TorchApply
    params: Params
    tokenizer: Any
    config: ModelConfig | TorchConfig


class Source(NamedTuple):
    """The folder of a model's files, and their revision: a commit of the hub, or a digest of the weights."""

    folder: Path
    revision: str


def shipped() -> tuple[str, ...]:
    """The names of the encoders that ship with geojax."""
    return tuple(sorted(path.parent.name for path in ASSETS.glob("*/config.json")))


def resolve(name_or_path: str | Path, revision: str | None = None) -> Source:
    """Finds a model: an encoder that ships with geojax, a local folder, or a model on the HuggingFace hub.

    A model on the hub is downloaded, at `revision` if given.

    Raises:
      InputError: no model has that name, the folder is not a model folder, or the hub cannot be reached.
    """
    name = str(name_or_path)
    if not name:
        raise InputError("no model given: name one, as in --config.model=bert-base-uncased")
    if name in shipped():
        return Source(ASSETS / name, fingerprint(ASSETS / name))
    if max(map(len, name.split("/"))) > LONGEST_NAME:
        raise InputError(
            f"model {name[:40]}… of {len(name)} characters is no folder and no name on the HuggingFace hub"
        )
    if Path(name).is_dir():
        if not (Path(name) / "config.json").exists():
            raise InputError(f"{name} holds no config.json: it is not a HuggingFace model folder")
        return Source(Path(name), fingerprint(Path(name)))
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(f"model folder {name} does not exist")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        near = difflib.get_close_matches(name, shipped(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"model {name!r} is neither a folder here nor one of {', '.join(shipped())}, and the HuggingFace hub "
            f"did not give it ({type(error).__name__}){hint}"
        ) from error
    return Source(folder, folder.name)


def load(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    head: str | None = None,
    num_labels: int | None = None,
    key: Key | None = None,
    dtype: str = "float32",
) -> Model:
    """Loads a model: `apply, params, tokenizer, config = load("bert-base-uncased")`.

    Args:
      name_or_path: a HuggingFace name, a local folder, or one of `shipped()`.
      revision: branch, tag or commit on the hub.
      head: None, "classification" (one label for a regression), "token_classification", "question_answering",
        "masked_lm", or, for a decoder, "causal_lm".
      num_labels: outputs of a classification head; None reads the number from the checkpoint's head.
      dtype: type in which kernels and embeddings are held. "bfloat16" halves the memory; every computation is still in
        float32, for which a layer's kernels become float32 where they are used. Float32 files lose digits by it.
      key: initialises a new head, and a pooler if the head needs one that the checkpoint lacks. None reads the head
        from the checkpoint, and `apply.label_names` from its `config.json`.

    Raises:
      InputError: an unknown model, an architecture that geojax does not have, a file that is damaged or does not fit
        its `config.json` (every fault in one message), a tokenizer that does not fit the model.
    """
    if dtype not in get_args(Dtype):
        raise InputError(f"parameters cannot be held as {dtype!r}: geojax has {', '.join(get_args(Dtype))}")
    folder = resolve(name_or_path, revision).folder
    config = read_config(folder)
    style = config.architecture
    tensors = read_tensors(folder, style.prefix, style.old_names)
    record = read_record(folder)
    tensors = dequantized(tensors, record.get("quantization_config"), style)
    pooler, found_labels = infer_apply(config, head, tensors)
    if head in LABELLED and key is None:
        num_labels = num_labels if num_labels is not None else found_labels
        if num_labels is None:
            raise InputError(f"{folder} has no {head} head: give a key and num_labels to start a new one")
    stored = head in LABELLED and key is None
    names = read_label_names(folder, num_labels) if stored and num_labels == found_labels else None
    apply = make_apply(config, head, num_labels, pooler=pooler, label_names=names)
    if key is None:
        params = load_params(folder, apply, tensors, head=head is not None, dtype=dtype)
    else:
        encoder = make_apply(config, pooler=pooler)
        params = with_head(apply, load_params(folder, encoder, tensors, head=False, dtype=dtype), key)
    return Model(apply, params, load_tokenizer(folder, config), config)


def load_torch(name_or_path: str | Path, *, revision: str | None = None) -> Model:
    """Loads any model of transformers as its own PyTorch class, for its hidden states; `params` of the result is empty.

    Args:
      name_or_path, revision: as in `load`.

    Raises:
      InputError: torch is not installed, or as `torch_backend.read`; a tokenizer that does not fit the model.
    """
    folder = resolve(name_or_path, revision).folder
    apply = torch_backend.read(folder)
    return Model(apply, {}, load_tokenizer(folder, apply.config), apply.config)


def save(folder: str | Path, apply: Apply, params: Params, tokenizer: Any = None, *, dtype: str = "float32") -> None:
    """Writes a model folder, local or in a store, in HuggingFace's layout: safetensors, config and tokenizer."""
    with written(folder) as local:
        save_model(local, apply, params, tokenizer, dtype)
