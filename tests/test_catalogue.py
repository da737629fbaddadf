"""The claims of every row of the catalogue, tested from the row alone."""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geojax.errors import InputError
from geojax.measures import CATALOGUE, CONVENTIONS, INVARIANCES, markdown_table, select
from geojax.measures.cells import count_kl
from geojax.quantizers import QUANTIZERS, Cells

N, D = 96, 8
OPTIONS = {"codebooks": 2, "codebook_size": 8, "iterations": 6}
KEY = jax.random.key(0)
ROTATION = np.linalg.qr(np.random.default_rng(9).standard_normal((D, D)))[0].astype(np.float32)

# The cells of a cloud this small hold fewer than 64 points.
EXTRA = {"cell_eee_fixed": {"size": 8}}
# Clouds without a value, beside those of one point and of coinciding ones.
UNDEFINED = {
    "koleo": ("duplicates", "lattice", "line"),  # points that coincide, on the grid of 1/64 too
    "kl_empirical": ("duplicates", "lattice", "line"),
    "knn_overlap": ("few", "two"),
    "kl_gaussian": ("few", "two", "duplicates", "line"),
}

rows = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
conventions = pytest.mark.parametrize("convention", CONVENTIONS)


def cloud(seed=0, n=N):
    """Two correlated groups on a grid of 1/64: sums, shifts and powers of two are exact in float32."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, D)) * (1 + np.arange(D)) + 6 * (rng.random((n, 1)) < 0.3)
    points[:, 1] += points[:, 0] ** 2 / 2
    return (np.round(points * 64) / 64).astype(np.float32)


@partial(jax.jit, static_argnums=0)
def cut(quantizer, points, mask):
    fitted = QUANTIZERS[quantizer].fit(points, KEY, mask=mask, **OPTIONS)
    return QUANTIZERS[quantizer].cells(fitted, points, mask)


def bound(row, **options):
    """The row's function of what it reads alone."""
    return partial(row.function, key=KEY, **EXTRA.get(row.function.__name__, {}), **options)


@partial(jax.jit, static_argnums=(0, 1))
def statistic(row, convention, reading, mask):
    return bound(row, convention=convention, **({"mask": mask} if row.reads == "points" else {}))(reading)


def value(row, points, mask=None, convention="standard"):
    """The row's measure of a cloud, its quantizer fitted to that cloud; compiled once for each shape."""
    points, mask = jnp.asarray(points), jnp.ones(len(points), bool) if mask is None else jnp.asarray(mask)
    reading = points if row.reads == "points" else cut(row.quantizer, points, mask)
    return float(statistic(row, convention, reading, mask))


@cache
def cells_of(quantizer):
    return cut(quantizer, jnp.asarray(cloud()), jnp.ones(N, bool))


def close(found, expected, tolerance=1e-4):
    return np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


TRANSFORMATIONS = {
    "permutation": lambda points: points[np.random.default_rng(1).permutation(len(points))],
    "translation": lambda points: points + np.float32([100, -50, 3, 0, 7, 1, 1, 20]),
    "reflection": lambda points: points * np.float32([1, -1, 1, 1, -1, 1, -1, 1]),
    "rotation": lambda points: points @ ROTATION,
    "scaling": lambda points: points * np.float32(4),
    "axis scaling": lambda points: points * np.float32([8, 1, 1, 1, 1, 1, 1, 2]),
}


@rows
def test_row_is_complete(row):
    assert set(row.invariances) <= set(INVARIANCES) == set(TRANSFORMATIONS)
    assert row.summary and row.cost.startswith("O(") and row.reference and row.undefined and row.symbol
    assert row.conventions in (("standard",), CONVENTIONS) and row.value_range[0] < row.value_range[1]


@rows
@conventions
def test_agrees_with_float64(row, convention):
    if convention == "paper" and row.function.__name__ in ("vrm", "count_kl", "kl_gaussian"):
        pytest.skip("random in this convention: tested in tests/measures")
    oracle = getattr(oracles, row.function.__name__)
    if row.reads == "points":
        read = cloud().astype(np.float64)
    else:
        read = SimpleNamespace(**{name: np.asarray(leaf) for name, leaf in vars(cells_of(row.quantizer)).items()})
        read.points, read.codebooks = read.points.astype(np.float64), read.codebooks.astype(np.float64)
    close(value(row, cloud(), convention=convention), oracle(read, convention))


@rows
@conventions
def test_conventions_differ_where_declared(row, convention):
    same = np.isclose(value(row, cloud(), convention="paper"), value(row, cloud()), rtol=1e-7, atol=0)
    assert same == (row.conventions == ("standard",))


@rows
def test_eager_jit_and_vmap_agree(row):
    read = jnp.asarray(cloud()) if row.reads == "points" else cells_of(row.quantizer)
    eager = bound(row)(read)
    close(eager, value(row, cloud()))
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), read)
    close(jax.jit(jax.vmap(bound(row)))(stacked), [eager, eager])


@rows
@conventions
def test_trailing_masked_rows_change_nothing(row, convention):
    padded = np.concatenate([cloud(), np.full((N, D), np.nan, np.float32)])
    close(value(row, padded, np.arange(2 * N) < N, convention), value(row, cloud(), convention=convention), 1e-5)


