"""Answer the questions of a replication, which docs/results/replication/plan.md lists, from its table.

    python launch.py --config=configs/findings.py --config.table=docs/results/replication/results.csv --workdir=DIR

Reads only the table, and `layers.csv` in the same folder if it exists. Prints the main answers and writes
`DIR/findings.csv`, a row a number with its interval, by recipe and by family (`unit`). The figure `DIR/primary.svg`,
`DIR/report.html` and the tables of configs/regress.py cover all models except those of the intervention and of the
larger encoder. `--config.permute=true` shuffles the scores first. The answers take a minute, the report some more.
"""

from configs.schema import Findings


def get_config() -> Findings:
    """Settings of the experiment."""
    return Findings()
