"""Compare the latent spaces of several models on the same sequences.

    python launch.py --config=configs/compare.py --config.models=A,B,C --workdir=DIR

Writes `DIR/compare.csv` with the columns model_a, model_b, measure, difference (value of a - value of b), std_error
(paired) and separable (whether the 95 % interval excludes 0; empty where the error is not known), and
`DIR/measures.csv` with the values. A model that cannot be measured is left out and named at the end, with an exit
status that is not zero. Started again after an interruption, it samples and measures the missing models; when all are
done, it shows the differences.
"""

from configs.schema import Compare


def get_config() -> Compare:
    """Settings of the experiment."""
    return Compare()
