"""Compare the latent spaces of several models on the same sequences.

    python launch.py --config=configs/compare.py --config.models=A,B,C --workdir=DIR

Writes `DIR/compare.csv` (model_a, model_b, measure, difference = value of a - value of b, its paired standard error,
and separable: whether the 95 % interval leaves out 0; empty where the error is not known) and `DIR/measures.csv` with
the values. A model that cannot be measured is listed, the others go on, and the exit status is not zero. Started again
after an interruption it samples and measures the models that are missing; when all are done, it shows the differences.
"""

from configs.schema import Compare


def get_config() -> Compare:
    """Settings of the experiment."""
    return Compare()
