"""Rank checkpoints for a task before any of them is fine-tuned: which one to fine-tune, and what the choice may cost.

    python launch.py --config=configs/rank.py --config.models=A,B,C --config.task=sst2 --workdir=DIR
    ... --config.data_dir=GLUE               (the official files; by default nyu-mll/glue on the hub)
    ... --config.task=reviews.tsv            (texts of your own: the first line names the columns text and label)
    ... --config.evidence=STUDY/results.csv  (what choosing so has cost before)

Every checkpoint reads the same 1000 training examples, a vector each, the mean over the positions of the last layer.
They are ranked by the accuracy of the five nearest neighbours (of a regression, by the R^2 of a ridge probe), or by
`--config.by`; docs/ranking.md says why. Models share a rank where these examples do not tell them apart: groups of
examples are left out of all models at once, and the difference to the first of the rank is not above 0.

Writes `DIR/rank.csv` with the columns rank, tied, model, value, lower and upper, behind (the difference to the first of
the rank; of the first itself, to that of the rank before) with its interval, layer, n, parameters, seconds and
warnings; and `DIR/rank.svg`, in which brackets join the ties. With evidence, `DIR/evidence.csv` has the regret of the
choice and the weighted Kendall tau over pools of as many checkpoints of different recipes, beside a random choice.

Without a task there is no ranking unless `--config.by` names a measure that reads no labels, such as -eee: most of
these have chosen a worse checkpoint than a random choice. The measurement of a checkpoint is a work unit; started
again, or with more models, the command measures the missing ones. In Python, also for vectors of another library, it is
`geojax.rank` (docs/python.md).
"""

from configs.schema import Rank


def get_config() -> Rank:
    """Settings of the experiment."""
    return Rank()
