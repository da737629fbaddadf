"""What rows of one family share."""

from collections.abc import Callable

from geojax.measures import replicates
from geojax.measures.row import Measure

STUDY = "arXiv 2406.12159"
SPREAD = "arXiv 2212.08172"
INFINITE = float("inf")
BLOCKS = {"replicates": replicates.by_blocks}
PAIRS = {"cost": "O(n^2 d)", "quadratic": True, **BLOCKS}
DISTINCT_PAIRS = {**PAIRS, "once": ("standard",)}
SIMILARITIES = ("permutation", "translation", "reflection", "rotation", "scaling")


def wide_or_noisy(square: str, normal: str) -> str:
    """When not to use a dimension by neighbours, with its values of two clouds of docs/dimension.md."""
    return (
        f"on noisy points or above ten dimensions: 2 000 points of a square with noise have {square}, "
        f"of a normal cloud of 64 dimensions {normal}"
    )


def of_points(
    function: Callable, *, invariances=SIMILARITIES, conventions=("standard",), family="spread", **claims
) -> Measure:
    """A row that reads the points of a cloud, in whatever axes they are given."""
    return Measure(
        function.__name__,
        function,
        "points",
        None,
        family=family,
        invariances=invariances,
        conventions=conventions,
        **claims,
    )
