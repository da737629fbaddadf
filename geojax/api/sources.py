"""Where points come from: a model with noise or without, texts or the examples of a task, and clouds of its layers."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import jax

from geojax import representations
from geojax.data import glue, labelled
from geojax.data.glue import miniature
from geojax.errors import InputError
from geojax.models import ASSETS, Model, load, load_torch, perturb, resolve
from geojax.representations import Cloud, sentence_transformers, task_examples
from geojax.runtime import records
from geojax.runtime.progress import ProgressLine
from geojax.streaming import layer_stream
from geojax.streaming.layer_stream import Stream

BACKENDS = ("jax", "torch")
MINIATURE_SEQUENCES = 1000


def load_perturbed(
    name: str, revision: str, alpha: float, noise_seed: int, *, parameters: str = "float32", backend: str = "jax"
) -> tuple[Model, dict[str, Any]]:
    """A model with noise on its weights, which are held as `parameters`, and the facts that identify it.

    Raises:
      InputError: an unknown backend, another one than "jax" with noise or other parameters than float32, or as `load`
        and `load_torch`.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r} is unknown: choose one of {', '.join(BACKENDS)}")
    if backend == "jax":
        model = perturb.perturbed(load(name, revision=revision or None, dtype=parameters), alpha, noise_seed)
    elif alpha or parameters != "float32":
        raise InputError(
            f"alpha is {alpha:g} and parameters are {parameters}: noise and other types than float32 are for geojax's "
            f"own modules, and the backend is {backend}"
        )
    else:
        model = load_torch(name, revision=revision or None)
    facts = {"model": name, "revision": resolve(name, revision or None).revision}
    facts |= {} if parameters == "float32" else {"parameters": parameters}
    facts |= {"alpha": alpha, "noise_seed": noise_seed if alpha else None}
    return model, facts | getattr(model.apply, "about", {"backend": backend})


def spaces(
    name: str,
    *,
    texts: Sequence[str] | str | PurePath | None,
    layers: str | int | Sequence[int],
    tokens: str,
    max_points: int,
    revision: str,
    backend: str,
    parameters: str,
    allow_unknown: bool,
    seed: int,
) -> tuple[Cloud, ...] | tuple[Stream, ...]:
    """The layers of a model on texts; the arguments are those of `geojax.measure`."""
    model, facts = load_perturbed(name, revision, 0.0, 0, parameters=parameters, backend=backend)
    options = {"allow_unknown": allow_unknown, "max_points": max_points, "seed": seed}
    return sample(model, listed(texts), layers_text(layers), tokens, facts, **options)


def listed(texts: Sequence[str] | str | PurePath | None) -> list[str]:
    """Texts that are given, or read by `sequences` from the file of a path.

    Raises:
      InputError: an empty text, or something that is no text; or as `sequences`.
    """
    if texts is None or isinstance(texts, (str, PurePath)):
        return sequences(str(texts or ""))
    if odd := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"texts hold {odd[0]!r:.40}: give a list of strings, or the path of a file with one a line")
    if empty := [place for place, text in enumerate(texts) if not text.strip()]:
        raise InputError(f"text {empty[0]} is empty, and {len(empty)} of {len(texts)} are: leave them out")
    return list(texts)


def layers_text(layers: str | int | Sequence[int]) -> str:
    """Layers as `representations.parse_layers` reads them."""
    return layers if isinstance(layers, str) else ",".join(map(str, [layers] if isinstance(layers, int) else layers))


def short_names(models: Sequence[str]) -> tuple[str, ...]:
    """A name for tables and folders for each model: the last part of its path, with parts before it where they differ.

    Raises:
      InputError: a model is named twice, or two models would have one name.
    """
    places = [Path(model).absolute() if os.path.exists(model) else Path(model) for model in models]
    if len({place.resolve() for place in places}) < len(places):
        raise InputError(f"model {', '.join(models)} names one twice")
    found = [place.name for place in places]
    for count in range(2, 1 + max((len(place.parts) for place in places), default=0)):
        alike = {name for name in found if found.count(name) > 1}
        tails = ["_".join(part for part in place.parts[-count:] if part != place.anchor) for place in places]
        found = [tail if name in alike else name for name, tail in zip(found, tails, strict=True)]
    if len(set(found)) < len(found):
        raise InputError(f"models {', '.join(models)} would have the names {', '.join(found)}: rename a folder")
    return tuple(found)


