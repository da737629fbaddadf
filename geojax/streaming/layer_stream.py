"""All layers of a model measured in one pass over the sequences, from each layer's moments and a sample of points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.evaluation.diagnostics import span_warnings, value_warnings
from geojax.evaluation.engine import evaluate
from geojax.evaluation.programs import named_key
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.uncertainty import check_groups
from geojax.measures import Measure, select
from geojax.models.apply import Apply, Params
from geojax.models.torch_backend import TorchApply
from geojax.ops.scatter import Moments, scatter
from geojax.ops.spectrum import descending_eigenvalues
from geojax.representations import forward, sampling
from geojax.representations.cloud import Cloud
from geojax.representations.sentence_transformers import SentenceEncoder
from geojax.streaming import moments, reservoir
from geojax.typing import Key


@dataclass(frozen=True)
class Stream:
    """The moments and the sample of a layer after one pass.

    Attributes:
      moments: moments of all points of the layer.
      sample: a uniform sample of the points, in the order of the sequences; all points if they fit.
      n_sequences: number of sequences with points.
    """

    moments: Moments
    sample: Cloud
    n_sequences: int


def sample(
    apply: Apply | TorchApply,
    params: Params,
    tokenizer: Any,
    sequences: Sequence[str],
    *,
    layers: tuple[int, ...],
    points: int,
    key: Key,
    tokens: str | SentenceEncoder = "all",
    allow_unknown: bool = False,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Stream, ...]:
    """Runs every sequence through the model once and keeps the moments and a sample of points of every layer.

    Args:
      points: size of the sample; the points with the smallest `reservoir.priorities`, the same in every layer.
      key: random key of the sample.
      apply, params, tokenizer, sequences, layers, tokens, allow_unknown, provenance, progress: as in
        `representations.sample`.

    Raises:
      InputError: as in `representations.sample`, or `points` below 1.

    Memory: 4 d (points + 2 d) bytes a layer, beside one batch of activations and some 300 bytes a token of the texts.
    """
    if points < 1:
        raise InputError(f"points is {points}: a sample keeps at least 1")
    encoded = forward.encode(apply, tokenizer, sequences, tokens, provenance, allow_unknown=allow_unknown)
    n, d = int(encoded.counts.sum()), encoded.width
    draws = np.asarray(reservoir.priorities(key, jnp.arange(n)))
    chosen = np.sort(np.argsort(draws, kind="stable")[:points])
    kept = [np.empty((len(chosen), d), np.float32) for _ in layers]
    states = jax.vmap(lambda _: moments.init(d))(jnp.arange(len(layers)))
    for part in sampling.parts(apply, params, encoded, layers, progress):
        vectors = jnp.stack(part.states)
        states = _absorb(states, vectors, part.keep)
        places, rows = _chosen_in(part.rows, chosen)
        flat = np.flatnonzero(part.keep)[places]
        for target, layer in zip(kept, np.asarray(vectors), strict=True):
            target[rows] = layer.reshape(-1, d)[flat]
    about = encoded.provenance | {"sample": f"{len(chosen)} of {n} points"}
    clouds = sampling.clouds_of(replace(encoded, provenance=about), layers, kept, chosen)
    n_sequences = int(np.sum(encoded.counts > 0))
    return tuple(
        Stream(jax.tree.map(lambda leaf, i=i: leaf[i], states), cloud, n_sequences) for i, cloud in enumerate(clouds)
    )


def measure(
    stream: Stream,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    convention: str = "standard",
    groups: int = 24,
    **options: Any,
) -> Evaluation:
    """Evaluates a layer: measures that second moments determine on all points, the other measures on the sample.

    Measures from the moments of all points have no sampling error, because moments do not separate the sequences.

    Args:
      stream: a layer's result of `sample`.
      measures, key, convention, groups, options: as in `evaluate`.

    Returns:
      As `evaluate`; if the sample holds all points, the evaluation of the sample.
    """
    rows = select(measures)
    check_groups(groups)
    options |= {"convention": convention, "groups": groups}
    n = int(stream.moments.count)
    size, d = stream.sample.points.shape
    if size == n:
        return evaluate(stream.sample, rows, key, **options)
    exact = [row for row in rows if row.from_moments]
    others = [row for row in rows if not row.from_moments]
    sampled = evaluate(stream.sample, others, key, **options) if others else Evaluation((), np.empty(0), {}, {})
    warning = f"taken on a uniform sample of {size} of the {n} points"
    results = {row.measure: replace(row, warnings=(*row.warnings, warning)) for row in sampled.results}
    # The square of the unit may be out of float32's range.
    matrix, count, _ = scatter(stream.moments)
    shape = np.asarray(descending_eigenvalues(matrix, count), np.float64)[:n]
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN for one point
        spectrum = shape * np.float64(stream.moments.scale) ** 2 / (n - 1)
    layer_norm = bool(stream.sample.provenance.get("layer_norm"))
    for row in exact:
        value = float(row.function(stream.moments, convention=convention, key=named_key(key, row.name)))
        warnings = ["no sampling error: moments do not tell the sequences apart"] if groups else []
        warnings += [*span_warnings(n, d, shape, layer_norm=layer_norm), *value_warnings([value], row.undefined)]
        results[row.name] = Result(
            measure=row.name,
            value=value,
            std_error=None,
            freedom=None,
            se_sampling=None,
            se_quantizer=None,
            bias=None,
            quantizer_std=None,
            quantizer_seeds=0,
            n_sequences=stream.n_sequences,
            n=n,
            n_dropped_masked=0,
            n_duplicates=None,
            n_zero=None,
            convention=convention,
            warnings=tuple(warnings),
        )
    return Evaluation(tuple(results[row.name] for row in rows), spectrum, sampled.counts, sampled.replicates)


@partial(jax.jit, donate_argnames="states")
def _absorb(states: Moments, vectors: Float[Array, "L B T d"], keep: Bool[Array, "B T"]) -> Moments:
    """The moments of every layer after one batch, one layer at a time."""
    return jax.lax.map(lambda layer: moments.update(*layer, keep), (states, vectors))


def _chosen_in(
    points: Int[np.ndarray, "n"], chosen: Int[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Places of chosen points among `points`, and their rows in the sample; `chosen` is sorted."""
    rows = np.minimum(np.searchsorted(chosen, points), len(chosen) - 1)
    places = np.flatnonzero(chosen[rows] == points)
    return places, rows[places]
