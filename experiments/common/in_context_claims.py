"""The claims on the geometry of z that were fixed before the experiment: yes, no or unclear, with the numbers.

Units are families, a task and a model each, and not checkpoints. An answer that rests on several measures is corrected
for their number by Bonferroni.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from geojax.analysis import cross_validation, doses, predictors, score_table
from geojax.analysis.predictors import MEASURE
from geojax.in_context.tasks import TASKS
from geojax.regression import units
from geojax.regression.validation import FEWEST_UNITS

LEVEL, SAMPLES, SEED = 0.9, 1000, 0
NEAR = 0.25  # relative distance from dim w within which a dimension counts as dim w
YES, NO, UNCLEAR = "yes", "no", "unclear"
COLUMNS = ("claim", "answer", "measure", "value", "lower", "upper", "units", "note")
BASELINES = ("log_iid", "probe_r2")


def rows(population: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of `claims.csv` for a population, in the columns `COLUMNS`."""
    import pandas

    frame = pandas.DataFrame(population)
    measures = [name for name in measures if name in frame and frame[name].nunique() > 1]
    yield dimension(frame)
    if frame["family"].nunique() < FEWEST_UNITS or not measures:
        note = f"{frame['family'].nunique()} families and {len(measures)} measures: it takes {FEWEST_UNITS} and 1"
        for claim in ("G2 iid error", "G2 probe R2", "G3 wide error"):
            yield line(claim, UNCLEAR, note=note)
        return
    yield within_families(frame, measures, "log_iid", "G2 iid error")
    yield within_families(frame, measures, "probe_r2", "G2 probe R2")
    yield unseen_families(frame, measures)


def line(claim: str, answer: str, **more: Any) -> dict[str, Any]:
    """A row of the table."""
    return dict.fromkeys(COLUMNS, "") | {"claim": claim, "answer": answer} | more


def dimension(frame: Any) -> dict[str, Any]:
    """G1: at the end of training the dimension of z has a plateau at dim w in every family, a higher one for `gp`."""
    last = frame[frame["dose"] == 100].groupby(["task", "family"])["dimension_plateau"].mean()
    found, other = {}, {}
    for (task, family), value in last.items():
        if task in TASKS and TASKS[task].identifiable:
            found[family] = value / TASKS[task].latent_dim
        elif task.startswith("gp"):
            other[family] = value
    ratios, known = np.array(list(found.values())), np.isfinite(list(found.values()))
    flat = f"{known.sum()} of {len(found)} families have a plateau"
    said = "; ".join(f"{family}: {ratio:.2f} dim w" for family, ratio in found.items() if np.isfinite(ratio))
    note = f"{flat}: {said}; gp: {', '.join(f'{value:.2g}' for value in other.values()) or 'not trained'}"
    if not known.any():
        answer = UNCLEAR
    elif (np.abs(ratios[known] - 1) > NEAR).any():
        answer = NO
    else:
        answer = YES if known.all() and other and min(other.values()) > 2 * (1 + NEAR) else UNCLEAR
    value = float(ratios[known].mean()) if known.any() else np.nan
    return line("G1 dimension of z", answer, measure="dimension_plateau", value=value, units=len(found), note=note)


def within_families(frame: Any, measures: Sequence[str], target: str, claim: str) -> dict[str, Any]:
    """G2: the partial correlation of a measure with a target, given the step of the training and the family."""
    frame = frame[np.isfinite(frame[target])].reset_index(drop=True)
    if frame["family"].nunique() < FEWEST_UNITS:
        return line(claim, UNCLEAR, note=f"{frame['family'].nunique()} families have {target}")
    table = score_table.from_frame(frame, target=target, measures=measures)
    level = 1 - (1 - LEVEL) / len(table.measures)
    found = [row for row in doses.partial_rows(table, units.clusters, level, SAMPLES, SEED) if "spline" in row["given"]]
    found = [row for row in found if np.isfinite([row["partial_r"], row["r_lower"], row["r_upper"]]).all()]
    if not found:
        return line(claim, UNCLEAR, note="no measure has an interval")
    best = max(found, key=lambda row: max(row["r_lower"], -row["r_upper"]))
    sure = best["r_lower"] > 0 or best["r_upper"] < 0
    ends = {"lower": best["r_lower"], "upper": best["r_upper"]}
    note = f"partial correlation given {best['given']}, {level:.1%} interval, best of {len(found)} measures"
    answer = YES if sure else UNCLEAR
    return line(
        claim, answer, measure=best["measure"], value=best["partial_r"], units=best["clusters"], note=note, **ends
    )


def unseen_families(frame: Any, measures: Sequence[str]) -> dict[str, Any]:
    """G3: R² of the wide error of families left out, by the best measure and by the baselines."""
    table = score_table.from_frame(frame, target="log_wide", measures=measures, baselines=BASELINES)
    level = 1 - (1 - LEVEL) / len(table.measures)
    every = [one for one in (*predictors.of_table(table, [MEASURE]), *predictors.baselines(table)) if not one.of_family]
    held = [row for row, _ in cross_validation.plain(table, every, units.by_family(table.frame), level, SAMPLES, SEED)]
    own = [row for row in held if row["block"] == predictors.BLOCKS[0] and np.isfinite(row["r2_vs_training_mean"])]
    beside = [row for row in held if row["block"] != predictors.BLOCKS[0] and np.isfinite(row["r2_vs_training_mean"])]
    if not own:
        return line("G3 wide error", UNCLEAR, note="no measure has a prediction for a family left out")
    best = max(own, key=lambda row: row["r2_vs_training_mean"])
    least = max([row["r2_vs_training_mean"] for row in beside], default=0.0)
    answer = (
        YES if best["r2_lower"] > max(least, 0) else NO if best["r2_vs_training_mean"] <= max(least, 0) else UNCLEAR
    )
    names = ", ".join(f"{row['measure']} {row['r2_vs_training_mean']:.2f}" for row in beside)
    note = f"R2 on families left out, {level:.1%} interval, best of {len(own)} measures; baselines: {names}"
    return line(
        "G3 wide error", answer, measure=best["measure"], value=best["r2_vs_training_mean"], lower=best["r2_lower"],
        upper=best["r2_upper"], units=best["units"], note=note,
    )  # fmt: skip
