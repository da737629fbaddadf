"""Score measures by how well they predict recipes that a fit has not seen, beyond dose and masked-LM loss.

    python launch.py --config=configs/score_measure.py --config.table=docs/results/replication/results.csv \\
        --config.measures=mypkg.mod:ROW --config.models=REPLICATION/models --workdir=DIR

Measures are columns of the table, or are computed on every model of the table, one work unit each, from the model
folders of the bases. Writes `DIR/values.csv`, a row a model, and `DIR/score.csv`: for each measure by itself, each
subset of the models and each set of columns known before it (the dose as a spline of its logarithm), the squared error
on recipes left out and on families left out, with and without the measure, and the skill, 1 - the ratio of the two
errors, with its interval. A skill of 0 is no gain.
"""

from configs.schema import ScoreMeasure


def get_config() -> ScoreMeasure:
    """Settings of the experiment."""
    return ScoreMeasure()
