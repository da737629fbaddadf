"""`geojax.measure` and `geojax.compare`: the geometry of arrays, clouds, files and models in one call."""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.api import comparison
from geojax.api.comparison import Comparison
from geojax.api.measurement import Measurement, measured
from geojax.errors import InputError
from geojax.measures import Measure, select
from geojax.measures.labels import without_labels
from geojax.measures.selection import without_pairs
from geojax.ops.arrays import as_numbers
from geojax.representations import Cloud, read_cloud
from geojax.representations.cloud import with_sequences

CLOUD_FILES = (".npy", ".npz", ".safetensors")


def measure(
    x: Any,
    *,
    texts: Sequence[str] | str | PurePath | None = None,
    layers: str | int | Sequence[int] = "last",
    measures: str | Sequence[str | Measure] = "study",
    labels: Any = None,
    sequence_index: Any = None,
    tokens: str = "all",
    max_points: int = 0,
    revision: str = "",
    backend: str = "jax",
    parameters: str = "float32",
    allow_unknown: bool = False,
    seed: int = 0,
    groups: int = 24,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    quantizer_seeds: int = 1,
    iterations: int | None = None,
) -> Measurement:
    """Measures the geometry of points, or of the layers of a model: what `configs/measure.py` does, without files.

        import geojax

        geojax.measure(hidden_states, measures="eee,isoscore")  # any n x d array
        geojax.measure("bert-base-uncased", texts="texts.txt", layers="all").plot()

    Args:
      x: an array Float[n, d] of any library (NumPy, JAX, torch, lists); a `Cloud`, or one a layer in a sequence, as
        `geojax.representations.sample` gives them; the path of a `.npy` array or of a `.safetensors` cloud; or a
        model: a HuggingFace name, a folder, or the name of an encoder that ships with geojax.
      texts: of a model: texts, or the path of a file with one a line; None for the set that ships with geojax.
      layers: of a model: "last", "all", or indices of hidden states, 0 the embeddings: [0, 6, 12] or "0,6,12".
      measures: "study" (the nineteen of arXiv 2406.12159), "all", "transfer" (these need labels), "eee,vrm", or a
        sequence of names or catalogue rows.
      labels: Int[n], the class of each point from 0 on, or Float[n] for a regression.
      sequence_index: of an array: Int[n], the sequence (text, image, user) of each row, for honest errors; of a `.npy`
        file also the path of one. By default each row is one.
      tokens: of a model: which tokens are points: all, content, word, cls, last, mean, max or sentence_transformers, as
        `geojax.representations.sample` defines them.
      max_points: of a model: the most points of a layer that are held; 0 for all.
      revision: of a model: branch, tag or commit on the hub.
      backend: of a model: "jax", or "torch" for the model's own PyTorch class.
      parameters: of a model: the type in which its kernels are held, such as "bfloat16".
      allow_unknown: of a model: go on where its tokenizer does not know more than half of the tokens.
      seed: of the measures' own randomness.
      groups, convention, codebooks, codebook_size, quantizer_seeds, iterations: as in `geojax.evaluation.evaluate`;
        `groups=0` leaves the errors out and saves most of the time.

    Returns:
      A `Measurement`: `print` it, or take its `table`, `plot()`, `warnings` or `to_csv(path)`.

    Raises:
      InputError: arrays, files, models or settings that cannot be read or measured; a setting of models without one.
    """
    rows = select(measures)
    without_pairs(rows, "give both to geojax.compare")
    if labels is None:
        without_labels(rows, "give labels=")
    elif max_points:
        raise InputError("max_points and labels are both set: a sample of the points has no labels")
    options = {"seed": seed, "groups": groups, "convention": convention, "codebooks": codebooks}
    options |= {"codebook_size": codebook_size, "quantizer_seeds": quantizer_seeds, "iterations": iterations}
    of_model = {"texts": texts, "layers": layers, "tokens": tokens, "max_points": max_points, "revision": revision}
    of_model |= {"backend": backend, "parameters": parameters, "allow_unknown": allow_unknown}
    if is_model(x):
        if sequence_index is not None:
            raise InputError("sequence_index is for an array: the points of a model tell their sequences")
        from geojax.api import sources  # imports the libraries that models need

        return measured(sources.spaces(str(x), seed=seed, **of_model), rows, str(x), labels=labels, **options)
    refuse_settings(measure, of_model, named(x))
    return measured(points(x, sequence_index), rows, named(x), labels=labels, **options)


