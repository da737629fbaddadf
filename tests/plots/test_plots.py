"""Figures: whole, labelled, the same bytes for the same table, and safe with names from outside."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from geojax import plots
from geojax.analysis import score_table
from geojax.measures.dimension import Scan

MEASURES = ["eee", "vrm", "lsq_patchiness"]


def models(n=12, **columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(size=(n, 3)), columns=MEASURES)
    frame["model"] = [f"model_{index}" for index in range(n)]
    frame["glue_average"] = rng.uniform(0.3, 0.8, size=n)
    frame["alpha"] = np.resize([0, 0.5, 1, 5, 20, 100], n)
    return score_table.from_frame(frame.assign(**columns), measures=MEASURES)


LINE = (1.0, 0.0)
SPREAD = [
    {
        "distribution": name,
        "dim": d,
        "values": dict.fromkeys(("average_cosine_similarity", "partition_ratio", "eee", "vrm"), 0.1 * d),
        "partition_range": (0.1 * d, 0.9),
    }
    for d in (2, 3)
    for name in ("sphere", "nested_shell")
]
INTERVALS = [
    {"name": "eee", "value": 0.5, "lower": 0.2, "upper": 0.7, "kind": "measure", "actual": 0.4},
    {"name": "vrm", "value": -3.0, "lower": np.nan, "upper": np.nan, "kind": "measure"},
    {"name": "alpha", "value": 0.9, "lower": -np.inf, "upper": np.inf, "kind": "baseline"},
]
SCANS = {
    "flat": Scan(2 ** np.arange(4), np.array([2.0, 2.02, 1.98, 1.5]), np.array([0.1, 0.2, 0.4, 0.8])),
    "noise": Scan(2 ** np.arange(4), np.array([9.0, 6.0, 4.0, np.nan]), np.array([0.1, 0.2, 0.4, np.inf])),
}
SIMILAR = np.array([[np.nan, 0.25], [0.75, np.nan]])
FIGURES = {
    "measure": lambda table, **k: plots.measure_against_score(
        table, "lsq_patchiness", "the score", line=(1.0, 0.0), **k
    ),
    "level": lambda table, **k: plots.level_against_score(table, "the score", **k),
    "fit": lambda table, **k: plots.predicted_against_actual(table, table.frame["eee"].to_numpy(), "the score", **k),
    "named": lambda table, **k: plots.predicted_against_actual(
        table, table.frame["vrm"].to_numpy(), "the score", named=True, **k
    ),
    "intervals": lambda table, **k: plots.intervals(INTERVALS, "R²", kinds=("other",), limits=(-1.0, 1.0), **k),
    "median": lambda table, **k: plots.median_by_level(table, "eee", **k),
    "matrix": lambda table, **k: plots.correlation_matrix(table, **k),
    "cells": lambda table, **k: plots.cell_counts({"a": np.arange(24).reshape(4, 6), "b": np.ones((4, 6))}, "pq", **k),
    "similarity": lambda table, **k: plots.similarity({"cka": SIMILAR, "rsa": -SIMILAR}, ["a $1", "b 2"], **k),
    "spread": lambda table, **k: plots.spread_by_distribution(SPREAD, **k),
    "scans": lambda table, **k: plots.dimension_scans(SCANS, **k),
    "spectrum": lambda table, **k: plots.cumulative_eigenvalues({"a": np.arange(5.0), "b": np.zeros(3)}, **k),
}


def words(svg):
    """The texts of a figure: matplotlib leaves each as a comment beside its glyphs."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.fromstring(svg, parser)
    return " ".join(node.text for node in root.iter() if node.tag is ElementTree.Comment)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_are_well_formed_and_repeat_byte_by_byte(figure):
    table = models()
    first = figure(table)
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == figure(table)
    assert b"<dc:date>" not in first
    assert len(first) < 300_000
    assert figure(table, format="png").startswith(b"\x89PNG")


def test_axes_are_labelled_with_units():
    table = models(family=["old", "new"] * 6)
    panel = words(FIGURES["measure"](table))
    assert "LSQ patchiness" in panel and "the score" in panel and "noise level α (%)" in panel
    assert "old" in panel and "new" in panel
    assert "predicted the score" in words(FIGURES["fit"](table)) and "actual the score" in words(FIGURES["fit"](table))
    assert "median EEE" in words(FIGURES["median"](table))
    assert "points in a PQ cell" in words(FIGURES["cells"](table))
    scans = words(FIGURES["scans"](table))
    assert "flat: plateau at 2" in scans and "noise: no plateau" in scans and "intrinsic dimension" in scans
    assert "share of the variance" in words(FIGURES["spectrum"](table))


