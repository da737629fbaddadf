"""Measure the latent space of a model, or a bare array of points.

    python launch.py --config=configs/measure.py --config.model=bert-base-uncased --workdir=DIR
    python launch.py --config=configs/measure.py --config.cloud=FILE.npy --workdir=DIR

Writes `DIR/measures.csv`, one row a layer and measure, and `DIR/measures.json` with everything about them: model and
revision, token policy, sequences, seeds, versions, warnings. `--config.layers=all` gives every layer. A BERT-base on
the sequences that ship with geojax takes about a minute on two cores.
"""

from configs.schema import Measure


def get_config() -> Measure:
    """Settings of the experiment."""
    return Measure()