def compare(
    xs: Mapping[str, Any] | Sequence[Any],
    *,
    texts: Sequence[str] | str | PurePath | None = None,
    layers: str | int | Sequence[int] = "last",
    measures: str | Sequence[str | Measure] = "study",
    tokens: str = "all",
    backend: str = "jax",
    parameters: str = "float32",
    allow_unknown: bool = False,
    seed: int = 0,
    groups: int = 24,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    quantizer_seeds: int = 1,
    iterations: int | None = None,
) -> Comparison:
    """Compares spaces of the same inputs: what `configs/compare.py` does, without files.

        geojax.compare(["bert-base-uncased", "roberta-base"], texts="texts.txt", measures="eee,isoscore")
        geojax.compare({"before": x, "after": y}, measures="cka,mutual_knn").plot()

    Measures of one space give the difference of every two spaces, with paired errors: a difference is separable or a
    tie. Measures of a pair ("similarity", "cka") tell how alike every two spaces are. Both may be named: the layers are
    then those of the measures of a pair, and the others compare the last layers.

    Args:
      xs: two or more spaces, in a sequence or by names of yours: models, clouds, files or arrays, as `geojax.measure`
        takes them. Row i of all arrays is the same input, and each row counts as a sequence.
      texts, tokens, backend, parameters, allow_unknown: of models, as in `geojax.measure`.
      layers: of models, for measures of a pair: "last", "all" or indices; where all measures are of a pair, one model
        is enough.
      measures: as in `geojax.measure`, and those of a pair of spaces.
      seed, groups, convention, codebooks, codebook_size, quantizer_seeds, iterations: as in `geojax.measure`.

    Returns:
      A `Comparison`: `print` it, or take its `table`, `plot()`, `warnings` or `to_csv(path)`.

    Raises:
      InputError: fewer than two spaces or two of one name; spaces that are not of the same inputs; layers without a
        measure of a pair; measures that need labels; as `geojax.measure`.
    """
    rows = select(measures)
    without_labels(rows, "measure each with its labels by geojax.measure")
    of_pairs, of_one = ([row for row in rows if (row.reads == "pair") == pair] for pair in (True, False))
    if layers != "last" and not of_pairs:
        raise InputError("layers are for measures of a pair of spaces, such as cka: the others compare the last layers")
    of_model = {"texts": texts, "layers": layers, "tokens": tokens, "backend": backend, "parameters": parameters}
    of_model |= {"allow_unknown": allow_unknown, "max_points": 0, "revision": "", "seed": seed}
    given = dict(xs) if isinstance(xs, Mapping) else _by_name(xs)
    if not any(map(is_model, given.values())):
        refuse_settings(measure, {name: of_model[name] for name in of_model if name != "seed"}, "the spaces")
    if of_one and len(given) < 2:
        raise InputError("there is 1 space: give two or more, since measures of one space compare the last layers")
    spaces, lasts = [], {}
    for name, x in given.items():
        *clouds, lasts[name] = _clouds(name, x, of_model)
        spaces += [(name, None if cloud.layer < 0 else cloud.layer, cloud) for cloud in clouds]
    if len(spaces) < 2:
        raise InputError(f"there is {len(spaces)} space: give two or more, or several layers of a model")
    options = {"seed": seed, "groups": groups, "convention": convention}
    for name, _, cloud in spaces[1:]:
        if of_pairs:
            comparison.check_beside(spaces[0][0], spaces[0][2], name, cloud)
        elif spaces[0][2].provenance.get("sequences_sha256") != cloud.provenance.get("sequences_sha256"):
            raise InputError(f"{spaces[0][0]} and {name}: the clouds are of different texts: sample both alike")
    found, similarities = Comparison(), []
    if of_one:
        more = {"codebooks": codebooks, "codebook_size": codebook_size, "quantizer_seeds": quantizer_seeds}
        found = comparison.differences(lasts, of_one, **options, **more, iterations=iterations)
    if of_pairs:
        for (*a, first), (*b, second) in itertools.combinations(spaces, 2):
            record = comparison.beside(first, second, of_pairs, **options)
            similarities += comparison.similarity_rows(tuple(a), tuple(b), record)
    return replace(found, similarities=tuple(similarities))


