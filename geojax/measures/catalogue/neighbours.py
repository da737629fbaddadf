"""Rows that read the distances between neighbours."""

from geojax.measures import divergence, nearest
from geojax.measures.catalogue.rows import DISTINCT_PAIRS, INFINITE, SPREAD, of_points
from geojax.measures.conventions import CONVENTIONS

KOLEO = of_points(
    nearest.koleo,
    symbol="H/H_{N}",
    value_range=(-INFINITE, INFINITE),
    differentiable=True,
    reference="Kozachenko & Leonenko 1987",
    conventions=CONVENTIONS,
    undefined="all points coincide, or the convention is 'paper' and two do",
    neighbours=1,
    caution=(
        "to tell differences of the size of its error: another normal sample moves it as much as other sequences do"
    ),
    **DISTINCT_PAIRS,
)

KNN_OVERLAP = of_points(
    nearest.knn_overlap,
    symbol=r"O_{k\mathrm{NN}}",
    value_range=(0.0, 1.0),
    differentiable=False,
    reference=SPREAD,
    undefined="the points, equal ones taken once, are at most k = min(5 d, 100), or all coincide",
    neighbours=100,
    caution="to tell evenly spread clouds apart: a ball and a shell in 10 dimensions both have .0000",
    **DISTINCT_PAIRS,
)

KL_EMPIRICAL = of_points(
    divergence.kl_empirical,
    symbol=r"D_{\mathrm{KL}}^{1\mathrm{NN}}",
    value_range=(0.0, INFINITE),
    differentiable=False,
    reference="Wang, Kulkarni & Verdú 2009",
    conventions=CONVENTIONS,
    undefined="all points coincide, or the convention is 'paper' and two do",
    neighbours=1,
    caution="as a test of normality: its terms are cut off at 0, so that normal data have about .9 in 10 dimensions",
    **DISTINCT_PAIRS,
)
