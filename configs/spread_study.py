"""Measure seven synthetic distributions in several dimensions: the spread study of arXiv 2212.08172.

    python launch.py --config=configs/spread_study.py --config.dims="(2,10)" --workdir=DIR

Writes `DIR/spread_study.csv`, a row a distribution and dimension and a column a measure, `DIR/spread_study.jsonl`, the
same rows with the range of I(V) over the signs of eigenvectors, and the figure `DIR/spread_study.svg`. Dimensions 2 and
10 take seconds on two cores, 50 and 100 some minutes; stopped at any moment, the same command goes on from the last
row.
"""

from configs.schema import SpreadStudy


def get_config() -> SpreadStudy:
    """Settings of the experiment."""
    return SpreadStudy()
