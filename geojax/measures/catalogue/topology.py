"""Rows that read the neighbourhoods of drawn points."""

from geojax.measures import replicates, topology
from geojax.measures.catalogue.rows import INFINITE, SIMILARITIES, of_points
from geojax.measures.conventions import CONVENTIONS

_PAPER = "arXiv 2408.03706"
_LOCAL = {
    "family": "topology",
    "invariances": tuple(name for name in SIMILARITIES if name != "permutation"),
    "differentiable": False,
    "reference": _PAPER,
    "once": CONVENTIONS,
    "replicates": replicates.by_blocks_of_drawn(512),
}
_FEW = "the points, equal ones taken once, are at most 50"
_LOOPS = {
    "value_range": (0.0, INFINITE),
    "cost": "O(n s d + s k^3), s = 512, k = 50",
    "undefined": f"{_FEW}, or a neighbourhood has more loops at once than points",
}

H0_TOTAL_PERSISTENCE = of_points(
    topology.h0_total_persistence,
    symbol=r"\overline{\Sigma H_0}/\sigma",
    value_range=(0.0, INFINITE),
    cost="O(n s d + s k^2 d), s = 512, k = 50",
    undefined=_FEW,
    **_LOCAL,
)

H1_TOTAL_PERSISTENCE = of_points(
    topology.h1_total_persistence, symbol=r"\overline{\Sigma H_1}/\sigma", **_LOOPS, **_LOCAL
)

H1_SHARE = of_points(topology.h1_share, symbol=r"\overline{\Sigma H_1/\Sigma H_0}", **_LOOPS, **_LOCAL)

CODENSITY_RATIO = of_points(
    topology.codensity_ratio,
    symbol=r"\overline{c_{40}/c_1}",
    value_range=(1.0, INFINITE),
    cost="O(n s d), s = 512",
    undefined="the points, equal ones taken once, are at most 40",
    caution="on layer 0: but for rounding, the nearest distance, a token at one place has one vector in all texts",
    **_LOCAL,
)

LOCAL_PERSISTENCE_ENTROPY = of_points(
    topology.local_persistence_entropy, symbol=r"\overline{H(\Sigma)}", **_LOOPS, **_LOCAL
)
