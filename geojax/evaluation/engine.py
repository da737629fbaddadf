"""Measures of a cloud, with what a reader must know beside each number."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from geojax.errors import InputError
from geojax.evaluation import framing
from geojax.evaluation.diagnostics import (
    cell_warnings,
    in_layer_norm_shape,
    near_warnings,
    rank_of,
    span_warnings,
    tie_warnings,
    value_warnings,
)
from geojax.evaluation.programs import NEAR_DUPLICATES, Options, Space
from geojax.evaluation.results import Evaluation, Result
from geojax.evaluation.schedule import Found, run
from geojax.evaluation.uncertainty import Errors, check_groups, estimate, group_sequences
from geojax.measures import CATALOGUE, CONVENTIONS, Measure, check_convention, select
from geojax.measures.labels import check_labels
from geojax.measures.selection import without_pairs
from geojax.ops.arrays import as_numbers
from geojax.ops.moments import as_mask
from geojax.ops.random import quick
from geojax.ops.shapes import padded, rows_for
from geojax.quantizers import QUANTIZERS
from geojax.typing import Key


def evaluate(
    cloud: Any,
    measures: str | Sequence[str | Measure],
    key: Key,
    *,
    mask: Any = None,
    labels: Any = None,
    convention: str = "standard",
    codebooks: int = 4,
    codebook_size: int = 256,
    iterations: int | None = None,
    quantizer_seeds: int = 1,
    groups: int = 24,
) -> Evaluation:
    """Measures a cloud, by compiled programs that clouds of about the same size share.

    A measure's value does not depend on which others are asked for: its randomness comes from `key` and its name.

    Args:
      cloud: a `Cloud`, or an array Float[n, d] of any library and float type, see `as_numbers`. It is measured in
        float32; one of 64 bits about its mean and in a unit of its own, so that neither an offset nor a scale costs
        digits.
      measures: "study", "all", "transfer" (these need labels), "eee,vrm", or a sequence of names or catalogue rows.
      key: of the quantizers' starts, of random references and of the groups of sequences.
      mask: Bool[n], rows that count.
      labels: Int[n], the class of each point from 0 on, or Float[n] for a regression.
      convention: "standard", or "paper" for numbers comparable with the published ones.
      codebooks: M, codebooks of each quantizer.
      codebook_size: K, entries of one codebook.
      iterations: of each quantizer's training; None for its own number.
      quantizer_seeds: refits of each quantizer, over which its measures are averaged.
      groups: G, groups of sequences that are left out in turn for standard errors, at most the number of sequences;
        0 for none. The errors cost G evaluations of `vrm`, 8 of `cell_eee`, and a second fit of each quantizer.

    Memory: for eee, vrm, isoscore and the measures of "pq" in the study at most 1.6 clouds beside the cloud on the
    device, without errors; 2.1 with `pq_cell_eee_fixed`.

    Raises:
      InputError: not a matrix of floats, a NaN or infinite coordinate (the first is named), a mask, labels or sequence
        indices that do not fit, a mask that keeps nothing, no labels where measures need them, a measure of a pair of
        clouds, an unknown measure or convention, a quantizer that does not fit the shape of the cloud.
    """
    measures = select(measures)
    without_pairs(measures, "give both to evaluate_pair")
    check_convention(convention)
    array = as_numbers(getattr(cloud, "points", cloud), "the cloud")
    read = framing.read(array)
    n, d = read.shape
    mask = as_mask(np.ones(n, bool) if mask is None else mask, n)
    if not np.asarray(mask).any():
        raise InputError(f"the mask keeps none of the {n} points: keep at least one")
    if quantizer_seeds < 1:
        raise InputError(f"quantizer_seeds is {quantizer_seeds}: a quantized measure needs at least 1")
    check_groups(groups)
    unmoved = convention == "standard" and set(measures) <= set(CATALOGUE)  # by an offset of real labels
    labels, classes = check_labels(labels, mask, measures, centred=unmoved)
    quantizers = tuple(dict.fromkeys(measure.quantizer for measure in measures if measure.quantizer))
    for name in quantizers:
        QUANTIZERS[name].check(n, d, codebooks, codebook_size, 1 if iterations is None else iterations)
    kept = np.flatnonzero(mask)
    grouped = group_sequences(getattr(cloud, "sequence_index", None), kept, n, key, groups)
    groups, places, n_sequences = grouped.groups, grouped.places, grouped.sequences
    framed = framing.framed(read, array, mask)
    rows = rows_for(n, d)
    space = Space(
        *(None if part is None else padded(part, rows) for part in (framed.points, mask, grouped.group, labels)),
        quick(key),
    )
    extent = framing.check_values(array, space.points, space.mask)
    if framing.is_extreme(framed, extent):
        framed = framing.reframed(framed, mask)
        space = space._replace(points=padded(framed.points, rows))
    if convention == "paper" and quantizers and framed.frame:
        space = space._replace(origin=jnp.asarray(framed.origin()))
    as_given = framing.as_given(framed, measures, convention)
    options = Options(convention, codebooks, codebook_size, iterations)
    halves = [kept[places % 2 == half] for half in (0, 1)] if groups and quantizers else []
    if halves and min(map(len, halves)) < codebook_size:
        halves = []
    in_frame = [row for row in measures if not any(row in others for others in as_given.values())]
    found = run(in_frame, quantizers, space, halves, groups, quantizer_seeds, classes, options)
    for (centre, scale), others in as_given.items():
        own = space._replace(points=padded(framed.in_own_unit(centre=centre, scale=scale), rows))
        framing.check_values(array, own.points, own.mask)
        more = run(others, (), own, [], groups, 1, classes, options)
        found.values.update(more.values)
        found.replicates.update(more.replicates)
        for fact in ("sign_ranges", "of_normal"):
            found.facts[fact].update(more.facts[fact])
    about_cloud = (*grouped.warnings, *framed.warnings(found.facts, mask, found.facts["twins"]))
    found.facts["zero"] = framed.count_zero(int(found.facts["zero"]), mask)
    found.facts["layer_norm"] = _of_layer_norm(cloud, framed.points, kept, found.facts["spectrum"])
    results = []
    for measure in measures:
        own = found.values[measure.name].astype(np.float64)
        errors = estimate(own, found.replicates.get(measure.name), found.on_halves.get(measure.name))
        warnings = (*about_cloud, *errors.warnings)
        results.append(_result(measure, own, errors, warnings, found, (n, d), n_sequences, options))
    facts = found.facts
    spectrum = framed.spectrum(facts["spectrum"], facts["scale"], int(facts["n"]))[: int(facts["n"])]
    counts = {name: refits[0] for name, refits in found.counts.items()}
    replicates = {row.name: found.replicates[row.name] for row in measures if row.name in found.replicates}
    return Evaluation(tuple(results), spectrum, counts, replicates)


def _of_layer_norm(cloud: Any, points: Any, kept: np.ndarray, spectrum: np.ndarray) -> bool:
    """Whether a LayerNorm gave the points, of which these rows count: by the provenance, or by how they lie."""
    d = points.shape[1]
    known = (getattr(cloud, "provenance", None) or {}).get("layer_norm")
    if known is not None or not len(kept) > d == rank_of(spectrum) + 1:
        return bool(known)
    return in_layer_norm_shape(np.asarray(points[kept[: 4 * (d + 1)]], np.float64))


def _result(
    measure: Measure,
    values: np.ndarray,
    errors: Errors,
    about_errors: Sequence[str],
    found: Found,
    shape: tuple[int, int],
    n_sequences: int,
    options: Options,
) -> Result:
    """The numbers of one measure, and every warning that concerns it."""
    rows, d = shape
    facts = found.facts
    n, distinct = int(facts["n"]), int(facts["distinct"])
    warnings = [*about_errors, *span_warnings(n, d, facts["spectrum"], layer_norm=facts["layer_norm"])]
    warnings += tie_warnings(n, distinct, measure.once, options.convention)
    if measure.neighbours and measure.once == CONVENTIONS:
        warnings += near_warnings(float(found.values[NEAR_DUPLICATES][0]))
    if measure.quantizer:
        warnings += cell_warnings(n, distinct, options.codebook_size, found.counts[measure.quantizer])
    if measure.name in facts["sign_ranges"]:
        low, high = facts["sign_ranges"][measure.name]
        warnings.append(f"the signs of the principal axes are arbitrary: over them it is {low:.4f} to {high:.4f}")
    if measure.name in facts["of_normal"]:
        normal = facts["of_normal"][measure.name]
        warnings.append(f"of a normal sample of the same size and spectrum it is {normal:.4f}: compare it with that")
    warnings += value_warnings(values, measure.undefined)
    return Result(
        measure=measure.name,
        value=float(values.mean()),
        std_error=errors.std_error,
        freedom=errors.freedom,
        se_sampling=errors.se_sampling,
        se_quantizer=errors.se_quantizer,
        bias=errors.bias,
        quantizer_std=float(values.std(ddof=1)) if len(values) > 1 else None,
        quantizer_seeds=len(values) if measure.quantizer else 0,
        n_sequences=n_sequences,
        n=n,
        n_dropped_masked=rows - n,
        n_duplicates=n - distinct,
        n_zero=int(facts["zero"]),
        convention=options.convention,
        warnings=tuple(warnings),
    )
