"""Sentence vectors as the library sentence-transformers makes them, from the files that it keeps beside a model.

Reimers & Gurevych 2019, arXiv 1908.10084. `modules.json` lists the modules after the transformer: one pooling, then
dense layers and normalisation. The library itself is not needed.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from geojax.errors import InputError
from geojax.models.config import read_record
from geojax.models.tensor_files import read_tensors
from geojax.representations.policies import Kept, Vectors, largest, mean

Points = Float[np.ndarray, "B d"]


def _mean_by_root(vectors: Vectors, keep: Kept) -> Points:
    return mean(vectors, keep) * np.sqrt(keep.sum(1, dtype=np.float32))[:, None]


def _weighted_mean(vectors: Vectors, keep: Kept) -> Points:
    """Means with weights 1, 2, 3, ... (Muennighoff 2022, arXiv 2202.08904)."""
    weights = np.arange(1, keep.shape[1] + 1, dtype=np.float32) * keep
    return np.einsum("bt,btd->bd", weights, vectors) / np.maximum(weights.sum(1), 1)[:, None]


def _at(place: Callable[[Kept], np.ndarray]) -> Callable[[Vectors, Kept], Points]:
    return lambda vectors, keep: vectors[np.arange(len(keep)), place(keep)]


# The modes of pooling in the order in which a model with several joins their vectors, with their settings' names.
MODES: Mapping[str, tuple[str, Callable[[Vectors, Kept], Points]]] = {
    "cls": ("cls_token", _at(lambda keep: keep.argmax(1))),
    "max": ("max_tokens", largest),
    "mean": ("mean_tokens", mean),
    "mean_sqrt_len_tokens": ("mean_sqrt_len_tokens", _mean_by_root),
    "weightedmean": ("weightedmean_tokens", _weighted_mean),
    "lasttoken": ("lasttoken", _at(lambda keep: keep.shape[1] - 1 - keep[:, ::-1].argmax(1))),
}
ACTIVATIONS: Mapping[str, Callable[[Points], Points]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
}


@dataclass(frozen=True)
class Dense:
    """A dense layer after the pooling: [inputs, outputs], a bias, and the name of an activation."""

    kernel: Float[np.ndarray, "d e"]
    bias: Float[np.ndarray, "e"]
    activation: str

    def __call__(self, points: Points) -> Float[np.ndarray, "B e"]:
        """The layer's output."""
        return ACTIVATIONS[self.activation](points @ self.kernel + self.bias)


def normalise(points: Points) -> Points:
    """Rows divided by their lengths; zero rows stay zero."""
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class SentenceEncoder:
    """What sentence-transformers does around the hidden states of a model; a token policy of `representations.sample`.

    Called with the vectors of sequences and where these are real, it returns one vector for each: float32 [B, width].

    Attributes:
      modes: modes of the pooling, of which the vectors are joined.
      modules: the modules after the pooling.
      width: number of coordinates of a sentence vector.
      inputs: width of the model's hidden states.
      longest: the number of tokens at which texts are cut, special tokens counted; None: as many as the model takes.
      lower_case: whether texts are lower-cased before the tokenizer reads them.
      prompt: text put before every text.
      about: the modules for the provenance of a cloud.
    """

    modes: tuple[str, ...]
    modules: tuple[Callable[[Points], Points], ...]
    width: int
    inputs: int
    longest: int | None = None
    lower_case: bool = False
    prompt: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    def texts(self, sequences: Iterable[str]) -> list[str]:
        """What the tokenizer reads."""
        read = [(self.prompt + text).strip() for text in sequences]
        return [text.lower() for text in read] if self.lower_case else read

    def __call__(self, vectors: Vectors, keep: Kept) -> Float[np.ndarray, "B e"]:
        """One vector for each sequence."""
        points = np.concatenate([MODES[mode][1](vectors, keep) for mode in self.modes], axis=1)
        for module in self.modules:
            points = module(points)
        return points