def is_model(x: Any) -> bool:
    """Whether `x` names a model: text that is not the path of a cloud."""
    return isinstance(x, (str, PurePath)) and PurePath(x).suffix not in CLOUD_FILES


def points(x: Any, sequence_index: Any = None) -> tuple[Any, ...]:
    """The clouds or the array of NumPy or JAX in what is not the name of a model.

    Raises:
      InputError: a file or an array that cannot be read, or several clouds that are not of different layers.
    """
    if isinstance(x, (str, PurePath)):
        if sequence_index is None or isinstance(sequence_index, (str, PurePath)):
            return (read_cloud(str(x), str(sequence_index or "")),)
        x = read_cloud(str(x))
    clouds = (x,) if isinstance(x, Cloud) else tuple(x) if isinstance(x, (list, tuple)) else ()
    if not clouds or not all(isinstance(cloud, Cloud) for cloud in clouds):
        array = as_numbers(x, named(x))
        return (array,) if sequence_index is None else (with_sequences(np.asarray(array), sequence_index, named(x)),)
    if sequence_index is not None:
        raise InputError("sequence_index is for an array: a cloud has sequence indices of its own")
    if len({cloud.layer for cloud in clouds}) < len(clouds):
        raise InputError("several clouds are of one layer: measure each, or give them to geojax.compare")
    return clouds


def named(x: Any) -> str:
    """What is measured, in words."""
    if isinstance(x, (str, PurePath)):
        return str(x)
    if isinstance(x, Cloud):
        return str(x.provenance.get("model", "the cloud"))
    if isinstance(x, (list, tuple)) and x and isinstance(x[0], Cloud):
        return named(x[0])
    return "the array"


def as_cloud(x: Any, name: str) -> Cloud:
    """A cloud itself; of an array the cloud in which each row counts as a sequence."""
    if isinstance(x, Cloud):
        return x
    array = np.asarray(x)
    return with_sequences(array, np.arange(len(np.atleast_1d(array))), name)


def refuse_settings(function: Callable[..., Any], given: Mapping[str, Any], name: str) -> None:
    """Raises an InputError for settings of models that are not at the defaults of a function."""
    defaults = {setting: inspect.signature(function).parameters[setting].default for setting in given}
    changed = [
        setting
        for setting, value in given.items()
        if type(value) is not type(defaults[setting]) or value != defaults[setting]
    ]
    if changed:
        raise InputError(f"{', '.join(changed)}: only a model takes this, and the points of {name} are given")


def _by_name(xs: Sequence[Any]) -> dict[str, Any]:
    """Spaces by their names, those without one by their places.

    Raises:
      InputError: one name, or two spaces of one name.
    """
    if isinstance(xs, (str, PurePath, Cloud)):
        raise InputError(f"xs is {named(xs)}: give several spaces in a list, or one model in a list and its layers")
    names = [str(x) if isinstance(x, (str, PurePath)) else f"{named(x)} {place}" for place, x in enumerate(xs)]
    if len(set(names)) < len(names):
        raise InputError(f"{', '.join(names)} name one space twice: give different names")
    return dict(zip(names, xs, strict=True))


def _clouds(name: str, x: Any, of_model: Mapping[str, Any]) -> tuple[Cloud, ...]:
    """The clouds of one of several spaces, and the last layer once more at the end."""
    if is_model(x):
        from geojax.api import sources  # imports the libraries that models need

        layers = sources.layers_text(of_model["layers"])
        if layers in ("last", "all"):
            clouds = sources.spaces(str(x), **of_model)
            return (*clouds, clouds[-1])
        return sources.spaces(str(x), **of_model | {"layers": f"{layers.strip('()[] ')},-1"})
    (found,) = points(x)
    cloud = as_cloud(found, name)
    return cloud, cloud
