"""Time the measures of one latent space against public packages, side by side in one run.

    python launch.py --config=configs/benchmark.py --config.cloud=points.npy --workdir=runs/benchmark

`--config.parts=start` times whole processes, writes `DIR/start.csv` and needs nothing more. The other parts need the
extra `peers` (faiss-cpu, ripser, scikit-learn, torch) and write `DIR/benchmark.csv`: for each part the median seconds
of both sides, their ratio pair by pair, our compile time apart, how near its products come to the speed of a product
alone, and a figure that shows that both sides did the same work. Without a cloud one of 116 667 x 384 is generated.
`--config.parts` picks some; all of them take about half an hour on two cores, most of it the references'.
"""

from configs.schema import Benchmark


def get_config() -> Benchmark:
    """Settings of the experiment."""
    return Benchmark()