def read(folder: Path) -> SentenceEncoder:
    """Reads the modules of a model of sentence-transformers.

    Raises:
      InputError: the folder has no modules.json, a file is damaged, or a module or setting is not supported here.
    """
    if not (folder / "modules.json").exists():
        raise InputError(
            f"{folder} has no modules.json, so it is no model of sentence-transformers: choose another token policy, "
            f"such as mean"
        )
    listed = _json(folder / "modules.json")
    try:
        found = [(str(entry["type"]).rsplit(".", 1)[-1], folder / str(entry["path"])) for entry in listed]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / 'modules.json'} is no list of modules with a type and a path") from error
    kinds = [kind for kind, _ in found]
    if kinds[:2] != ["Transformer", "Pooling"] or found[0][1] != folder:
        raise InputError(
            f"{folder / 'modules.json'} lists {', '.join(kinds) or 'no module'}: supported are a Transformer in the "
            f"model's own folder and a Pooling, and after them Dense, Normalize and Dropout"
        )
    inputs, modes = _pooling(found[1][1])
    width, modules, about = inputs * len(modes), [], [{"pooling": list(modes)}]
    for kind, path in found[2:]:
        if kind == "Normalize":
            modules.append(normalise)
            about.append({"normalise": True})
        elif kind == "Dense":
            modules.append(_dense(path, width))
            width = modules[-1].kernel.shape[1]
            about.append({"dense": width, "activation": modules[-1].activation})
        elif kind != "Dropout":  # which does nothing in evaluation mode
            raise InputError(
                f"{folder / 'modules.json'} lists the module {kind}: supported after the pooling are Dense, Normalize "
                f"and Dropout"
            )
    settings = _first_record(folder.glob("sentence_*_config.json"))
    longest, lower = settings.get("max_seq_length"), bool(settings.get("do_lower_case"))
    if longest is not None and (type(longest) is not int or longest < 1):
        raise InputError(f"max_seq_length is {longest!r} in {folder}: it must be a number of tokens")
    prompt = _prompt(folder, found[1][1])
    facts = {"modules": about, "max_seq_length": longest, "do_lower_case": lower, "prompt": prompt}
    return SentenceEncoder(modes, tuple(modules), width, inputs, longest, lower, prompt, facts)


def _pooling(folder: Path) -> tuple[int, tuple[str, ...]]:
    """The width of the vectors that are pooled, and the modes of the pooling."""
    record = read_record(folder)
    width = record.get("word_embedding_dimension", record.get("embedding_dimension"))
    if type(width) is not int or width < 1:
        raise InputError(f"{folder / 'config.json'} states no width of the vectors (word_embedding_dimension)")
    named = record.get("pooling_mode")
    if named is None:
        by_setting = {f"pooling_mode_{setting}": mode for mode, (setting, _) in MODES.items()}
        chosen = [name for name, value in record.items() if name.startswith("pooling_mode_") and value]
        wanted = [by_setting.get(name, name) for name in chosen]
    else:
        wanted = [named] if isinstance(named, str) else list(named)
    if not wanted or not set(wanted) <= set(MODES):
        raise InputError(
            f"{folder / 'config.json'} pools by {', '.join(map(str, wanted)) or 'nothing'}: supported are "
            f"{', '.join(MODES)}"
        )
    return width, tuple(mode for mode in MODES if mode in wanted)


def _dense(folder: Path, width: int) -> Dense:
    """A dense layer that takes vectors of `width` coordinates."""
    record = read_record(folder)
    activation = str(record.get("activation_function", "Tanh")).rsplit(".", 1)[-1].removesuffix("()")
    if activation not in ACTIVATIONS:
        raise InputError(
            f"{folder / 'config.json'} has the activation {activation}: supported are {', '.join(ACTIVATIONS)}"
        )
    for name in ("module_input_name", "module_output_name"):
        if record.get(name) not in (None, "sentence_embedding"):
            raise InputError(f"{folder / 'config.json'} has {name} {record[name]!r}: supported is sentence_embedding")
    tensors = read_tensors(folder)
    weight = tensors.get("linear.weight")
    bias = tensors.get("linear.bias", np.zeros(0 if weight is None else len(weight), np.float32))
    if weight is None or weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
        shapes = {name: list(value.shape) for name, value in tensors.items()}
        raise InputError(f"{folder} holds {shapes}: a linear.weight of [outputs, {width}] and its bias are needed")
    return Dense(weight.T.astype(np.float32), bias.astype(np.float32), activation)


def _prompt(folder: Path, pooling: Path) -> str:
    """The text that is put before every text by default."""
    settings = _first_record([folder / "config_sentence_transformers.json"])
    name, prompts = settings.get("default_prompt_name"), settings.get("prompts") or {}
    if name is None:
        return ""
    if not isinstance(prompts, dict) or not isinstance(prompts.get(name), str):
        raise InputError(f"{folder} names the prompt {name!r} as its default and does not hold it")
    if prompts[name] and read_record(pooling).get("include_prompt") is False:
        raise InputError(
            f"{folder} leaves its prompt {prompts[name]!r} out of the pooling, which is not supported here"
        )
    return prompts[name]


def _first_record(paths: Iterable[Path]) -> dict[str, Any]:
    """The record in the first of these files that exists; empty without any."""
    for path in sorted(paths):
        if path.exists():
            record = _json(path)
            if not isinstance(record, dict):
                raise InputError(f"{path} is not a record, {{...}}")
            return record
    return {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
