"""`geojax.translate`: vectors of one encoder in the space of another, in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import PurePath
from typing import Any

import numpy as np

from geojax.alignment import files
from geojax.alignment.checks import need_anchors, parallel
from geojax.api import forecasts, translation
from geojax.api.calls import is_model, named, points, refuse_settings
from geojax.api.translation import Translation
from geojax.api.trial import Trial, space
from geojax.data.glue.examples import Examples
from geojax.data.labelled import check_distinct
from geojax.data.task_data import digest
from geojax.errors import InputError
from geojax.representations import Cloud
from geojax.representations.policies import ONE_EACH

ENDS = ("the source", "the target")


def translate(
    source: Any,
    target: Any,
    *,
    vectors: Any = None,
    texts: Sequence[str] | str | PurePath | None = None,
    layers: str | int | Sequence[str | int] = "last",
    method: str = "ridge",
    methods: str | Sequence[str] = "irp,ortho,linear,ridge",
    anchors: int | Sequence[int] = (64, 384, 768, 2000),
    seeds: int = 5,
    pooling: str = "mean",
    normalise: bool = False,
    test_examples: int = 0,
    allow_unknown: bool = False,
    resamples: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> Translation:
    """Takes vectors of one encoder into the space of another: what `configs/translate.py` does, without files.

        found = geojax.translate(old, new, vectors=store)  # row i of `old` and `new` is the same text
        print(found)  # what is kept of texts that the bridge was not fitted on
        found.vectors, found(more)

    Args:
      source, target: of the same texts, one vector a text: an array Float[n, d_X] or Float[n, d_Y] of any library, a
        `Cloud`, the path of a `.npy` array or of a `.safetensors` cloud, or a model with `texts`. At least 100 rows
        must be left beside those held out.
      vectors: of the source, to be moved: Float[m, d_X], or the path of a `.npy` file; None for none.
      texts: of models: texts, each once, or the path of a file with one a line.
      layers: of models: "last" or the index of a hidden state; two where they differ, (6, 2), the source's first.
      method: of the bridge: "ridge", or one of `geojax.alignment.METHODS`, "irp:RCOND", "irp_subspaces".
      methods: that are tried beside it: "irp,ridge", or a sequence of names.
      anchors: numbers of rows on which bridges are tried, beside all.
      seeds: draws of these rows.
      pooling: of models: the vector of a text: mean, cls, last, max or sentence_transformers.
      normalise: whether vectors of texts are divided by their lengths, as those of many stores are.
      test_examples: rows that are held out; 0 for one in five, at most 2 000.
      allow_unknown: of models: go on where a tokenizer does not know more than half of the tokens.
      resamples: bootstrap samples of the held-out rows and of the draws; 0: no intervals.
      level: coverage of the intervals.
      seed: of the rows that are held out, of the draws, and of the resampling.

    Returns:
      A `Translation`: `print` it, or take its `vectors`, `bridge`, `table`, `plot()`, `save(path)`; it moves more
      vectors where it is called with them.

    Raises:
      InputError: spaces that are not of the same texts, with too few or other numbers of rows or with numbers that are
        not finite; vectors of another width; models without texts; settings that cannot work, or that only a model
        takes.

    Cost: for every method, number of anchors and draw that of `geojax.alignment.fit_bridge` and of an exact search
    among the held-out rows.
    """
    own = tuple(map(str.strip, methods.split(","))) if isinstance(methods, str) else tuple(methods)
    tried = (*(() if method in own else (method,)), *filter(None, own))
    trial = Trial(tried, _integers(anchors), seeds, test_examples, resamples, level, seed)
    trial.check()
    if pooling not in ONE_EACH:
        raise InputError(f"pooling {pooling!r}: choose one of {', '.join(ONE_EACH)}")
    models, layers_of, about = [str(x) for x in (source, target) if is_model(x)], ("", ""), {"normalise": normalise}
    if models:
        layers_of, texts = _layers(layers), _texts(texts, models)
        trial.split(len(texts), f"there are {len(texts)} texts")  # before a model is loaded
        about |= {"models": ",".join(models), "layers": "/".join(dict.fromkeys(layers_of)), "pooling": pooling}
    else:
        given = {"texts": texts, "layers": layers, "pooling": pooling, "allow_unknown": allow_unknown}
        refuse_settings(translate, given, "both spaces")
    options = {"texts": texts, "tokens": pooling, "allow_unknown": allow_unknown}
    clouds = [_cloud(*each, options) for each in zip(ENDS, (source, target), layers_of, strict=True)]
    names = [_name(*each) for each in zip(ENDS, (source, target), clouds, strict=True)]
    names = names if names[0] != names[1] else ENDS
    first, second = map(np.asarray, parallel(*clouds))
    trial.check_widths(first.shape[1], second.shape[1])
    for rows, end in zip((first, second), ENDS, strict=True):
        need_anchors(rows, end, directions=False)
    if vectors is not None:
        vectors = translation.given(vectors)
        length = files.mean_length(vectors, first.shape[1])
    train, held_out = trial.split(len(first), f"there are {len(first)} rows")
    order = np.concatenate([train, held_out])
    if models:
        examples = Examples(tuple(texts[row] for row in order), None, np.zeros(len(order), np.int32))
        about["texts_sha256"] = digest(examples)  # as the command takes it
    sizes, said = trial.sizes(len(train), "the source")
    spaces = []
    for name, rows in zip(names, (first, second), strict=True):
        found, more = space(name, rows[order], len(train), normalise)
        spaces.append(found)
        said += more
    pair = forecasts.of_pair(*spaces, trial, sizes)
    found = translation.bridged(*spaces, pair, method, trial, about)
    said += found.warnings
    if vectors is None:
        return replace(found, warnings=tuple(said))
    said += translation.length_remarks("the vectors", length, found.about)
    return replace(found, warnings=tuple(said), vectors=files.moved(found.bridge, vectors))


def _integers(anchors: int | Sequence[int]) -> tuple[int, ...]:
    found = (anchors,) if isinstance(anchors, Integral) else tuple(anchors)
    if not all(isinstance(size, Integral) for size in found):
        raise InputError(f"anchors {anchors!r}: give whole numbers, such as (64, 384)")
    return tuple(map(int, found))


def _layers(layers: str | int | Sequence[str | int]) -> list[str]:
    """The layers of the source and of the target."""
    parts = layers.split("/") if isinstance(layers, str) else [layers] if isinstance(layers, Integral) else list(layers)
    if len(parts) not in (1, 2):
        raise InputError(f"layers {layers!r}: give one for both spaces, or two, the source's and the target's")
    return [str(part) for part in parts] * (3 - len(parts))


def _texts(texts: Sequence[str] | str | PurePath | None, models: Sequence[str]) -> list[str]:
    """The texts that models read, each once."""
    from geojax.api import sources  # imports the libraries that models need

    if texts is None:
        raise InputError(f"texts are needed, which {' and '.join(models)} read: a list, or a file with one a line")
    found = sources.listed(texts)
    check_distinct(found, str(texts) if isinstance(texts, (str, PurePath)) else "texts")
    return found


def _cloud(end: str, x: Any, layer: str, options: Mapping[str, Any]) -> Any:
    """The cloud or the array of one of the spaces."""
    if is_model(x):
        from geojax.api import sources  # imports the libraries that models need

        usual = {"max_points": 0, "revision": "", "backend": "jax", "parameters": "float32", "seed": 0}
        found = sources.spaces(str(x), layers=layer, **usual, **options)
    else:
        found = points(x)
    if len(found) != 1:
        raise InputError(f"{end} is {len(found)} spaces: give one, such as that of one layer")
    if isinstance(found[0], Cloud) and (count := len(np.unique(found[0].sequence_index))) < len(found[0].points):
        raise InputError(f"{end} has {len(found[0].points)} points of {count} texts: one vector a text is needed")
    return found[0]


def _name(end: str, x: Any, cloud: Any) -> str:
    """The name of a space: of the model and its layer, or of the file."""
    if isinstance(cloud, Cloud) and "model" in cloud.provenance:
        return f"{PurePath(named(cloud)).name}:{cloud.layer}"
    return PurePath(x).name if isinstance(x, (str, PurePath)) else end
