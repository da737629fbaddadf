"""The report as one file, and the files that it holds: each figure as SVG and CSV, each table as CSV."""

import base64
import io
import re
import urllib.parse

import numpy as np
import pandas as pd
import pytest
from test_report import LABELS, LEVELS, NOISE, Page, evidence, models, write

from geojax.report import columns


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a study with levels, validation and profiles."""
    rng = np.random.default_rng(0)
    profiles = {f"m{i}": {"spectrum": np.ones(4), "counts": {"pq": rng.poisson(20, (2, 8))}} for i in range(12)}
    facts = {"Models": ["bert"], "Levels": [0.0, 1.5], "Time": "12 s", "Nothing": []}
    return write(evidence(models(), [*LEVELS, NOISE, LABELS]), tmp_path_factory.mktemp("whole"), facts=facts,
                 sources={"Seed": 3}, commands=["python launch.py --x=1"], profiles=profiles)  # fmt: skip


def test_a_whole_page_in_one_file(whole):
    html, parsed = whole, Page(whole)
    text = " ".join(parsed.text)
    for wanted in ("A study", "What was asked", "What was found", "What was run", "How to run it again", "12 s",
                   "python launch.py --x=1", "8 of 12 models", "cola", "mini_order", "0.500 (0.200 to 0.700)",
                   "90 % of the variance takes 4 components", "jax"):  # fmt: skip
        assert wanted in text, wanted
    assert "Nothing" not in text and not parsed.attributes("link")
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", html) == []
    assert "default-src 'none'" in html and "unsafe" not in html
    images = parsed.attributes("img")
    assert len(images) == 1 + 2 + 1 + 1 + 1 + 2 and all(image["alt"] for image in images)
    for image in images:
        assert base64.b64decode(image["src"].partition("base64,")[2]).rstrip().endswith(b"</svg>")
    headings = parsed.attributes("th")
    assert headings and all(heading["scope"] in ("row", "col") for heading in headings)
    identities = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    within = {link["href"][1:] for link in parsed.attributes("a") if "download" not in link}
    assert within <= set(identities)
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and max(np.diff(levels)) == 1  # none is skipped


def test_every_figure_and_table_is_a_file_with_a_name_of_its_own(whole):
    parsed = Page(whole)
    links = [link for link in parsed.attributes("a") if "download" in link]
    names = [link["download"] for link in links]
    pictures, tables = ([name for name in names if name.endswith(end)] for end in (".svg", ".csv"))
    assert len(names) == len(set(names)) and all(link["aria-label"] for link in links)
    assert len(pictures) == len(parsed.attributes("img")) and len(tables) == len(pictures) + whole.count("<table")
    assert {name.replace(".svg", ".csv") for name in pictures} < set(tables)
    assert all(re.fullmatch(r"[a-z0-9_]+\.(csv|svg)", name) for name in names)


def test_the_files_hold_the_numbers_of_the_page(whole):
    links = [link for link in Page(whole).attributes("a") if link.get("download", "").endswith(".csv")]
    found = {
        link["download"]: pd.read_csv(io.StringIO(urllib.parse.unquote(link["href"].partition(",")[2])))
        for link in links
    }
    frame = models()
    near = {"rtol": 1e-8}
    for name, column in (("eee_and_glue_average.csv", "eee"), ("scores.csv", "cola"), ("measures.csv", "pq_patchiness"),
                         ("noise_level_and_glue_average.csv", "alpha")):  # fmt: skip
        assert list(found[name]["model"]) == list(frame["model"])
        np.testing.assert_allclose(found[name][column], frame[column], **near)
    fits = found["leaving_one_level_out.csv"].set_index("measure")  # an estimate and its ends in columns of their own
    assert list(fits.loc["eee", ["r2_vs_training_mean", "r2_lower", "r2_upper"]]) == [0.6, 0.3, 0.8]
    shown = found["r2_leave_one_level_out.csv"]
    assert "logme" in set(shown["name"]) and list(shown["lower"]) == sorted(shown["lower"], reverse=True)
    medians = frame.groupby(["family", "alpha"])["eee"].median()
    shown = found["eee_by_noise_level.csv"].set_index(["family", "alpha"])["median"]
    np.testing.assert_allclose(shown, medians.loc[shown.index], **near)
    matrix = found["correlations_of_the_measures.csv"].set_index("measure")
    np.testing.assert_allclose(matrix, frame[list(matrix)].corr(method="spearman"), **near)
    assert list(found["cumulative_eigenvalues.csv"]["m0"]) == [0, 0.25, 0.5, 0.75, 1]
    assert (found["number_of_pq_cells_by_their_points.csv"].filter(like="m").sum() == 16).all()


def test_an_infinite_number_is_sorted_as_one():
    cell = columns.plain("x").cell
    assert [cell({"x": x}).key for x in (-np.inf, 0.25, np.nan, "text")] == ["-Infinity", "0.25", "", ""]
