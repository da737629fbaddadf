"""Measure the latent space of a model, or a bare array of points.

    python launch.py --config=configs/measure.py --config.model=bert-base-uncased --workdir=DIR
    python launch.py --config=configs/measure.py --config.cloud=FILE.npy --workdir=DIR
    python launch.py --config=configs/measure.py --config.model=bert-base-uncased --config.task=rte \\
        --config.measures=transfer --workdir=DIR

Prints a table of layers and measures, each value ± its standard error, with the warnings below it. In Python the same
is `geojax.measure` (docs/python.md).

Writes `DIR/measures.csv`, one row a layer and measure, and `DIR/measures.json` with their provenance: model and
revision, token policy, sequences, seeds, versions, warnings. `--config.layers=all` gives every layer, and the figure
`DIR/layers.svg` of each measure against depth with 90 % intervals. docs/uncertainty.md defines the errors;
`--config.groups=0` leaves the errors out and saves most of the time.

`--config.task` measures 1000 training examples of a task, or of a .tsv file of yours with the columns text and label,
in place of the sequences, one point each: by `--config.tokens=cls`, `last` or `max`, otherwise the mean over positions.
`--config.measures=transfer` estimates from the labels of the examples how well the task can be done, without
fine-tuning.

`--config.max_points=100000` bounds the memory however many sequences there are: eee, isoscore, pc_ratio and
kl_gaussian still read every point, without standard errors; the other measures read a uniform sample of that many
points.

Started again after an interruption, it measures the missing layers; when all are done, it shows the values. DIR belongs
to the settings and to the contents of the model, the cloud and the sequences: when they change, take another folder.
"""

from configs.schema import Measure


def get_config() -> Measure:
    """Settings of the experiment."""
    return Measure()
