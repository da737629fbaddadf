"""Every measure of a cloud, declared once.

From a row of `CATALOGUE` follow the command line, the table in the README, the columns of reports and the tests.
"""

from collections.abc import Callable
from typing import Literal

from geojax.measures import axes, cells, divergence, equal_cells, nearest, probes, replicates, spread, transfer
from geojax.measures.conventions import CONVENTIONS
from geojax.measures.row import Measure
from geojax.ops import order
from geojax.ops.threads import on_one_device

_STUDY = "arXiv 2406.12159"
_SPREAD = "arXiv 2212.08172"
_INFINITE = float("inf")
_HALVED = {"replicates": replicates.by_blocks}
_PAIRS = {"cost": "O(n^2 d)", "quadratic": True, **_HALVED}
_DISTINCT_PAIRS = {**_PAIRS, "once": ("standard",)}
_SIMILARITIES = ("permutation", "translation", "reflection", "rotation", "scaling")


def _spread(function: Callable, *, invariances=_SIMILARITIES, conventions=("standard",), **claims) -> Measure:
    """A row that reads the points of a cloud, in whatever axes they are given."""
    return Measure(
        function.__name__,
        function,
        "points",
        None,
        family="spread",
        invariances=invariances,
        conventions=conventions,
        **claims,
    )


def _of_labels(function: Callable, symbol: str, high: float, reference: str, **claims) -> Measure:
    """A row that reads points and their labels."""
    claims = {"value_range": (0.0, high), "cost": "O(n d q + q^3)", "conventions": ("standard",)} | claims
    undefined = "fewer than two classes are left, or all points coincide" + claims.pop("also_undefined", "")
    options = {"family": "transfer", "invariances": _SIMILARITIES, "differentiable": False, "undefined": undefined}
    return Measure(function.__name__, function, "labels", None, symbol=symbol, reference=reference, **options, **claims)


def _of_cells(quantizer: Literal["pq", "lsq"]) -> tuple[Measure, ...]:
    """The rows that read the cells of one quantizer."""
    invariances = {
        "pq": ("permutation", "translation", "reflection", "scaling"),
        "lsq": ("permutation", "translation", "scaling"),  # it shakes every axis with noise that has a sign
    }[quantizer]

    def row(
        function: Callable,
        *,
        invariances=invariances,
        conventions=("standard",),
        reference=_STUDY,
        study=True,
        **claims,
    ) -> Measure:
        return Measure(
            f"{quantizer}_{function.__name__}",
            function,
            "cells",
            quantizer,
            family="cells",
            invariances=invariances,
            differentiable=False,
            conventions=conventions,
            reference=reference,
            study=study,
            **claims,
        )

    return (
        row(
            cells.reconstruction_error,
            symbol=r"\epsilon",
            value_range=(0.0, 1.0),
            cost="O(n d)",
            conventions=CONVENTIONS,
            undefined="all points coincide",
        ),
        row(
            cells.reconstruction_iqr,
            symbol=r"\epsilon_{\mathrm{IQR}}",
            value_range=(0.0, 1.0),
            cost="O(n log n)",
            undefined="every point equals its reconstruction",
        ),
        row(
            cells.reconstruction_skew,
            symbol=r"\epsilon_{g_1}",
            value_range=(-_INFINITE, _INFINITE),
            cost="O(n)",
            undefined="all reconstruction errors are equal",
        ),
        row(
            cells.centroid_spread,
            symbol=r"\sigma^2_c",
            value_range=(0.0, 0.25),
            cost="O(M K^2 d)",
            undefined="every codebook entry has a twin",
        ),
        row(
            cells.count_variance,
            symbol=r"\sigma^2_N",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            undefined="one cell of a codebook holds every point (p = 1)",
        ),
        row(
            cells.count_kl,
            symbol=r"D_{\mathrm{KL}}",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            conventions=CONVENTIONS,
            undefined="no point is left",
        ),
        row(
            cells.patchiness,
            symbol=r"\overset{*}{m}/m",
            value_range=(0.0, _INFINITE),
            cost="O(M K)",
            conventions=CONVENTIONS,
            reference="Lloyd 1967",
            undefined="no point is left",
        ),
        row(
            cells.cell_eee,
            symbol=r"\overline{\mathrm{EEE}}_c",
            value_range=(0.0, 1.0),
            cost="O(M n d q + M K q^3)",
            conventions=CONVENTIONS,
            undefined="no cell holds two distinct points",
            once=CONVENTIONS,
            replicates=replicates.by_few_masks_on_host,
            by_host=on_one_device,
        ),
        row(
            equal_cells.cell_eee_fixed,
            symbol=r"\overline{\mathrm{EEE}}_{64}",
            value_range=(0.0, 1.0),
            invariances=tuple(name for name in invariances if name != "permutation"),  # the draw is by row
            cost="O(M n log n + M K (d q + q^2) q)",
            reference="control for cell_eee",
            undefined="no cell holds 64 distinct points",
            once=CONVENTIONS,
            study=False,
        ),
    )


