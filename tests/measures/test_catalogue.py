"""The claims of every row of the catalogue, tested from the row alone."""

from dataclasses import replace

import jax.numpy as jnp
import oracles
import oracles_of_shape
import oracles_of_topology
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.measures import CATALOGUE, CONVENTIONS, markdown_table, select
from geojax.testing import CHECKS, check
from geojax.testing.case import Case
from geojax.testing.claims import degenerate_cloud
from geojax.testing.clouds import DEGENERATE

# The cells of the clouds of `geojax.testing` hold fewer than 64 points, and the clouds are few neighbourhoods.
OPTIONS = {
    "cell_eee_fixed": {"size": 8},
    "mle_dimension": {"k": 8},
    "local_two_nn": {"size": 24, "sample": 48},
    "local_pca_dimension": {"size": 12, "sample": 48},
    "rsa": {"sample": 48},
    "parc": {"sample": 48},
    **oracles_of_shape.OPTIONS,
    **oracles_of_topology.OPTIONS,
}
# Clouds without a value, beside those of one point and of coinciding ones.
UNDEFINED = {
    "reconstruction_iqr": ("few", "two"),
    "reconstruction_skew": ("few", "two"),
    "centroid_spread": ("two",),
    "count_variance": ("two",),  # both points in one cell
    "count_kl": ("few", "two"),  # "paper": drawn bins stay empty
    "cell_eee": ("duplicates", "few", "two"),
    "cell_eee_fixed": ("duplicates", "few", "two"),
    "vrm": ("two",),  # "paper"
    "koleo": ("duplicates", "lattice", "line"),  # points that coincide, on the grid of 1/64 too
    "knn_overlap": ("duplicates", "few", "two"),  # six distinct points
    "kl_gaussian": ("few", "two", "duplicates", "line"),
    "kl_empirical": ("duplicates", "lattice", "line"),
    "spectral_decay": ("two", "line"),
    "ph0_dimension": ("duplicates", "few", "two", "lattice"),
    "hyperbolicity": ("two",),
    "forman_ricci": ("two",),
    "ollivier_ricci": ("two",),
    **dict.fromkeys(oracles_of_topology.OPTIONS, ("duplicates", "few", "two")),  # at most 12 distinct points
    "knn_accuracy": ("few", "two"),
    "parc": ("two", "line"),  # "paper": the coordinates of a line are equal
    "gbc": ("few", "two"),
    "n_leep": ("few", "two"),
    "cka": ("two",),
    "rsa": ("two",),
    "mutual_knn": ("few", "two"),
    "two_nn": ("two", "lattice"),
    **dict.fromkeys(("mle_dimension", "hubness"), ("duplicates", "few", "two")),
    **dict.fromkeys(("gride", "correlation_dimension"), ("duplicates", "few", "two", "lattice")),  # equal distances
    "local_two_nn": ("duplicates", "few", "two", "lattice"),
    "local_pca_dimension": ("duplicates", "few", "two"),
}

rows = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)


def extra(row):
    return OPTIONS.get(row.function.__name__, {}), UNDEFINED.get(row.function.__name__, ())


# Rows that share their work with another one, and checks that compile it once more.
ALIKE = {"mle_dimension", "gride", "hubness", "local_two_nn", "local_pca_dimension", "ph0_dimension", "forman_ricci"}
ALIKE |= {"h0_total_persistence", "h1_share", "codensity_ratio", "local_persistence_entropy"}
ALIKE |= {"parc", "gbc", "n_leep", *(row.name for row in select("similarity"))}
COSTLY = {"compilation", "masked rows", "memory"}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        pytest.param(
            row,
            name,
            marks=[pytest.mark.slow] if row.name in ALIKE and name in COSTLY else [],
            id=f"{name}-{row.name}",
        )
        for name in CHECKS
        for row in CATALOGUE
    ],
)
def test_claims(row, name):
    options, undefined = extra(row)
    oracle = getattr(oracles, row.function.__name__)
    report = check(row, oracle, options=options, undefined=undefined, checks=[name])
    if report[name] != "passed":
        pytest.skip(report[name])


@given(
    row=st.sampled_from(CATALOGUE),
    name=st.sampled_from(tuple(DEGENERATE)),
    convention=st.sampled_from(CONVENTIONS),
    seed=st.integers(0, 999),
)
@settings(deadline=None, max_examples=60)
def test_degenerate_clouds_have_an_answer(row, name, convention, seed):
    options, undefined = extra(row)
    case = Case(row, tuple(options.items()), undefined=undefined)
    assert not list(degenerate_cloud(case, name, convention, seed))


def test_select():
    assert select("all") == tuple(row for row in CATALOGUE if row.reads in ("points", "cells"))
    assert select("all,transfer,similarity") == CATALOGUE
    assert [row.name for row in select("vrm, eee")] == ["vrm", "eee"] == [row.name for row in select(["vrm", "eee"])]
    assert select(select("eee")) == select("eee")
    assert select("study, koleo") == (*select("study"), *select("koleo"))
    assert all(row.study for row in select("study")) and {"eee", "vrm", "isoscore"} <= {r.name for r in select("study")}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("ee", "mean eee"),
        ("pq_patchines", "mean pq_patchiness"),
        ("eee,vrm,eee", "2 times"),
        ("study,eee", "2 times"),
        ((), "no measure"),
        ("zzzz", "choose from"),
        ("", "unknown"),
    ],
)
def test_select_refuses(names, message):
    with pytest.raises(InputError, match=message):
        select(names)


def mean_norm(points, *, mask=None, convention="standard", key=None):
    """Root mean square distance to the origin."""
    return jnp.sqrt(jnp.mean(jnp.sum(points**2, 1)))


OWN = replace(select("eee")[0], name="mean_norm", function=mean_norm)
LISTED = replace(OWN)
object.__setattr__(LISTED, "invariances", ["permutation"])  # the tests' own type checks would not let it be written


def test_a_row_of_your_own_is_selected_by_itself_or_by_its_module():
    rows = select((*CATALOGUE, OWN))
    assert rows[-1] == OWN and len(rows) == len(CATALOGUE) + 1
    assert [row.name for row in select(f"eee,{__name__}:OWN")] == ["eee", "mean_norm"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (replace(OWN, name="eee"), "'eee' is taken"),
        (replace(OWN, function=lambda points, mask=None: 0.0), "must take"),
        (replace(OWN, reads="cells"), "cells need one"),
        (replace(OWN, reads="labels"), r"must take \(points, labels, .*classes="),
        (LISTED, "unhashable type: 'list': .* as tuples"),
        (f"{__name__}:UNDEFINED", "type dict"),
        (f"{__name__}:NONE", "cannot be imported"),
        ("no_such_package.module:ROW", "cannot be imported"),
    ],
)
def test_a_row_that_cannot_be_measured_is_refused(row, message):
    with pytest.raises(InputError, match=message):
        select([row])


def test_table_has_a_line_for_every_function():
    lines = markdown_table().splitlines()
    assert len(lines) == len({row.function for row in CATALOGUE}) + 2
    assert all(f"`{row.name}`" in markdown_table() for row in CATALOGUE)
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
