"""Rows that read the intrinsic dimension of a cloud, at the scale of nearest neighbours or in neighbourhoods."""

from collections.abc import Callable

from geojax.measures import dimension, local_dimension, pair_counts
from geojax.measures.catalogue.rows import INFINITE, PAIRS, SIMILARITIES, of_points, wide_or_noisy
from geojax.measures.conventions import CONVENTIONS
from geojax.measures.row import Measure

_DISTINCT = {**PAIRS, "once": CONVENTIONS}


def _dimension(function: Callable, **claims) -> Measure:
    claims = {"value_range": (0.0, INFINITE), "differentiable": False, **_DISTINCT} | claims
    return of_points(function, family="dimension", **claims)


def _local(function: Callable, **claims) -> Measure:
    """A row of neighbourhoods of 512 points, which are drawn by their row."""
    invariances = tuple(name for name in SIMILARITIES if name != "permutation")
    return _dimension(function, invariances=invariances, quadratic=False, cost="O(512 (n + k^2) d)", **claims)


TWO_NN = _dimension(
    dimension.two_nn,
    symbol=r"d_{2\mathrm{NN}}",
    differentiable=True,
    reference="arXiv 1803.06992",
    conventions=CONVENTIONS,
    undefined="fewer than 3 points are distinct, or the first two neighbours of all are equally far",
    neighbours=2,
    caution=wide_or_noisy("11.2", "37.4"),
)

MLE_DIMENSION = _dimension(
    dimension.mle_dimension,
    symbol=r"d_{\mathrm{MLE}}",
    differentiable=True,
    reference="Levina & Bickel 2004",
    conventions=CONVENTIONS,
    undefined="at most k = 20 points are distinct, or the k neighbours of all are equally far",
    neighbours=20,
    caution=wide_or_noisy("7.9", "32.0"),
)

GRIDE = _dimension(
    dimension.gride,
    symbol=r"d_{16,32}",
    reference="arXiv 2104.13832",
    undefined="at most n2 = 32 points are distinct, or neighbours n1 and n2 of all are equally far",
    neighbours=32,
    caution=wide_or_noisy("6.0", "29.5"),
)

CORRELATION_DIMENSION = _dimension(
    pair_counts.correlation_dimension,
    symbol=r"d_C",
    reference="Grassberger & Procaccia 1983",
    undefined="at most k2 = 20 points are distinct, neighbours k1 and k2 are equally far, or too near for float32",
    neighbours=20 + pair_counts.MORE,
    caution=wide_or_noisy("6.6", "25.2"),
)

HUBNESS = _dimension(
    pair_counts.hubness,
    symbol=r"S_{N_{10}}",
    value_range=(-INFINITE, INFINITE),
    reference="Radovanović, Nanopoulos & Ivanović 2010",
    undefined="at most k = 10 points are distinct, or all are neighbours of others equally often",
    neighbours=10 + pair_counts.MORE,
)

LOCAL_TWO_NN = _local(
    local_dimension.local_two_nn,
    symbol=r"\overline{d}_{128}",
    reference="arXiv 2506.01034",
    undefined="at most 128 points are distinct",
    caution=wide_or_noisy("10.9", "33.4"),
)

LOCAL_PCA_DIMENSION = _local(
    local_dimension.local_pca_dimension,
    symbol=r"\overline{d}_{\mathrm{PCA}}",
    value_range=(1.0, INFINITE),
    reference="Fukunaga & Olsen 1971",
    conventions=CONVENTIONS,
    undefined="at most 50 points are distinct",
    caution=wide_or_noisy("6.3", "27.6"),
)
