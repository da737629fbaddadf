"""Scores measures on a replication's table: their skill on units left out, beyond dose and masked-LM loss.

Files in the work folder: `values.csv`, the measures of every model, and `score.csv`, a row for each measure, each
subset of the models, each set of columns known beforehand, and units that are recipes and families.
"""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas

from configs.lists import names
from configs.schema import ScoreMeasure
from experiments.common import measuring
from experiments.replication import findings, questions
from geojax.analysis import cross_validation, prediction, score_table
from geojax.api import sources
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.evaluation.uncertainty import check_level
from geojax.measures import Measure
from geojax.models import load, perturb
from geojax.regression import design, units, validation
from geojax.runtime import progress, records
from geojax.runtime.environment import environment
from geojax.runtime.run_once import settings_without
from geojax.streaming import layer_stream
from geojax.sweeps import engine
from geojax.sweeps.engine import Sweep, Unit

COLUMNS = tuple("measure subset given unit n units mse_without mse_with skill lower upper".split())
ANALYSIS = ("table", "target", "level", "resamples", "seed")  # settings on which no value of a model depends
PLACES = ("models", "sequences")


def run(config: ScoreMeasure, workdir: Path) -> None:
    """Measures the models that have no value yet, writes `values.csv` and `score.csv`, and prints `score.csv`.

    Raises:
      InputError: a bad table, a measure or a model that does not exist; or, after all other units, models that failed.
    """
    engine.run(sweep(config, workdir))


def sweep(config: ScoreMeasure, workdir: Path) -> Sweep:
    """The work units, one a model; none where the measures are columns of the table."""
    check_level(config.level)
    table = findings.read(config.table, config.target)
    if not config.models:
        known = (*table.measures, *table.baselines, *(name for name in table.frame if name.startswith("paper_")))
        if unknown := [name for name in names(config.measures) or [""] if name not in known]:
            near = score_table.near(unknown[0], known)
            raise InputError(f"the table has no measure {unknown[0]!r}: {near}; --config.models takes a new one")
        found, measures = (), ()
    else:
        measures = measuring.chosen(config.measures)
        found = tuple(units_of(table, Path(config.models), workdir))
    return Sweep(
        workdir=workdir,
        units=found,
        settings=settings_without(config, ANALYSIS),
        worker=lambda _: Worker(config, measures),
        collect=functools.partial(collect, config, table, found, workdir),
        headline=lambda result: ", ".join(f"{name} {value:.4g}" for name, value in result["values"].items()),
        places=PLACES,
    )


def units_of(table: score_table.ScoreTable, models: Path, workdir: Path) -> Iterator[Unit]:
    """A unit for every model of the table, given by its base, noise level and noise seed."""
    if missing := [name for name in ("base", "alpha", "noise_seed") if name not in table.frame]:
        raise InputError(f"the table has no column {missing[0]!r}, so its models cannot be made again")
    for name, base, alpha, seed in table.frame[["model", "base", "alpha", "noise_seed"]].itertuples(index=False):
        if not (models / base / "config.json").exists():
            raise InputError(f"there is no model at {models / base}: {name} of the table needs it")
        about = {"base": base, "alpha": float(np.nan_to_num(alpha)), "noise_seed": int(float(seed or 0))}
        yield Unit(name, workdir / "units" / name, about, needs=("values",))


class Worker:
    """Measures models one after another; keeps the last base in memory."""

    def __init__(self, config: ScoreMeasure, measures: Sequence[Measure]):
        self.config, self.measures = config, measures
        self.texts = sources.sequences(config.sequences)[: config.max_sequences or None]
        self.load = functools.lru_cache(maxsize=1)(load)

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """The values of the measures on the last layer of one model."""
        start, config = time.monotonic(), self.config
        base, alpha, seed = (unit.settings[name] for name in ("base", "alpha", "noise_seed"))
        model = perturb.perturbed(self.load(str(Path(config.models) / base)), alpha, seed)
        layers, key = (model.config.num_hidden_layers,), jax.random.key(0)
        (cloud,) = layer_stream.sample(*model[:3], self.texts, layers=layers, points=config.points, key=key)
        options = {name: getattr(config, name) for name in ("convention", "codebook_size", "quantizer_seeds")}
        results = evaluate(cloud.sample, self.measures, key, groups=0, **options).results
        found = {
            "values": {one.measure: one.value for one in results},
            "warnings": {one.measure: list(one.warnings) for one in results if one.warnings},
            "n": len(cloud.sample.points),
        }
        return found | {"seconds": time.monotonic() - start} | environment()


