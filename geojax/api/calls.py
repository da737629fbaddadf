"""`geojax.measure`: the geometry of an array, a cloud, a file or a model in one call."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.api.measurement import Measurement, measured
from geojax.errors import InputError
from geojax.measures import Measure, select
from geojax.measures.labels import without_labels
from geojax.measures.selection import without_pairs
from geojax.ops.arrays import as_numbers
from geojax.representations import Cloud, read_cloud
from geojax.representations.cloud import with_sequences

CLOUD_FILES = (".npy", ".npz", ".safetensors")
OF_MODELS = {"texts": None, "layers": "last", "tokens": "all", "max_points": 0, "revision": "", "backend": "jax"}
OF_MODELS |= {"parameters": "float32", "allow_unknown": False}


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
    if changed := [name for name, value in of_model.items() if not _is(value, OF_MODELS[name])]:
        raise InputError(f"{', '.join(changed)}: only a model takes this, and x is {named(x)}, whose points are given")
    return measured(points(x, sequence_index), rows, named(x), labels=labels, **options)


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


def _is(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)
