"""Time the measures of one latent space against public packages, side by side in one run.

    python launch.py --config=configs/benchmark.py --config.cloud=points.npy --workdir=runs/benchmark

Needs the extra `peers` (faiss-cpu, scikit-learn, torch). Writes `DIR/benchmark.csv`, a row a part: the median seconds
of both sides, the median of the ratios of paired runs, our compile time, our share of the peak speed of a matrix
product, and a value that shows that both sides did the same work. Without `--config.cloud` a cloud of 116 667 x 384 is
generated. `--config.parts` selects parts; all of them take about half an hour on two cores, most of it for the
reference.
"""

from configs.schema import Benchmark


def get_config() -> Benchmark:
    """Settings of the experiment."""
    return Benchmark()
