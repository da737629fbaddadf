"""Continue pre-training an encoder three times: plain, and with a loss that lowers or raises a measure.

    python launch.py --config=configs/regularize.py --workdir=runs/regularize
    ... --config.measure=isoscore    (soft_patchiness, the default, eee, isoscore or vrm)

Writes `DIR/regularize.csv`, a row a run and evaluation with the masked-LM loss on held-out text and the measure itself,
the figure `DIR/regularize.svg`, and the models of the three runs, as in `DIR/down/model`. The model and the sequences
ship with geojax. Takes some two minutes on two cores; stopped at any moment, the same command goes on from the last
evaluation.
"""

from configs.schema import Regularize


def get_config() -> Regularize:
    """Settings of the experiment."""
    return Regularize()
