"""Score a measure by what it says of families that a fit has not seen, beyond dose and masked-LM loss.

    python launch.py --config=configs/score_measure.py --config.table=docs/results/replication/results.csv \\
        --config.measure=mypkg.mod:ROW --config.models=REPLICATION/models --workdir=DIR

The measure is a column of the table, or is taken on every model of it, a work unit each, from the folders of their
bases. Writes `DIR/values.csv`, a row a model, and `DIR/score.csv`: for each subset of the models and each set of
columns that are given before, the squared error of families left out with and without the measure, and 1 - their ratio
with its interval. 0 is no gain.
"""

from configs.schema import ScoreMeasure


def get_config() -> ScoreMeasure:
    """Settings of the experiment."""
    return ScoreMeasure()