@rows
@pytest.mark.parametrize("name", INVARIANCES)
def test_invariances(row, name):
    transform = TRANSFORMATIONS[name]
    if row.reads == "cells" and name == "permutation":
        # Of the statistic given the codes: k-means itself depends on the order of the points.
        cells = cells_of(row.quantizer)
        per_point = ("points", "mask", "distinct", "codes", "squared_errors")
        moved = replace(cells, **{field: jnp.asarray(transform(getattr(cells, field))) for field in per_point})
        before, after, tolerance = value(row, cloud()), float(jax.jit(bound(row))(moved)), 1e-5
    else:
        before, after, tolerance = value(row, cloud()), value(row, transform(cloud())), 1e-3
    if name in row.invariances:
        return close(after, before, tolerance)
    assert abs(after - before) > 1e-3 * max(abs(before), 1e-3)


@rows
@conventions
@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=5)
def test_stays_in_range(row, convention, seed):
    low, high = row.value_range
    assert low - 1e-5 <= value(row, cloud(seed), convention=convention) <= high + 1e-5 or convention == "paper"


@given(
    kind=st.sampled_from(["equal", "duplicates", "line", "offset", "few", "one", "two", "tiny", "huge", "lattice"]),
    row=st.sampled_from(CATALOGUE),
    convention=st.sampled_from(CONVENTIONS),
)
@settings(deadline=None, max_examples=60)
def test_degenerate_clouds_have_an_answer(kind, row, convention):
    """A number in range, or NaN: never an exception; infinite only count_kl where drawn bins stay empty."""
    base, mask = cloud(), np.ones(N, bool)
    points = {
        "equal": np.full_like(base, 0.1),
        "duplicates": np.repeat(base[:6], N // 6, axis=0),
        "line": base[:, :1] * np.arange(1, D + 1, dtype=np.float32),
        "offset": base + np.float32(1e4),
        "tiny": base * np.float32(1e-25),
        "huge": base * np.float32(1e25),
        "lattice": np.sign(base),
    }.get(kind, base)
    mask = np.arange(N) < {"few": 5, "one": 1, "two": 2}.get(kind, N)
    found = value(row, points, mask, convention)
    low, high = row.value_range
    undefined = kind in ("equal", "one") or (kind in ("duplicates", "few", "two") and row.reads == "cells")
    undefined |= kind in ("few", "two") and convention == "paper"
    undefined |= kind in UNDEFINED.get(row.function.__name__, ())
    assert low - 1e-4 <= found <= high + 1e-4 or (undefined and np.isnan(found)) or convention == "paper"
    assert not np.isinf(found) or (row.function is count_kl and convention == "paper")
    if kind in ("tiny", "huge"):
        close(found, value(row, base, convention=convention), 1e-3)


@rows
def test_a_nan_is_never_hidden(row):
    points = cloud()
    points[5, 3] = np.nan
    assert np.isnan(value(row, points))


@pytest.mark.parametrize("row", [row for row in CATALOGUE if row.differentiable], ids=lambda row: row.name)
@pytest.mark.parametrize("kind", ["generic", "equal eigenvalues"])
def test_gradients_are_finite_and_right(row, kind):
    square = np.float32([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0], [0, 0, 1], [0, 0, -1]])
    points = jnp.asarray(cloud()[:12] if kind == "generic" else square)
    gradient = np.asarray(jax.jit(jax.grad(bound(row)))(points))
    assert np.isfinite(gradient).all()
    if kind == "generic":
        direction = np.random.default_rng(2).standard_normal(points.shape)
        step = 1e-4
        oracle = getattr(oracles, row.function.__name__)
        difference = oracle(points + step * direction) - oracle(points - step * direction)
        np.testing.assert_allclose((gradient * direction).sum(), difference / (2 * step), rtol=1e-2, atol=1e-5)


@rows
def test_memory_stays_at_a_few_clouds(row):
    """Temporaries of the compiled measure in clouds of n x d: n x n alone would be a thousand of them."""
    n, d, m, k = 1 << 16, 64, 4, 256
    real, whole, flag = jnp.float32, jnp.int32, bool
    shapes = [((n, d), real)]
    if row.reads == "cells":
        shapes += [((d,), real), ((n,), flag), ((n,), flag), ((n, m), whole), ((m, k), whole), ((m, k, d), real)]
        shapes += [((n,), real)]

    @jax.jit
    def function(key, *leaves):  # a constant key would have its draws made by the compiler
        return bound(row)(leaves[0] if row.reads == "points" else Cells(*leaves), key=key)

    compiled = function.lower(KEY, *(jax.ShapeDtypeStruct(*shape) for shape in shapes)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4 * (4 * n * d)


def test_select():
    assert select("all") == CATALOGUE
    assert [row.name for row in select("vrm, eee")] == ["vrm", "eee"] == [row.name for row in select(["vrm", "eee"])]
    assert select(select("eee")) == select("eee")
    assert select("study, koleo") == (*select("study"), *select("koleo"))
    assert all(row.study for row in select("study")) and {"eee", "vrm", "isoscore"} <= {r.name for r in select("study")}


@rows
def test_a_quadratic_cost_is_marked(row):
    assert row.quadratic == ("n^2" in row.cost)


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
        (f"{__name__}:D", "type int"),
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
