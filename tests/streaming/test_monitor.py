"""A monitor in a foreign loop: the same points at every step, plain floats, one compilation, a warning."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import ROOT

import geojax
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.streaming import monitor
from geojax.streaming.monitor import CollapseWarning

B, T, D = 12, 10, 6
MASK = np.arange(T) < np.arange(3, 3 + B)[:, None]
SMALL = {"codebooks": 2, "codebook_size": 4, "iterations": 4}


def hidden(seed=0):
    return np.random.default_rng(seed).standard_normal((B, T, D)).astype(np.float32) * np.arange(1, D + 1)


def test_it_measures_the_same_positions_at_every_step():
    """Those of an `evaluate` of the chosen rows; what is masked is never read."""
    watch = geojax.monitor("vrm,eee", points=50)
    for seed in range(3):
        states = np.where(MASK[..., None], hidden(seed), np.nan).astype(np.float32)
        scalars = watch(states, MASK)
        rows = states.reshape(-1, D)[np.asarray(watch._chosen)]
        assert len(np.unique(watch._chosen)) == 50
        expected = evaluate(rows, "vrm,eee", jax.random.key(0), groups=0).results
        for result in expected:
            assert scalars[result.measure] == pytest.approx(result.value, rel=1e-5)
        spectrum = np.linalg.eigvalsh(np.cov(rows.T))
        assert scalars["participation_ratio"] == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum(), rel=1e-4)
        assert {type(value) for value in scalars.values()} == {float} and scalars["collapsed"] == 0.0


@pytest.mark.parametrize("change", [lambda x: x + 1e8, lambda x: x * 1e-60, lambda x: (x + 5) * 1e60])
def test_hidden_states_of_64_bits_keep_their_digits(change):
    """At every step, in the cells of the first one, and about the origin where a measure asks for it."""
    names = "eee,pq_patchiness,average_cosine_similarity"
    narrow, wide = (geojax.monitor(names, points=60, **SMALL) for _ in range(2))
    for seed in range(2):
        given = hidden(seed).astype(np.float64)
        expected, found = narrow(given.astype(np.float32), MASK), wide(change(given), MASK)
        rows = change(given).reshape(-1, D)[np.asarray(wide._chosen)]
        units = rows / np.linalg.norm(rows / rows.max(), axis=1, keepdims=True) / rows.max()
        cosine = (np.sum(np.sum(units, 0) ** 2) - 60) / (60 * 59)
        assert found == pytest.approx(expected | {"average_cosine_similarity": cosine}, rel=1e-3, abs=1e-6)


def test_one_compilation_over_steps():
    watch = geojax.monitor("eee,pq_patchiness", points=40, **SMALL)
    watch(hidden(), MASK)
    before = monitor._measure._cache_size(), monitor._fit._cache_size()
    for seed in range(3):
        watch(jnp.asarray(hidden(seed), jnp.float32), jnp.asarray(MASK))
    assert (monitor._measure._cache_size(), monitor._fit._cache_size()) == before


def test_frozen_and_refit_answer_different_questions():
    """A rigid shift of all points leaves a refitted quantizer's answer as it was."""
    names = "pq_reconstruction_error,pq_patchiness"
    frozen = geojax.monitor(names, points=60, **SMALL)
    refit = geojax.monitor(names, points=60, quantizer="refit", costly=True, **SMALL)
    first = frozen(hidden(), MASK)
    assert refit(hidden(), MASK) == pytest.approx(first, rel=1e-5)
    assert frozen(hidden(), MASK) == pytest.approx(first, rel=1e-5)
    shifted = hidden() + np.float32(64)
    assert refit(shifted, MASK) == pytest.approx(first, rel=1e-3)
    assert frozen(shifted, MASK)["pq_reconstruction_error"] > 10 * first["pq_reconstruction_error"]


@pytest.mark.slow
def test_costly_measures_run_when_asked_for():
    watch = geojax.monitor("koleo,lsq_reconstruction_error", points=40, costly=True, **SMALL)
    first = watch(hidden(), MASK)
    assert 0 < first["lsq_reconstruction_error"] < 1 and np.isfinite(first["koleo"])
    assert watch(hidden(), MASK) == first


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: h * np.float32([1, 0, 0, 0, 0, 0]), "participation ratio is 1, below 1.5"),
        (lambda h: np.full_like(h, 0.3), "all are equal"),
        (lambda h: np.full_like(h, np.nan), "NaN or infinite"),
    ],
)
def test_a_collapse_is_said_when_it_begins(change, reason):
    watch = geojax.monitor("isoscore", points=40)
    assert watch(hidden(), MASK)["collapsed"] == 0.0
    with pytest.warns(CollapseWarning, match=reason):
        assert watch(change(hidden()), MASK)["collapsed"] == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert watch(change(hidden()), MASK)["collapsed"] == 1.0  # said once
        assert watch(hidden(), MASK)["collapsed"] == 0.0
    with pytest.warns(CollapseWarning):
        watch(change(hidden()), MASK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": "ee"}, "did you mean eee"),
        ({"measures": "pq_cell_eee"}, "pq_cell_eee cost more.*costly=True"),
        ({"measures": "koleo,eee,pq_cell_eee_fixed"}, "^koleo, pq_cell_eee_fixed cost more"),
        ({"measures": "lsq_patchiness,pq_patchiness"}, "^lsq_patchiness cost more"),
        ({"measures": "pq_patchiness", "quantizer": "refit"}, "trains a quantizer at every call.*'frozen'.*costly"),
        ({"quantizer": "fixed"}, "choose 'frozen' or 'refit'"),
        ({"measures": "pq_patchiness", "points": 100}, "points = 100 cannot train 256"),
        ({"points": 1}, "points is 1"),
        ({"convention": "papr"}, "did you mean 'paper'"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        geojax.monitor(**options)


def test_other_probes_are_refused():
    with pytest.raises(InputError, match=f"have {MASK.sum()} positions that count, fewer than points = 2048.*lower"):
        geojax.monitor()(hidden(), MASK)
    watch = geojax.monitor(points=40)
    watch(hidden(), MASK)
    with pytest.raises(InputError, match="not that of the first step"):
        watch(hidden(), ~MASK)
    with pytest.raises(InputError, match="width 6"):
        watch(hidden()[..., :3], MASK)


def test_the_example_of_the_page_runs():
    page = (ROOT / "docs" / "monitor.md").read_text()
    names = {}
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, names)  # noqa: S102
    history = names["history"]
    assert len(history) == 3 and all(np.isfinite(list(row.values())).all() for row in history)
    assert history[0]["participation_ratio"] > history[-1]["participation_ratio"] > 1
