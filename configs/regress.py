"""Regress a score on every measure of a table, validate the regressions, predict new models.

    python launch.py --config=configs/regress.py --config.table=FILE.csv --workdir=DIR
    python launch.py --config=configs/regress.py --config.table=FILE.csv --config.predict=NEW.csv --workdir=DIR

The table has one row a model: `model`, `glue_average`, optional `family`, `recipe`, `alpha` (or `dose`, `dose_kind`)
and `tasks`, and measure columns, named as in the catalogue or as in the published results of arXiv 2406.12159. Writes
`DIR/report.html` and its tables `regression.csv`, `coefficients.csv`, `influence.csv`, `partial.csv`, `ladders.csv`,
`relations.csv`, `choice.csv`, `cross_validation.csv`, `held_out.csv` and `fit.json`; with NEW also `predictions.csv`
and, where NEW has the score, `validation.csv`. docs/regression.md says which question each table answers. Takes half a
minute, most of it compilation; `--config.resamples=0` leaves the validation out. Started again when it has finished, it
does nothing: DIR belongs to the settings and to the contents of the tables.
"""

from configs.schema import Regress


def get_config() -> Regress:
    """Settings of the experiment."""
    return Regress()
