"""Interchange interventions: the algebra, what they do to a model, and what they find in one that is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.errors import InputError
from geojax.in_context.interventions import (
    Site,
    check_site,
    counterfactual,
    draw_pairs,
    interchange,
    orthonormal,
    parse_site,
    swap_at,
)
from geojax.in_context.models import init, make_apply
from geojax.in_context.own import latent_audit
from geojax.in_context.states import within_and_between
from geojax.in_context.tasks import TASKS, make_task

LINEAR = TASKS["linear"]
SIZES = {"width": 8, "heads": 2, "blocks": 1}


def models(name, **sizes):
    apply = make_apply(LINEAR, name, **SIZES | sizes)
    return apply, init(apply, jax.random.key(0))


@pytest.fixture(scope="module")
def pairs():
    return draw_pairs(LINEAR, (), jax.random.key(1), 3, "iid", n=4)


def test_the_columns_are_orthonormal_and_span_those_of_the_free_matrix():
    free = jax.random.normal(jax.random.key(0), (2, 6, 3))
    basis = orthonormal(free)
    np.testing.assert_allclose(jnp.swapaxes(basis, -1, -2) @ basis, np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-6)
    np.testing.assert_allclose(basis @ (jnp.swapaxes(basis, -1, -2) @ free), free, atol=1e-5)


def test_an_interchange_moves_nothing_or_all_and_the_rest_stays():
    base, source = jax.random.normal(jax.random.key(0), (2, 5, 6))
    basis = orthonormal(jax.random.normal(jax.random.key(1), (6, 6)))
    np.testing.assert_allclose(interchange(base, source, basis), source, atol=1e-6)
    np.testing.assert_array_equal(interchange(base, source, basis[:, :0]), base)
    np.testing.assert_array_equal(interchange(base, base, basis[:, :2]), base)
    moved = interchange(base, source, basis[:, :2])
    np.testing.assert_allclose(moved @ basis[:, :2], source @ basis[:, :2], atol=1e-6)
    np.testing.assert_allclose(moved @ basis[:, 2:], base @ basis[:, 2:], atol=1e-6)


def test_a_counterfactual_latent_is_the_sources_or_takes_some_of_its_coordinates():
    base, source = jnp.zeros((2, 3)), jnp.ones((2, 3))
    np.testing.assert_array_equal(counterfactual(base, source), source)
    np.testing.assert_array_equal(counterfactual(base, source, (2,)), [[0, 0, 1], [0, 0, 1]])


def test_a_swap_of_all_of_z_answers_for_the_source_and_of_nothing_for_the_base(pairs):
    apply, params = models("transformer")
    swap, whole = swap_at(apply, params, (), Site("z")), jnp.eye(8)[None]
    base, source = pairs.base, pairs.source
    own = apply(params, base.context, base.mask, base.queries).prediction
    z, _ = apply.encode(params, source.context, source.mask)
    np.testing.assert_allclose(
        swap(whole, base, source), apply.predict(params, z, base.queries).prediction, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(swap(whole[..., :0], base, source), own)
    np.testing.assert_array_equal(swap(whole[..., :3], base, base._replace(latent=source.latent)), own)


def test_sites_of_the_implicit_model_replace_what_they_name(pairs):
    apply, params = models("implicit")
    base, source = pairs.base, pairs.source
    last = apply.readers[-1]

    def answers(site, columns=8):
        basis = jnp.broadcast_to(jnp.eye(8)[:, :columns], (len(site.layers), 8, columns))
        return swap_at(apply, params, (), site)(basis, base, source)

    run = lambda one: apply(params, one.context, one.mask, base.queries).prediction  # noqa: E731
    own, other = run(base), run(source)
    assert np.abs(own - other).max() > 0.01
    np.testing.assert_allclose(answers(Site("context", (0,))), other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers(Site("queries", (0, last))), other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers(Site("context", (last,))), own, rtol=1e-5, atol=1e-5)
    mixed = source._replace(
        x=jnp.concatenate([base.x[:, :-1], source.x[:, -1:]], 1),
        y=jnp.concatenate([base.y[:, :-1], source.y[:, -1:]], 1),
    )
    np.testing.assert_allclose(answers(Site("last", (0,))), run(mixed), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answers(Site("queries", (1,)), 0), own, rtol=1e-6, atol=1e-6)


def test_a_site_is_written_and_read():
    for text, site in {
        "z": Site("z"), "z@0+1": Site("z", (), (0, 1)), "last:3": Site("last", (3,)),
        "queries:1+2@0": Site("queries", (1, 2), (0,)),
    }.items():  # fmt: skip
        assert parse_site(text) == site and str(site) == text


@pytest.mark.parametrize(
    ("text", "model", "rank", "message"),
    [
        ("z", "implicit", 1, "implicit has no z: its sites are last, context and queries"),
        ("last:1", "transformer", 1, "site last:1 is for implicit, not for transformer"),
        ("z", "true_latent", 1, "true_latent has the true w in place of z"),
        ("queries:9", "implicit", 1, "site queries:9 has layer 9: implicit has layers 0 to 2"),
        ("z@2", "mlp", 1, "site z@2 has latent 2: linear has latents 0 to 1"),
        ("z", "mlp", 9, "rank is 9: it must be from 1 to 8, the dimension of the states"),
        ("z", "mlp", 0, "rank is 0: it must be from 1 to 8"),
        ("z:1", "mlp", 1, "site 'z:1' is none: write z, or last, context or queries with layers"),
        ("last", "implicit", 1, "site 'last' is none"),
    ],
)
def test_sites_that_cannot_be_are_refused(text, model, rank, message):
    with pytest.raises(InputError, match=message):
        check_site(make_apply(LINEAR, model, **SIZES), parse_site(text), rank)


def test_a_task_without_a_latent_has_nothing_to_interchange():
    with pytest.raises(InputError, match="gp has no latent to interchange: its function has no finite latent"):
        check_site(make_apply(TASKS["gp"], "transformer", **SIZES), Site("z"), 1)
    with pytest.raises(InputError, match="mlp has no latent to probe"):
        latent_audit(lambda context: context, lambda z, queries: z, "mlp", jax.random.key(0))


def test_the_share_of_the_variance_within_a_latent_is_unbiased():
    rng = np.random.default_rng(0)
    clouds = 2 * rng.normal(size=(2000, 1, 3)) + rng.normal(size=(2000, 4, 3))
    share, within, between = within_and_between(clouds)
    assert abs(share - 1 / 5) < 0.01 and within.shape == (8000, 3) and between.shape == (2000, 3)
    assert within_and_between(np.ones((4, 3, 2)))[0] != within_and_between(np.ones((4, 3, 2)))[0]  # NaN


@pytest.fixture(scope="module")
def audited():
    """The audit of a model that is known: z holds w and two numbers of the context, turned; the true f answers."""
    turn = orthonormal(jax.random.normal(jax.random.key(5), (4, 4)))

    def context_fn(context):
        x, y = context[..., :1], context[..., 1]
        inputs = jnp.concatenate([x, jnp.ones_like(x)], -1)
        gram = jnp.einsum("bni,bnj->bij", inputs, inputs) + 1e-4 * jnp.eye(2)
        w = jnp.linalg.solve(gram, jnp.einsum("bni,bn->bi", inputs, y)[..., None])[..., 0]
        return jnp.concatenate([w, context[:, 0]], -1) @ turn

    def predict_fn(z, queries):
        w = (z @ turn.T)[:, :2]
        return queries * w[:, None, :1] + w[:, None, 1:]

    options = {"rank": 2, "n": 8, "tasks": 200, "steps": 300}
    return latent_audit(context_fn, predict_fn, LINEAR, jax.random.key(0), **options)


def test_an_audit_finds_the_latent_of_a_model_that_holds_it(audited):
    assert audited.keys() == {"iid", "far", "wide"}
    for kind, apart in (("iid", 4), ("wide", 20)):
        row = audited[kind]
        assert row["mse"] < 1e-3 * apart and row["refit"] < 1e-3 * apart and row["probe_r2"] > 0.999
        assert row["interchange_z_r2"] < 0.02 * apart and row["interchange_z_r2_full_swap"] < 1e-3 * apart
        assert row["interchange_z_r2_own"] < 1e-3 * apart
        assert row["interchange_z_r2_untrained"] > 0.1 * apart
        assert 0.7 * apart < row["interchange_z_r2_no_swap"] < 1.4 * apart
        assert abs(row["floor"]) < 1e-5 and row["excess"] == row["mse"] - row["floor"] and row["note"] == ""
    assert "interchange_z_r2" not in audited["far"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "lineal"}, "task 'lineal' is unknown"),
        ({"ood": ("near",)}, "queries 'near' are unknown"),
        ({"rank": 5}, "rank is 5: it must be from 1 to 4"),
    ],
)
def test_audits_that_cannot_be_are_refused(change, message):
    options = {"task": make_task("linear"), "n": 8} | change
    flat = lambda context: context[:, :2].reshape(-1, 4)  # noqa: E731
    with pytest.raises(InputError, match=message):
        latent_audit(flat, lambda z, queries: queries, options.pop("task"), jax.random.key(0), **options)
