"""Answers the questions of a replication, which docs/results/replication/plan.md lists, from its table.

Files in the work folder: `findings.csv`, a row a number; and, on the pool (all models except those of the intervention
and of the larger encoder), `primary.svg`, the primary measure against the score, `report.html` and the tables of
`experiments.regress`.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from configs.schema import Findings, Regress
from experiments import regress
from experiments.common import command_line
from experiments.replication import questions, questions_of_fits
from experiments.replication.base_models import APART
from geojax import plots
from geojax.analysis import choosing, prediction, score_table
from geojax.data.glue import TASKS
from geojax.errors import InputError
from geojax.ops.threads import one_blas_thread
from geojax.regression import units
from geojax.report import page
from geojax.runtime import folders, progress, records

LAYERS = ("model", "layer", "convention", "measure", "value")
ERRORS = ("_se_sampling", "_se_quantizer")
CLOSEST = 3  # number of measures that are printed

log = logging.getLogger(__name__)


def run(config: Findings, workdir: Path) -> None:
    """Reads `config.table`, answers every question that it has rows for, prints the main answers, writes the report."""
    settings = Regress(
        table=config.table, target=config.target, level=config.level, resamples=config.resamples, seed=config.seed
    )
    regress.check(settings)
    table, workdir = read(config.table, config.target, config.intervention), folders.path(workdir)
    if config.primary not in table.measures:
        raise InputError(
            f"the table has no measure {config.primary!r}: {score_table.near(config.primary, table.measures)}"
        )
    if config.permute:
        log.warning("the scores are shuffled: nothing is to be found")
        table = shuffled(table, config.seed)
    pool = questions.pool_of(table)
    if pool.frame.empty:
        raise InputError(f"{config.table} has no models with a score beside those of the kinds {', '.join(APART)}")
    with one_blas_thread():
        rows = list(answered(table, config))
    records.write_table(workdir / "findings.csv", rows, questions.COLUMNS)
    short = counting(rows, config)
    print(progress.table({name: prediction.none(row[name]) for name in questions.COLUMNS} for row in short), flush=True)
    label = config.target.replace("_", " ")
    which = np.where(questions.subsets(pool)["standard"], "standard", "non-standard")
    image = plots.measure_against_score(replace(pool, frame=pool.frame.assign(family=which)), config.primary, label)
    records.write_atomic(workdir / "primary.svg", image)
    log.info("findings: %s; the report takes about a minute more", workdir / "findings.csv")
    lines = regress.write(pool, settings, workdir)
    apart = f"{len(table.frame) - len(pool.frame)} models of the kinds {', '.join(APART)}: see findings.csv"
    path = page.write(
        workdir,
        title=f"Replication: latent space geometry and {label}",
        table=pool,
        lines=lines | {"questions": short},
        facts=regress.facts(pool, settings) | {"Left out": apart},
        sources=regress.sources(settings),
        commands=[command_line.command("findings", config)],
        warnings=["the scores were shuffled: whatever is found here is chance"] if config.permute else (),
        label=label,
        level=config.level,
    )
    log.info("report: %s", path)


def answered(table: score_table.ScoreTable, config: Findings) -> Iterator[dict[str, Any]]:
    """The rows of all questions; logs the questions that the table has no rows for."""
    columns = candidates(questions.pool_of(table), Path(config.table).with_name("layers.csv"))
    origins = questions.origins(table)

    def by_origin(question: Callable[..., questions.Rows], *more: Any) -> Iterator[dict[str, Any]]:
        for name, by in origins.items():
            yield from (row | {"unit": name} for row in question(table, config, by, *more))

    asked = (
        ("noise", by_origin(questions.noise)),
        ("dependence", by_origin(questions.dependence)),
        ("primary", by_origin(questions_of_fits.primary)),
        ("non_standard", by_origin(questions_of_fits.non_standard)),
        ("by_family", questions.by_family(table, config)),
        ("within_dose", by_origin(questions_of_fits.within_dose)),
        ("measures", by_origin(questions_of_fits.measures, columns)),
        ("choice", by_origin(questions_of_fits.choice)),
        ("intervention", questions.intervention(table, config)),
    )
    for name, found in progress.through(asked, "answering", "questions"):
        rows = list(found)
        if not rows:
            log.warning("%s: left out, the table has no rows for it", name)
        yield from rows


def read(path: str, target: str, *numbers: str) -> score_table.ScoreTable:
    """The checked table of a replication; `numbers` names further columns that hold numbers if they exist.

    Raises:
      InputError: a bad table, or one that lacks a column; `standard` that is neither 0 nor 1.
    """
    frame = score_table.load(path)
    for name in ("family", "kind", "standard"):
        if name not in frame:
            raise InputError(f"the table has no column {name!r}: give results.csv of a replication")
    known = [name for name in ("collapsed", "runs", "mlm_loss", *numbers) if name in frame]
    known += [name for name in frame if name.endswith(ERRORS) or name.startswith(("paper_", f"{target}_seed_"))]
    table = score_table.from_frame(frame, target=target, numeric=["standard", *known])
    odd = ~np.isin(table.frame["standard"].to_numpy(float), (0, 1))
    if odd.any():
        raise InputError(f"model {table.frame['model'][odd.argmax()]!r} is neither standard (1) nor not (0)")
    return table


def shuffled(table: score_table.ScoreTable, seed: int) -> score_table.ScoreTable:
    """The table with the scores of every model, and its number of collapsed runs, moved to another model.

    The scores are permuted within each recipe (or family, in a table without recipes), the recipes are put in random
    order, and the resulting list is laid over the models, sorted by recipe. Scores of a recipe mostly stay together,
    while their relation to measures and doses is lost.
    """
    rng, unit = np.random.default_rng(seed), units.by_recipe(table.frame)
    blocks = [rng.permutation(np.flatnonzero(unit.ids == own)) for own in rng.permutation(unit.count)]
    scores = (table.target, "glue_average", "collapsed", "runs", *TASKS)
    columns = [name for name in table.frame if re.sub(r"_seed_\d+$", "", name) in scores]
    place, source = np.argsort(unit.ids, kind="stable"), np.concatenate(blocks)
    from_row = np.empty(len(place), int)
    from_row[place] = source
    moved = {name: table.frame[name].to_numpy()[from_row] for name in columns}
    return replace(table, frame=table.frame.assign(**moved))


def candidates(pool: score_table.ScoreTable, path: Path) -> dict[str, np.ndarray]:
    """The columns that are correlated with the outcome, by name, a value for each model.

    They are every measure of the last layer in both conventions ("paper_eee" is eee in the paper's convention) and, if
    the file of layers exists, the measures of the layers before ("eee[-1]" is eee one layer before the last).
    """
    frame = pool.frame
    names = [*pool.measures, *(f"paper_{name}" for name in pool.measures if f"paper_{name}" in frame)]
    found = {name: frame[name].to_numpy(float) for name in names}
    return found | (before_last(path, frame["model"]) if path.is_file() else {})


def before_last(path: Path, models: pd.Series) -> dict[str, np.ndarray]:
    """The measures of all layers before the last, with layers counted from the last."""
    layers = score_table.load(path)
    if missing := [name for name in LAYERS if name not in layers]:
        raise InputError(f"{path} has no column {missing[0]!r}: it needs {', '.join(LAYERS)}")
    for name in ("layer", "value"):
        layers[name] = pd.to_numeric(layers[name], errors="coerce")
    layers["back"] = layers["layer"] - layers.groupby("model")["layer"].transform("max")
    layers["prefix"] = np.where(layers["convention"] == "paper", "paper_", "")
    found = {}
    for (back, prefix, measure), some in layers[layers["back"] < 0].groupby(["back", "prefix", "measure"], sort=True):
        values = some.drop_duplicates("model").set_index("model")["value"].reindex(models)
        found[f"{prefix}{measure}[{back:.0f}]"] = values.to_numpy(float)
    return found


def counting(rows: Sequence[Mapping[str, Any]], config: Findings) -> list[Mapping[str, Any]]:
    """The rows with the main answers, which are printed: by recipe where there are recipes, else by family."""
    hardest = next((row["unit"] for row in rows if row["unit"]), "")
    rows = [row for row in rows if row["unit"] in ("", hardest)]

    def some(question: str, **wanted: Any) -> list[Mapping[str, Any]]:
        of = [row for row in rows if row["question"] == question]
        return [row for row in of if all(row[name] == value for name, value in wanted.items())]

    found = some("noise", subset="non_collapsed")
    r2 = "r2_vs_training_mean"
    found += some("primary", predictor=config.primary, quantity=r2)
    found += [row for row in some("primary", subset="all", quantity=r2) if row["note"] == questions.BASELINE]
    found += some("non_standard", predictor=config.primary)
    others = some("non_standard", subset="all", quantity="mse_over_mean", note=questions.EXPLORED)
    found += sorted(others, key=lambda row: row["value"])[:1] + some("non_standard", predictor="any")
    found += some("by_family", quantity="spearman")
    found += some("within_dose", quantity="partial_r")
    chance = {row["predictor"]: row["value"] for row in some("measures", subset="all", quantity="p_max_t")}
    closest = sorted(
        some("measures", subset="all", quantity="spearman"),
        key=lambda row: (-row["n"], -abs(np.nan_to_num(row["value"]))),  # few models have layers far before the last
    )
    found += [{**row, "note": f"p {chance[row['predictor']]:.3g} after the search"} for row in closest[:CLOSEST]]
    regrets = some("choice", subset="noise_free_without_labels", quantity="regret_1")
    found += sorted(regrets, key=lambda row: row["value"])[:CLOSEST]
    found += [row for row in regrets if row["predictor"] in (config.primary, choosing.RANDOM)]
    found += some("intervention")
    return found
