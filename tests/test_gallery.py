"""The gallery of the documentation: a page for each measure, with what its row of the catalogue claims."""

import importlib.util
import math

import pytest
from places import ROOT

from geojax.measures import CATALOGUE, INVARIANCES, select


def extension(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages():
    return extension("gallery").pages(CATALOGUE, {row.name: f"picture of {row.name}" for row in CATALOGUE})


def test_every_measure_has_a_page_that_the_gallery_lists_once(pages):
    assert set(pages) == {"index.md", *(f"{row.name}.md" for row in CATALOGUE)}
    for row in CATALOGUE:
        assert pages["index.md"].count(f"]({row.name}.md)") == pages["index.md"].count(f"\n{row.name}\n") == 1


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
def test_a_page_has_the_claims_of_its_row(pages, row):
    page = pages[f"{row.name}.md"].replace("\\", "")
    facts = dict(
        line.strip("| ").split(" | ", 1) for line in page.split("\n") if line.startswith("| ") and line != "| | |"
    )
    assert facts["Cost"] == row.cost and facts["Not a number if"] == row.undefined
    for end in row.value_range:
        assert ("∞" if math.isinf(end) else f"{end:g}") in facts["Range"]
    assert facts["Unchanged by"].split(", ") == [name for name in INVARIANCES if name in row.invariances]
    assert facts["Symbol"] == f"{{math}}`{row.symbol}`".replace("\\", "")
    assert row.reference.split()[-1] in facts["Reference"] and f"picture of {row.name}" in page
    unfit = page.split("## When not to use it\n\n* ")[1].split("\n\n")[0].lower()
    assert unfit.startswith(row.caution.lower())
    assert f"autofunction:: {row.function.__module__}.{row.function.__name__}" in page


def test_the_page_of_the_measures_of_a_pair_says_the_same_of_each():
    page = (ROOT / "docs" / "similarity.md").read_text()
    for row in select("similarity"):
        assert f"| {row.caution} |" in page


def test_the_pictures_show_every_measure_within_its_range():
    shown = extension("clouds").read()
    assert list(shown) == [row.name for row in CATALOGUE]
    for row in CATALOGUE:
        low, high = row.value_range
        assert all(low <= value <= high or math.isnan(value) for value in shown[row.name]), row.name


@pytest.mark.slow
def test_the_values_of_the_pictures_are_measured_again():
    clouds = extension("clouds")
    for name, values in clouds.values(select("eee,two_nn,class_mean_accuracy,procrustes_similarity")):
        assert values == pytest.approx(clouds.read()[name], rel=1e-3), name
