"""Rows that read the labels of the points too."""

from collections.abc import Callable

from geojax.measures import probes, replicates, separation, transfer
from geojax.measures.catalogue.rows import BLOCKS, INFINITE, PAIRS, SIMILARITIES
from geojax.measures.conventions import CONVENTIONS
from geojax.measures.row import Measure


def _of_labels(function: Callable, symbol: str, high: float, reference: str, **claims) -> Measure:
    """A row that reads points and their labels."""
    claims = {"value_range": (0.0, high), "cost": "O(n d q + q^3)", "conventions": ("standard",)} | claims
    undefined = "fewer than two classes are left, or all points coincide" + claims.pop("also_undefined", "")
    claims = {
        "invariances": SIMILARITIES,
        "family": "transfer",
        "differentiable": False,
        "undefined": undefined,
    } | claims
    return Measure(function.__name__, function, "labels", None, symbol=symbol, reference=reference, **claims)


def _regret(regret: str) -> str:
    """When not to use a measure by which a choice cost so much in docs/ranking.md."""
    return (
        "to choose a checkpoint where knn_accuracy is at hand: among 42 encoders the choice was "
        f"{regret} behind the best on average, by knn_accuracy .005, by chance .191"
    )


_UNTRIED = "to choose a checkpoint on evidence: what a choice by it costs is not known"

LOGME = _of_labels(
    transfer.logme,
    r"\mathcal{L}/\nu",
    INFINITE,
    "You et al. 2021",
    value_range=(-INFINITE, INFINITE),
    conventions=CONVENTIONS,
    about_origin=True,
    regression=True,
    also_undefined=", or the labels are an exact linear function of the points",
    caution=_regret(".071"),
)

H_SCORE = _of_labels(transfer.h_score, r"\mathcal{H}_\alpha", INFINITE, "Ibrahim et al. 2021", caution=_regret(".025"))

TRANSRATE = _of_labels(
    transfer.transrate,
    r"\mathrm{TrR}",
    INFINITE,
    "Huang et al. 2022",
    cost="O(C (n d q + q^3))",
    caution=_regret(".251"),
    **BLOCKS,
)

# The drawn points, and the start of the mixture, go by row.
_BY_ROW = {"invariances": tuple(name for name in SIMILARITIES if name != "permutation")}

PARC = _of_labels(
    separation.parc,
    r"\rho_{\mathrm{PARC}}",
    1.0,
    "arXiv 2111.06977",
    value_range=(-1.0, 1.0),
    cost="O(n d + s^2 (d + log s)), s = 500",
    conventions=CONVENTIONS,
    replicates=replicates.by_blocks_of_drawn(500),
    also_undefined=", or all drawn pairs have one angle or one pair of classes",
    caution=_UNTRIED,
    **_BY_ROW,
)

GBC = _of_labels(
    separation.gbc,
    r"\mathrm{GBC}",
    0.0,
    "arXiv 2111.12780",
    value_range=(-INFINITE, 0.0),
    replicates=replicates.by_few_masks,
    also_undefined=", or fewer than two classes have two points",
    caution=_UNTRIED,
)

N_LEEP = _of_labels(
    separation.n_leep,
    r"\mathcal{N}_{\mathrm{LEEP}}",
    0.0,
    "Li et al. 2021",
    value_range=(-INFINITE, 0.0),
    cost="O(n d q + q^3 + n q C)",
    also_undefined=", or n is at most 5 x classes, the number of components",
    caution="across numbers of points: the points that are told fitted the mixture",
    **_BY_ROW,
    **BLOCKS,
)

KNN_ACCURACY = _of_labels(
    probes.knn_accuracy,
    r"a_{k\mathrm{NN}}",
    1.0,
    "Cover & Hart 1967",
    **PAIRS,
    also_undefined=", or n is at most k = 5",
)

CLASS_MEAN_ACCURACY = _of_labels(
    probes.class_mean_accuracy,
    r"a_\mu",
    1.0,
    "Tibshirani et al. 2002",
    cost="O(n d C)",
    caution=_regret(".091"),
)

RIDGE_PROBE = _of_labels(
    probes.ridge_probe,
    r"a_\lambda",
    1.0,
    "Allen 1974",
    value_range=(-INFINITE, 1.0),
    regression=True,
    caution=_regret(".023"),
)
