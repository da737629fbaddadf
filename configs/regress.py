"""Regress a score on every measure of a table.

    python launch.py --config=configs/regress.py --config.table=FILE.csv --workdir=DIR

The table has one row a model: `model`, `glue_average`, optional `family` and `alpha`, and measure columns (catalogue
names, or those of the published results of arXiv 2406.12159). Writes `DIR/regression.csv`; seconds.
"""

from configs.schema import Regress


def get_config() -> Regress:
    """Settings of the experiment."""
    return Regress()
