"""Right-hand sides as text and what they stand for; the units of a table."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import CubicSpline

from geojax.errors import InputError
from geojax.regression import design, units


def columns(**more):
    return {"measure": np.array([1.0, 2, 4]), "alpha": np.array([1.0, 10, 100]),
            "family": np.array(["b", "a", "b"])} | more  # fmt: skip


def built(text, **more):
    terms = design.parse(text)
    return design.encode(terms, columns(**more)).design(columns(**more))


def test_terms_become_columns_with_names():
    matrix, names = built("measure + family + log(alpha) + measure:family")
    assert names == ["intercept", "measure", "family[b]", "log(alpha)", "measure:family[b]"]
    np.testing.assert_allclose(
        matrix, [[1, 1, 1, 0, 1], [1, 2, 0, np.log(10), 0], [1, 4, 1, np.log(100), 4]], rtol=1e-12
    )
    matrix, names = built("level(alpha)")
    assert names == ["intercept", "alpha[10]", "alpha[100]"] and (matrix == [[1, 0, 0], [1, 1, 0], [1, 0, 1]]).all()
    assert built("")[1] == ["intercept"]


def test_a_logarithm_says_when_it_is_of_one_more():
    matrix, names = built("log(alpha)", alpha=np.array([0.0, 1, 3]))
    assert names[1] == "log1p(alpha)"
    np.testing.assert_allclose(matrix[:, 1], np.log([1, 2, 4]))
    with pytest.raises(InputError, match="'alpha' has negative values, down to -1"):
        built("log(alpha)", alpha=np.array([0.0, -1, 3]))


def test_new_rows_that_the_training_rows_do_not_cover_are_nan():
    encoder = design.encode(design.parse("family+log(alpha)"), columns())
    new = columns(family=np.array(["a", "c", "b"]), alpha=np.array([5.0, 5, 0]))
    matrix, _ = encoder.design(new)
    np.testing.assert_allclose(matrix[0], [1, 0, np.log(5)])
    assert np.isnan(matrix[1, 1]) and np.isnan(matrix[2, 2])


def test_the_spline_spans_the_natural_cubic_splines():
    rng = np.random.default_rng(0)
    knots = np.array([0.0, 0.2, 0.5, 0.7, 1.0])
    x = np.linspace(0, 1, 50)
    basis = np.column_stack([np.ones(50), design.natural_spline(x, knots)])
    spline = CubicSpline(knots, rng.normal(size=5), bc_type="natural")(x)
    assert basis.shape == (50, 5)
    np.testing.assert_allclose(basis @ np.linalg.lstsq(basis, spline, rcond=None)[0], spline, atol=1e-9)
    beyond = design.natural_spline(np.array([1.0, 2.0, 3.0]), knots)
    np.testing.assert_allclose(beyond[2] - beyond[1], beyond[1] - beyond[0], rtol=1e-9)


@pytest.mark.parametrize(
    "text", ["log(alpha", "exp(alpha)", "measure*family", "log(spline(alpha))", "log(family)", "level(log(alpha))",
             "spline1(measure)", "measure:"],
)  # fmt: skip
def test_what_is_no_term_is_refused(text):
    with pytest.raises(InputError, match="terms|columns"):
        design.parse(text)


def test_each_measure_has_its_rows_and_its_reference_family():
    frame = pd.DataFrame({"family": ["a", "a", "b", "b", "c", "c"], "y": np.arange(6.0), "full": np.arange(6.0) ** 2,
                          "some": [np.nan, np.nan, 1, 2, 3, 4]})  # fmt: skip
    designs, masks, names, _ = design.stack(design.parse("measure+family"), frame, ["full", "some"], "y")
    assert designs.shape == (2, 6, 4) and list(masks.sum(1)) == [6, 4]
    assert names == [["intercept", "measure", "family[b]", "family[c]"], ["intercept", "measure", "family[c]"]]
    assert (designs[1, :2] == 0).all() and (designs[1, :, 3] == 0).all()


def test_doses_and_their_units():
    frame = pd.DataFrame({"model": list("abcdef"), "family": ["x"] * 3 + ["y"] * 3, "dose": [1, 2, 2, 1, np.nan, 5.0],
                          "dose_kind": ["noise percent"] * 3 + ["pre-training step", "", "none"]})  # fmt: skip
    dose = units.doses(frame)
    assert list(dose.known) == [True] * 4 + [False] * 2 and dose.column == "dose"
    levels = units.levels(frame)
    assert levels.count == 3 and levels.ids[1] == levels.ids[2] != levels.ids[0] and list(levels.ids[4:]) == [-1, -1]
    assert list(units.by_family(frame).ids) == [0, 0, 0, 1, 1, 1]
    assert units.doses(frame.drop(columns="dose")).column == ""


def test_models_of_one_recipe_or_of_one_lineage_are_a_unit():
    """Surgery on a base is another recipe of its lineage, and stays with it and with its other seeds."""
    pairs = [("distill", "a"), ("distill", "b"), ("distill > cut", "a"), ("mask", "c"), ("mask", "d"), ("new", "e")]
    frame = pd.DataFrame(pairs, columns=["recipe", "family"])
    found = units.by_recipe(frame)
    assert found.name == "recipes" and found.count == 3
    assert len({*found.ids[:3]}) == 1 and found.ids[3] == found.ids[4] and len({*found.ids[[0, 3, 5]]}) == 3
    assert units.by_recipe(frame.drop(columns="family")).count == 4
    assert units.by_recipe(frame.drop(columns="recipe")).name == "families"
    assert units.clusters(frame).name == units.clusters(frame, "recipe").name == "recipes"
    assert units.clusters(frame.assign(recipe="x")).name == "families"


def test_blocks_are_neighbouring_rungs_of_one_ladder():
    frame = pd.DataFrame({"alpha": np.repeat(np.arange(40.0), 2), "family": ["x", "y"] * 40})
    found = units.blocks(frame)
    assert found.count == 20
    for unit in range(20):
        rows = frame[found.ids == unit]
        assert len(set(rows["family"])) == 1 and np.ptp(rows["alpha"]) == 3
    assert units.blocks(frame.drop(columns="alpha")).count == 0
    assert units.clusters(frame).name == "families" and units.clusters(frame.assign(family="x")).count == 10


def test_clusters_that_cannot_be_are_refused():
    frame = pd.DataFrame({"model": ["a", "b"], "family": ["x", "y"], "base": ["u", None]})
    with pytest.raises(InputError, match="'origin' is no column"):
        units.clusters(frame, "origin")
    with pytest.raises(InputError, match="model 'b' has no base"):
        units.clusters(frame, "base")


def test_many_units_become_groups():
    found = units.folds(units.rows(pd.DataFrame({"model": range(120)})), 50, np.random.default_rng(0))
    assert found.count == 50 and set(np.bincount(found.ids)) == {2, 3}