def test_curves_show_every_line_of_every_panel():
    rows = [(0, 0.5, 0.4, 0.6), (1, 0.7, np.nan, np.nan), (2, np.nan, np.nan, np.nan)]
    panels = {"EEE": {"": rows}, "count KL": {"": [(layer, 1.0, 1.0, 1.0) for layer in range(3)]}}
    figure = plots.curves(panels, "layer")
    assert figure == plots.curves(panels, "layer")
    assert {"EEE", "count KL", "layer"} <= set(map(str.strip, words(figure).split("  ")))
    known = plots.curves(panels | {"EEE": {"": [(0, 0.5, 0.45, 0.55), *rows[1:]]}}, "layer")
    assert known != figure  # the interval is drawn
    several = words(plots.curves({"EEE": {"plain": rows, "up": rows[:2]}}, "step"))
    assert "plain" in several and "up" in several
    assert plots.curves(panels, "layer", format="png").startswith(b"\x89PNG")


def test_intervals_name_every_row_and_the_kinds_that_occur():
    drawn = words(FIGURES["intervals"](models()))
    assert all(text in drawn for text in ("eee", "vrm", "alpha", "measure", "baseline", "actual", "R²"))
    assert "other" not in drawn
    assert plots.intervals(INTERVALS[:1], "R²", reference=0.0) != plots.intervals(INTERVALS[:1], "R²")
    ElementTree.fromstring(plots.intervals([INTERVALS[0] | {"value": np.nan}], "R²"))
    ElementTree.fromstring(plots.intervals([], "R²"))


def test_predictions_that_are_missing_are_not_drawn_and_models_are_named_on_request():
    table = models()
    predicted = np.where(np.arange(12) < 3, table.frame["vrm"], np.nan)
    drawn = words(plots.predicted_against_actual(table, predicted, "score", named=True))
    assert "model_2" in drawn and "model_3" not in drawn
    assert "model_2" not in words(plots.predicted_against_actual(table, predicted, "score"))
    ElementTree.fromstring(plots.predicted_against_actual(table, np.full(12, np.nan), "score"))


def test_models_without_a_level_are_drawn_and_if_few_named():
    table = models(alpha=[np.nan, *np.arange(11.0)])
    assert "model_0" in words(FIGURES["median"](table))
    assert "model_1" not in words(FIGURES["median"](table))
    assert "model_0" not in words(FIGURES["median"](models(20, alpha=[np.nan] * 17 + [0, 1, 2])))
    assert FIGURES["measure"](table) != FIGURES["measure"](models(alpha=np.arange(12.0)))


@pytest.mark.parametrize("name", ["$x", "$a$b$", "_hidden", "<b>&amp;</b>", r"back\slash{", "x" * 300, "-->"])
def test_hostile_names_are_drawn_as_they_are(name):
    table = models(family=[name, "other"] * 6, alpha=[np.nan] * 6 + [1.0] * 6)
    for figure in ("measure", "level", "median"):
        ElementTree.fromstring(FIGURES[figure](table))
    ElementTree.fromstring(plots.cumulative_eigenvalues({name: np.ones(3)}))
    ElementTree.fromstring(plots.cell_counts({name: np.ones((1, 3))}, "pq"))


@pytest.mark.parametrize(
    "columns",
    [
        {"eee": 0.5, "lsq_patchiness": 1.0},
        {"eee": np.nan, "lsq_patchiness": np.nan},
        {"alpha": 0.0},
        {"alpha": [np.nan] * 11 + [3.0]},
        {"glue_average": 0.5},
    ],
    ids=["constant", "missing", "one level", "one known level", "one score"],
)
def test_degenerate_tables_still_draw(columns):
    table = models(**columns)
    for figure in ("measure", "level", "median", "matrix"):
        ElementTree.fromstring(FIGURES[figure](table))


def test_of_many_families_as_many_are_named_as_there_are_markers():
    drawn = words(FIGURES["measure"](models(family=[f"family {index:02}" for index in range(12)])))
    assert "family 07" in drawn and "family 08" not in drawn and "and 4 more" in drawn


def test_one_model():
    for name in ("measure", "level", "median"):
        ElementTree.fromstring(FIGURES[name](models(1)))


def test_names_are_said_as_in_the_field():
    assert plots.measure_name("pq_count_kl") == "PQ count KL"
    assert plots.measure_name("isoscore") == "IsoScore"
    assert plots.measure_name("mine") == "mine"


def test_a_matrix_of_similarities_names_spaces_and_numbers():
    shown = words(plots.similarity({"cka": SIMILAR}, ["one 1", "other 2"]))
    assert all(name in shown for name in ("one 1", "other 2", "cka", ".25", ".75"))
    many = words(plots.similarity({"cka": np.full((13, 13), 0.123)}, [f"layer {i}" for i in range(13)]))
    assert ".12" not in many and "layer 12" in many


def test_errors_of_models_are_drawn_by_task_on_two_logarithmic_axes():
    points = [
        {"task": task, "model": model, "iid": iid, "wide": wide}
        for task, scale in (("linear", 1), ("sinusoid", 10))
        for model, iid, wide in (("implicit", 1e-3 * scale, 0.5), ("known", 1e-3 * scale, 3e-3), ("known", 0.0, 1.0))
    ]
    figure = plots.iid_against_wide(points)
    assert figure == plots.iid_against_wide(points) and figure != plots.iid_against_wide(points[:2])
    assert b"<svg" in plots.iid_against_wide([])
