"""Rows that read the spread of a cloud over its axes."""

from geojax.measures import axes, divergence, replicates, spread
from geojax.measures.catalogue.rows import INFINITE, SIMILARITIES, SPREAD, of_points
from geojax.measures.conventions import CONVENTIONS
from geojax.ops import order

EEE = of_points(
    spread.eee,
    symbol=r"\mathrm{EEE}",
    value_range=(0.0, 1.0),
    differentiable=True,
    cost="O(n d q + q^3)",
    reference=SPREAD,
    undefined="all points coincide",
    study=True,
    from_moments=True,
    replicates=replicates.spectral,
    caution="across numbers of points: N(0, I) in 512 dimensions has .288 at n = 2 000 and .059 at n = 50 000",
)

VRM = of_points(
    spread.vrm,
    symbol=r"\mathrm{VRM}",
    value_range=(0.0, 2.0),
    differentiable=True,
    cost="O(n d q + q^3 + q n log n)",
    reference=SPREAD,
    conventions=CONVENTIONS,
    undefined="all points coincide, or the convention is 'paper' and n is at most 4",
    study=True,
    once=("standard",),
    by_host=order.by_host,
    caution=(
        "to compare spreads in few dimensions: a circle, whose marginals are not normal, has .19, more than two "
        "kinds of clusters"
    ),
)

ISOSCORE = of_points(
    spread.isoscore,
    symbol=r"\mathrm{IsoScore}",
    value_range=(0.0, 1.0),
    differentiable=True,
    cost="O(n d q)",
    reference="arXiv 2108.07344",
    undefined="all points coincide, or d = 1",
    study=True,
    from_moments=True,
    replicates=replicates.spectral,
    caution="across numbers of points: N(0, I) in 512 dimensions has .66 at n = 1 000 and .95 at n = 10 000",
)

AVERAGE_COSINE_SIMILARITY = of_points(
    axes.average_cosine_similarity,
    symbol=r"\overline{\cos}",
    value_range=(-1.0, 1.0),
    invariances=tuple(name for name in SIMILARITIES if name != "translation"),
    differentiable=True,
    cost="O(n d)",
    reference=SPREAD,
    conventions=CONVENTIONS,
    undefined="fewer than two points lie away from the origin",
    caution="to learn how evenly a cloud is spread: it tells where the cloud lies",
)

PARTITION_RATIO = of_points(
    axes.partition_ratio,
    symbol="I(V)",
    value_range=(0.0, 1.0),
    differentiable=False,
    cost="O(n d q + q^3)",
    reference="Mu & Viswanath 2018",
    undefined="all points coincide",
    sign_range=axes.partition_range,
    caution="in few dimensions: over the signs of the axes uneven clusters in 2 dimensions have .72 to .88",
)

PC_RATIO = of_points(
    axes.pc_ratio,
    symbol=r"\lambda_d/\lambda_1",
    value_range=(0.0, 1.0),
    differentiable=True,
    cost="O(n d q + q^3)",
    reference=SPREAD,
    undefined="all points coincide",
    from_moments=True,
    caution="after a LayerNorm, which leaves an axis without variance: the value is 0 but for rounding",
)

KL_GAUSSIAN = of_points(
    divergence.kl_gaussian,
    symbol=r"D_{\mathrm{KL}}^{N}",
    value_range=(0.0, INFINITE),
    differentiable=True,
    cost="O(n d q + q^3)",
    reference=SPREAD,
    conventions=CONVENTIONS,
    undefined="the covariance is singular in float32 (n <= d, or an axis without variance), or all points coincide",
    from_moments=True,
    caution="after a LayerNorm, which leaves an axis without variance: it has no value, in 'paper' about 18.4 always",
)

KL_DISCRETE = of_points(
    divergence.kl_discrete,
    symbol=r"D_{\mathrm{KL}}^{30}",
    value_range=(0.0, INFINITE),
    differentiable=False,
    cost="O(n d q + q^3)",
    reference=SPREAD,
    conventions=CONVENTIONS,
    undefined="all points coincide",
    caution="in 'paper' to tell small differences: one empty bin of the normal sample can double the value",
)
