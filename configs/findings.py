"""Answer the questions of a replication from its table, as docs/results/replication/plan.md fixed them beforehand.

    python launch.py --config=configs/findings.py --config.table=docs/results/replication/results.csv --workdir=DIR

Reads the table alone, and `layers.csv` beside it where there is one. Prints what counts; writes `DIR/findings.csv`, a
row a number with its interval, and `DIR/report.html` with the tables of configs/regress.py beneath it, on all models
but those of the intervention and the larger encoder's. `--config.permute=true` shuffles the scores first. The answers
take half a minute, the report some more.
"""

from configs.schema import Findings


def get_config() -> Findings:
    """Settings of the experiment."""
    return Findings()