CATALOGUE: tuple[Measure, ...] = (
    *_of_cells("pq"),
    *_of_cells("lsq"),
    _spread(
        spread.eee,
        symbol=r"\mathrm{EEE}",
        value_range=(0.0, 1.0),
        differentiable=True,
        cost="O(n d q + q^3)",
        reference=_SPREAD,
        undefined="all points coincide",
        study=True,
        from_moments=True,
        replicates=replicates.spectral,
    ),
    _spread(
        spread.vrm,
        symbol=r"\mathrm{VRM}",
        value_range=(0.0, 2.0),
        differentiable=True,
        cost="O(n d q + q^3 + q n log n)",
        reference=_SPREAD,
        conventions=CONVENTIONS,
        undefined="all points coincide, or the convention is 'paper' and n is at most 4",
        study=True,
        once=("standard",),
        by_host=order.by_host,
    ),
    _spread(
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
    ),
    _spread(
        axes.average_cosine_similarity,
        symbol=r"\overline{\cos}",
        value_range=(-1.0, 1.0),
        invariances=tuple(name for name in _SIMILARITIES if name != "translation"),
        differentiable=True,
        cost="O(n d)",
        reference=_SPREAD,
        conventions=CONVENTIONS,
        undefined="fewer than two points lie away from the origin",
    ),
    _spread(
        axes.partition_ratio,
        symbol="I(V)",
        value_range=(0.0, 1.0),
        differentiable=False,
        cost="O(n d q + q^3)",
        reference="Mu & Viswanath 2018",
        undefined="all points coincide",
        sign_range=axes.partition_range,
    ),
    _spread(
        axes.pc_ratio,
        symbol=r"\lambda_d/\lambda_1",
        value_range=(0.0, 1.0),
        differentiable=True,
        cost="O(n d q + q^3)",
        reference=_SPREAD,
        undefined="all points coincide",
        from_moments=True,
    ),
    _spread(
        nearest.koleo,
        symbol="H/H_{N}",
        value_range=(-_INFINITE, _INFINITE),
        differentiable=True,
        reference="Kozachenko & Leonenko 1987",
        conventions=CONVENTIONS,
        undefined="all points coincide, or the convention is 'paper' and two do",
        **_DISTINCT_PAIRS,
    ),
    _spread(
        nearest.knn_overlap,
        symbol=r"O_{k\mathrm{NN}}",
        value_range=(0.0, 1.0),
        differentiable=False,
        reference=_SPREAD,
        undefined="the points, equal ones taken once, are at most k = min(5 d, 100), or all coincide",
        **_DISTINCT_PAIRS,
    ),
    _spread(
        divergence.kl_gaussian,
        symbol=r"D_{\mathrm{KL}}^{N}",
        value_range=(0.0, _INFINITE),
        differentiable=True,
        cost="O(n d q + q^3)",
        reference=_SPREAD,
        conventions=CONVENTIONS,
        undefined="the covariance is singular in float32 (n <= d, or an axis without variance), or all points coincide",
        from_moments=True,
    ),
    _spread(
        divergence.kl_discrete,
        symbol=r"D_{\mathrm{KL}}^{30}",
        value_range=(0.0, _INFINITE),
        differentiable=False,
        cost="O(n d q + q^3)",
        reference=_SPREAD,
        conventions=CONVENTIONS,
        undefined="all points coincide",
    ),
    _spread(
        divergence.kl_empirical,
        symbol=r"D_{\mathrm{KL}}^{1\mathrm{NN}}",
        value_range=(0.0, _INFINITE),
        differentiable=False,
        reference="Wang, Kulkarni & Verdú 2009",
        conventions=CONVENTIONS,
        undefined="all points coincide, or the convention is 'paper' and two do",
        **_DISTINCT_PAIRS,
    ),
    _of_labels(
        transfer.logme,
        r"\mathcal{L}/\nu",
        _INFINITE,
        "You et al. 2021",
        value_range=(-_INFINITE, _INFINITE),
        conventions=CONVENTIONS,
        about_origin=True,
        regression=True,
        also_undefined=", or the labels are an exact linear function of the points",
    ),
    _of_labels(transfer.h_score, r"\mathcal{H}_\alpha", _INFINITE, "Ibrahim et al. 2021"),
    _of_labels(
        transfer.transrate, r"\mathrm{TrR}", _INFINITE, "Huang et al. 2022", cost="O(C (n d q + q^3))", **_HALVED
    ),
    _of_labels(
        probes.knn_accuracy,
        r"a_{k\mathrm{NN}}",
        1.0,
        "Cover & Hart 1967",
        **_PAIRS,
        also_undefined=", or n is at most k = 5",
    ),
    _of_labels(probes.class_mean_accuracy, r"a_\mu", 1.0, "Tibshirani et al. 2002", cost="O(n d C)"),
    _of_labels(probes.ridge_probe, r"a_\lambda", 1.0, "Allen 1974", value_range=(-_INFINITE, 1.0), regression=True),
)