def collect(
    config: ScoreMeasure,
    table: score_table.ScoreTable,
    found: Sequence[Unit],
    workdir: Path,
    failures: Sequence[str] = (),
) -> None:
    """Writes the tables from the finished units, or from the column of the table."""
    frame = table.frame
    if config.models:
        known = {unit.name: result["values"] for unit in found if (result := unit.result())}
        columns = list(dict.fromkeys(name for values in known.values() for name in values))
        values = pandas.DataFrame([known.get(model, {}) for model in frame["model"]], columns=columns, dtype=float)
    else:
        values = frame[list(dict.fromkeys(names(config.measures)))].astype(float)
    finite = np.isfinite(values).any()
    if not finite.any():
        raise InputError(f"no model has a value of {config.measures}: {'; '.join(failures) or 'all are undefined'}")
    records.write_table(workdir / "values.csv", frame[["model"]].join(values).to_dict("records"))
    pool = questions.pool_of(table)
    inside = frame["model"].isin(pool.frame["model"]).to_numpy()
    scores = [
        {"measure": name, **row}
        for name in progress.through(list(values.columns[finite]), "scoring", "measures")
        for unit, by in questions.origins(pool).items()
        for row in skills(pool, values.loc[inside, name].to_numpy(), config, unit, by)
    ]
    records.write_table(workdir / "score.csv", scores, COLUMNS)
    print(progress.table({name: prediction.none(row[name]) for name in COLUMNS} for row in scores))


def skills(
    pool: score_table.ScoreTable, values: np.ndarray, config: ScoreMeasure, name_of_unit: str, by: questions.By
) -> Iterator[dict[str, Any]]:
    """The skill for every subset and set of given columns: 1 - squared error with the measure / error without it.

    Every unit is predicted by a fit to the others, with and without the measure; both fits are repeated in the same
    bootstrap samples of the units.
    """
    before = given(pool, by)
    for subset, inside in questions.subsets(pool).items():
        rows = inside & np.isfinite(values)
        unit = questions.among(pool, rows, by)
        if unit.count < 2:
            continue
        drawn = questions.samples_of(unit, config)
        counts = cross_validation.padded(drawn, config.resamples)
        pairs = [side for columns in before.values() for side in (columns, [*columns, values])]
        with jax.enable_x64(True):
            scores, _ = validation.cross_validate_each(
                designs(pairs, rows), pool.scores, np.tile(rows, (len(pairs), 1)), unit.ids, counts
            )
        mse, n = np.asarray(scores.mse), np.asarray(scores.n)
        for place, name in enumerate(before):
            without, with_it = mse[: len(drawn), 2 * place], mse[: len(drawn), 2 * place + 1]
            same = n[: len(drawn), 2 * place] == n[: len(drawn), 2 * place + 1]  # else one fit was underdetermined
            with np.errstate(invalid="ignore", divide="ignore"):
                found = questions.estimate(np.where(same, 1 - with_it / without, np.nan), config.level)
            size = {"unit": name_of_unit, "n": int(n[0, 2 * place]), "units": unit.count}
            errors = {"mse_without": float(without[0]), "mse_with": float(with_it[0])}
            ends = {"skill": found["value"], "lower": found["lower"], "upper": found["upper"]}
            yield {"subset": subset, "given": name} | size | errors | ends


def given(pool: score_table.ScoreTable, by: questions.By) -> Mapping[str, list[np.ndarray]]:
    """The sets of columns known before the measure, by name.

    The columns of a kind of dose say which models have it, and give a natural spline of its logarithm there: what a
    line leaves over is the bend of the dose's effect and no merit of a measure. The masked-LM loss enters as a line.
    Columns that only one unit has are left out, because the other units say nothing about them.
    """
    dose, ids = units.doses(pool.frame), by(pool.frame).ids
    known = {f"dose: {kind}": (dose.kinds == kind, np.log1p(dose.values)) for kind in np.unique(dose.kinds[dose.known])}
    if "mlm_loss" in pool.frame:
        loss = pool.frame["mlm_loss"].to_numpy(float)
        known["mlm_loss"] = (np.isfinite(loss), loss)
    columns = {}
    for name, (rows, values) in known.items():
        if len(np.unique(ids[rows])) > 1:
            ends = np.quantile(values[rows], (0, 1))
            knots = ends if name == "mlm_loss" else np.array(design.quantile_knots(values[rows], design.SPLINE_COLUMNS))
            shape = design.natural_spline(np.where(rows, values, 0.0), knots)
            columns[name] = [rows.astype(float), *np.where(rows, shape.T, 0.0)]
    doses = [column for name, own in columns.items() if name != "mlm_loss" for column in own]
    losses = columns.get("mlm_loss", [])
    found = {"dose": doses, "mlm_loss": losses, "dose and mlm_loss": [*doses, *losses] if doses and losses else []}
    return {"nothing": []} | {name: side for name, side in found.items() if side}


def designs(sides: Sequence[Sequence[np.ndarray]], rows: np.ndarray) -> np.ndarray:
    """Design matrices, [m, n, k], with an intercept, 0 outside the rows, padded with columns of zeros."""
    k = 1 + max(len(side) for side in sides)
    found = np.zeros((len(sides), len(rows), k))
    for place, side in enumerate(sides):
        for column, values in enumerate([np.ones(len(rows)), *side]):
            found[place, :, column] = np.where(rows, values, 0.0)
    return found
