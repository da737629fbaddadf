"""Rows that read the labels of the points too."""

from collections.abc import Callable

from geojax.measures import probes, transfer
from geojax.measures.catalogue.rows import BLOCKS, INFINITE, PAIRS, SIMILARITIES
from geojax.measures.conventions import CONVENTIONS
from geojax.measures.row import Measure


def _of_labels(function: Callable, symbol: str, high: float, reference: str, **claims) -> Measure:
    """A row that reads points and their labels."""
    claims = {"value_range": (0.0, high), "cost": "O(n d q + q^3)", "conventions": ("standard",)} | claims
    undefined = "fewer than two classes are left, or all points coincide" + claims.pop("also_undefined", "")
    options = {"family": "transfer", "invariances": SIMILARITIES, "differentiable": False, "undefined": undefined}
    return Measure(function.__name__, function, "labels", None, symbol=symbol, reference=reference, **options, **claims)


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
)

H_SCORE = _of_labels(transfer.h_score, r"\mathcal{H}_\alpha", INFINITE, "Ibrahim et al. 2021")

TRANSRATE = _of_labels(
    transfer.transrate, r"\mathrm{TrR}", INFINITE, "Huang et al. 2022", cost="O(C (n d q + q^3))", **BLOCKS
)

KNN_ACCURACY = _of_labels(
    probes.knn_accuracy,
    r"a_{k\mathrm{NN}}",
    1.0,
    "Cover & Hart 1967",
    **PAIRS,
    also_undefined=", or n is at most k = 5",
)

CLASS_MEAN_ACCURACY = _of_labels(probes.class_mean_accuracy, r"a_\mu", 1.0, "Tibshirani et al. 2002", cost="O(n d C)")

RIDGE_PROBE = _of_labels(
    probes.ridge_probe, r"a_\lambda", 1.0, "Allen 1974", value_range=(-INFINITE, 1.0), regression=True
)
