"""Rows that read the shape of a cloud: its spectrum, its metric, its graph of neighbours."""

from geojax.measures import curvature, homology_dimension, replicates, spectral
from geojax.measures.catalogue.rows import INFINITE, SIMILARITIES, of_points, wide_or_noisy
from geojax.measures.conventions import CONVENTIONS

_SPECTRAL = {"family": "dimension", "cost": "O(n d q + q^3)", "from_moments": True, "replicates": replicates.spectral}
# Of distinct points that are drawn by their rows.
_DRAWN = {
    "family": "dimension",
    "invariances": tuple(name for name in SIMILARITIES if name != "permutation"),
    "differentiable": False,
    "once": CONVENTIONS,
}

EFFECTIVE_RANK = of_points(
    spectral.effective_rank,
    symbol=r"\mathrm{erank}",
    value_range=(1.0, INFINITE),
    differentiable=True,
    reference="Roy & Vetterli 2007; arXiv 2210.02885",
    conventions=CONVENTIONS,
    undefined="all points coincide",
    about_origin=True,
    caution="for the dimension of a curved surface: it counts the axes that the whole cloud extends in",
    **_SPECTRAL,
)

SPECTRAL_DECAY = of_points(
    spectral.spectral_decay,
    symbol=r"\alpha_\lambda",
    value_range=(-INFINITE, INFINITE),
    differentiable=False,
    reference="Stringer et al. 2019",
    undefined="fewer than 3 eigenvalues are left above rounding",
    caution="where the spectrum follows no power law: it is the slope of a straight line all the same",
    **_SPECTRAL,
)

PH0_DIMENSION = of_points(
    homology_dimension.ph0_dimension,
    symbol=r"d_{\mathrm{PH}_0}",
    value_range=(0.0, INFINITE),
    cost="O(n d + s^2 d), s = 512",
    reference="arXiv 2111.13171",
    undefined="the points, equal ones taken once, are fewer than 64, or the tree grows as fast as their number",
    replicates=replicates.by_blocks_of_drawn(512),
    caution=wide_or_noisy("6.9", "35.5"),
    **_DRAWN,
)

HYPERBOLICITY = of_points(
    curvature.hyperbolicity,
    symbol=r"2 \delta / \mathrm{diam}",
    value_range=(0.0, 1.0),
    cost="O(n d + s^2 d + s^4), s = 256",
    reference="arXiv 1904.02239",
    conventions=CONVENTIONS,
    undefined="the points, equal ones taken once, are fewer than 4",
    replicates=replicates.by_blocks_of_drawn(256, paper=1500),
    of_normal=curvature.hyperbolicity_of_normal,
    caution=(
        "by itself on a wide cloud: distances concentrate, and 80 normal points have .51 in 2 dimensions, .13 in 768"
    ),
    **_DRAWN,
)

FORMAN_RICCI = of_points(
    curvature.forman_ricci,
    symbol=r"\overline{F}",
    value_range=(-INFINITE, INFINITE),
    cost="O(n d + s^2 d + s^3), s = 512",
    reference="Samal et al. 2018",
    conventions=CONVENTIONS,
    undefined="the points, equal ones taken once, are fewer than 4",
    replicates=replicates.by_blocks_of_drawn(512),
    caution="for the curvature of a surface: it is that of a graph of the 10 nearest neighbours",
    **_DRAWN,
)

OLLIVIER_RICCI = of_points(
    curvature.ollivier_ricci,
    symbol=r"\overline{\kappa}",
    value_range=(-2.0, 1.0),
    cost="O(n d + s^2 d + s^3), s = 512",
    reference="Ollivier 2009",
    conventions=CONVENTIONS,
    undefined="the points, equal ones taken once, are fewer than 4",
    replicates=replicates.by_blocks_of_drawn(512),
    caution="for the curvature of a surface: it is that of a graph of the 10 nearest neighbours",
    **_DRAWN,
)
