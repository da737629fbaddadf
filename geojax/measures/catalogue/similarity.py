"""Rows that read two clouds of the same inputs."""

from collections.abc import Callable

from geojax.measures import replicates, similarity
from geojax.measures.catalogue.rows import BLOCKS, INFINITE, SIMILARITIES
from geojax.measures.conventions import CONVENTIONS
from geojax.measures.row import Measure


def _of_pair(function: Callable, **claims) -> Measure:
    """A row that reads a pair of clouds, each in whatever axes it is given."""
    claims = {"invariances": SIMILARITIES, "conventions": ("standard",), "differentiable": False} | claims
    return Measure(function.__name__, function, "pair", None, family="similarity", **claims)


CKA = _of_pair(
    similarity.cka,
    symbol=r"\mathrm{CKA}",
    value_range=(-1.0, 1.0),
    differentiable=True,
    cost="O(n d^2)",
    reference="arXiv 1905.00414; Song et al. 2012",
    conventions=CONVENTIONS,
    undefined="fewer than 4 points, or all points of a cloud coincide or have one distance",
    caution="to tell whether small axes agree: a few dominant ones can make it 1",
)

PROCRUSTES_SIMILARITY = _of_pair(
    similarity.procrustes_similarity,
    symbol=r"\cos \theta_P",
    value_range=(0.0, 1.0),
    differentiable=True,
    cost="O(n d^2 + d^3)",
    reference="arXiv 2110.14739",
    conventions=CONVENTIONS,
    undefined="all points of a cloud coincide",
    replicates=replicates.by_few_masks,
    caution="across numbers of points: its bias is large where n is not many times d",
)

MUTUAL_KNN = _of_pair(
    similarity.mutual_knn,
    symbol=r"m_{k\mathrm{NN}}",
    value_range=(0.0, 1.0),
    cost="O(n^2 d)",
    quadratic=True,
    reference="arXiv 2405.07987",
    undefined="n is at most k = 10",
    caution="across numbers of points: k / (n − 1) is chance, and it falls with n",
    **BLOCKS,
)

RSA = _of_pair(
    similarity.rsa,
    symbol=r"\rho_{\mathrm{RSA}}",
    value_range=(-1.0, 1.0),
    invariances=tuple(name for name in SIMILARITIES if name != "permutation"),  # the draw is by row
    cost="O(n d + s^2 d), s = 1024",
    reference="Kriegeskorte, Mur & Bandettini 2008",
    conventions=CONVENTIONS,
    undefined="fewer than 3 points, or all points of a cloud have one distance",
    replicates=replicates.by_blocks_of_drawn(1024),
    caution="for neighbourhoods: the many middling distances decide",
)

SVCCA = _of_pair(
    similarity.svcca,
    symbol=r"\bar{\rho}_{99}",
    value_range=(0.0, 1.0),
    cost="O(n d q + q^3)",
    reference="arXiv 1706.05806",
    undefined="all points of a cloud coincide",
    replicates=replicates.by_few_masks,
    caution="where n is not many times d: it goes to 1 by chance",
)

LINEAR_PREDICTIVITY = _of_pair(
    similarity.linear_predictivity,
    symbol=r"R^2_\lambda",
    value_range=(-INFINITE, 1.0),
    cost="O(n d q + q^3)",
    reference="Allen 1974; arXiv 1905.00414",
    conventions=CONVENTIONS,
    undefined="all points of a cloud coincide",
    symmetric=False,
    replicates=replicates.by_few_masks,
    caution="as a distance: it has a direction, and both orders are in the table",
)