def sequences(path: str) -> list[str]:
    """The sequences of a file, those of the miniature tasks ("miniature"), or the set that ships with geojax."""
    if path == "miniature":
        return list(miniature.sequences(MINIATURE_SEQUENCES))
    return representations.read_sequences(path or ASSETS / "sequences.txt")


def sample(
    model: Model,
    texts: list[str],
    layers: str,
    tokens: str,
    facts: dict[str, Any],
    *,
    allow_unknown: bool = False,
    max_points: int = 0,
    seed: int = 0,
    masked: bool = False,
) -> tuple[Cloud, ...] | tuple[Stream, ...]:
    """Clouds of the named layers, or streams that keep at most `max_points` each if it is set; logs its progress.

    `masked` is for clouds: vectors at a mask token in place of each token. The token policy "sentence_transformers" is
    read from the folder of the model that the facts name.
    """
    if tokens == "sentence_transformers":
        if "model" not in facts:
            raise InputError("tokens 'sentence_transformers' are those of a model's folder: give its name or path")
        tokens = sentence_transformers.read(resolve(facts["model"], facts["revision"]).folder)
    indices = representations.parse_layers(layers, model.config.num_hidden_layers)
    with ProgressLine("sampling", "sequences") as moved:
        options = {"layers": indices, "tokens": tokens, "provenance": facts, "progress": moved}
        options["allow_unknown"] = allow_unknown
        if max_points:
            key = jax.random.key(seed)
            clouds = layer_stream.sample(*model[:3], texts, points=max_points, key=key, **options)
        else:
            clouds = representations.sample(*model[:3], texts, masked=masked, **options)
    cloud = clouds[0].sample if max_points else clouds[0]
    if cut := cloud.provenance["truncated"]:
        logging.warning("%d sequences are longer than the model takes and were cut", cut)
    return clouds


def is_regression(task: str) -> bool:
    """Whether the labels of a task are real numbers; those of a `.tsv` file are names of classes.

    Raises:
      InputError: the task is unknown.
    """
    return not task.endswith(".tsv") and glue.find(task).regression


def training_examples(
    task: str, data_dir: str, hub: str, train_examples: int, seed: int
) -> tuple[glue.TaskData, glue.Examples]:
    """The data of a task or `.tsv` file, and the random training examples of it that are measured, 0 for all.

    Raises:
      InputError: data that cannot be read.
    """
    data = labelled.load(task, seed=seed) if task.endswith(".tsv") else glue.load(task, data_dir, hub)
    return data, glue.subset(data.train, train_examples, seed)


def clouds_of_examples(
    model: Model, examples: glue.Examples, layers: str, tokens: str, facts: dict[str, Any], *, allow_unknown: bool
) -> tuple[Cloud, ...]:
    """Clouds of examples, one for each of the named layers; logs its progress. "all" tokens stand for their mean."""
    indices = representations.parse_layers(layers, model.config.num_hidden_layers)
    tokens = "mean" if tokens == "all" else tokens
    with ProgressLine("sampling", "examples") as moved:
        options = {"layers": indices, "tokens": tokens, "provenance": facts, "progress": moved}
        return task_examples.clouds(model, examples, allow_unknown=allow_unknown, **options)


def cloud_in(path: PurePath) -> Cloud | None:
    """The cloud in a file; None without a file, or for a damaged one, which is set aside."""
    try:
        return Cloud.load(path) if path.exists() else None
    except InputError as error:
        records.set_aside(path, error)
        return None
