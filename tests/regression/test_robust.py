"""Cluster-robust errors against explicit matrices; the size of the test by simulation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from geojax.regression import robust


def explicit(design, target, clusters):
    """CR2 and Satterthwaite's freedom by n x n matrices, as the papers write them."""
    bread = np.linalg.inv(design.T @ design)
    hat = design @ bread @ design.T
    residual, identity = target - hat @ target, np.eye(len(target))
    groups = [clusters == one for one in np.unique(clusters)]
    roots = []
    for rows in groups:
        values, vectors = np.linalg.eigh(identity[np.ix_(rows, rows)] - hat[np.ix_(rows, rows)])
        large = values > 1e-9
        roots.append(vectors[:, large] / np.sqrt(values[large]) @ vectors[:, large].T)
    scores = [bread @ design[rows].T @ root @ residual[rows] for rows, root in zip(groups, roots, strict=True)]
    freedom = []
    for j in range(design.shape[1]):
        columns = [(identity - hat)[:, rows] @ root @ design[rows] @ bread[:, j]
                   for rows, root in zip(groups, roots, strict=True)]  # fmt: skip
        products = np.stack(columns) @ np.stack(columns).T
        freedom.append(np.trace(products) ** 2 / np.sum(products**2))
    return np.sqrt(np.sum(np.square(scores), 0)), np.array(freedom)


def sample(seed, count, n=40):
    rng = np.random.default_rng(seed)
    clusters = np.concatenate([np.arange(count), rng.integers(0, count, n - count)])
    design = np.column_stack([np.ones(n), 1 + 0.01 * rng.normal(size=n), rng.normal(size=n), clusters % 2])
    return design, rng.normal(size=n), clusters.astype(np.int32)


@pytest.mark.parametrize("count", [5, 8, 40])
def test_errors_and_freedom_are_those_of_the_explicit_matrices(count):
    design, target, clusters = sample(count, count)
    found = robust.robust_each(design[None], target, np.ones((1, 40), bool), clusters, count=count)
    errors, freedom = explicit(design, target, clusters)
    np.testing.assert_allclose(found.standard_errors[0], errors, rtol=1e-8)
    np.testing.assert_allclose(found.freedom[0], freedom, rtol=1e-8)
    assert int(found.clusters[0]) == count and not np.any(found.reason)


def test_masked_rows_and_empty_clusters_change_nothing():
    design, target, clusters = sample(1, 8)
    mask = clusters != 3
    spoiled = np.where(mask[:, None], design, np.nan)
    found = robust.robust_each(spoiled[None], np.where(mask, target, np.inf), mask[None], clusters, count=9)
    errors, freedom = explicit(design[mask], target[mask], clusters[mask])
    np.testing.assert_allclose(found.standard_errors[0], errors, rtol=1e-8)
    np.testing.assert_allclose(found.freedom[0], freedom, rtol=1e-8)
    assert int(found.clusters[0]) == 7


def test_a_balanced_comparison_of_clusters_is_that_of_their_means():
    """Half of 10 equal clusters are treated: CR2 is the Welch error of the means, its freedom that of two variances."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(10), 4).astype(np.int32)
    treated = (clusters < 5).astype(float)
    target = rng.normal(size=10)[clusters] + rng.normal(size=40)
    found = robust.robust_each(
        np.column_stack([np.ones(40), treated])[None], target, np.ones((1, 40), bool), clusters, count=10
    )
    means = target.reshape(10, 4).mean(1)
    np.testing.assert_allclose(
        found.standard_errors[0, 1], np.sqrt(means[:5].var(ddof=1) / 5 + means[5:].var(ddof=1) / 5), rtol=1e-10
    )
    np.testing.assert_allclose(found.freedom[0, 1], 8, rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d, c: (d, c % 4), "fewer than 5 clusters"),
        (lambda d, c: (np.column_stack([d, d[:, 1] + 2]), c), "the fit is not determined"),
    ],
)
def test_what_cannot_be_known_is_nan_with_its_reason(change, reason):
    design, target, clusters = sample(2, 8)
    design, clusters = change(design, clusters)
    found = robust.robust_each(design[None], target, np.ones((1, 40), bool), clusters, count=8)
    assert np.isnan(found.standard_errors).all() and np.isnan(found.freedom).all()
    assert {robust.REASONS[code] for code in np.asarray(found.reason[0])} == {reason}


def test_a_cluster_s_own_dummy_has_no_robust_error():
    design, target, clusters = sample(3, 8)
    design = np.column_stack([design[:, :3], clusters == 2]).astype(float)
    found = robust.robust_each(design[None], target, np.ones((1, 40), bool), clusters, count=8)
    assert [robust.REASONS[code] for code in np.asarray(found.reason[0])] == ["", "", "", robust.REASONS[2]]
    assert np.isnan(found.standard_errors[0, 3]) and np.isfinite(found.standard_errors[0, :3]).all()


def rejections(count, per, runs, seed, between=1.0, path=False):
    """How often a true null is rejected at 5 %: CR2, and the classical test."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(count), per).astype(np.int32)
    n = count * per

    def column():
        return between * rng.normal(size=(runs, count))[:, clusters] + rng.normal(size=(runs, n))

    measure, target = column(), column()
    designs = jnp.asarray(np.stack([np.ones_like(measure), measure], -1))
    each = jax.jit(jax.vmap(partial(robust.robust, count=count), (0, 0, None, None)))
    found = each(designs, jnp.asarray(target), np.ones(n, bool), clusters)
    centred = measure - measure.mean(1, keepdims=True)
    slope = np.sum(centred * target, 1) / np.sum(centred**2, 1)
    p = 2 * scipy.stats.t.sf(np.abs(slope / found.standard_errors[:, 1]), found.freedom[:, 1])
    residual = target - target.mean(1, keepdims=True) - slope[:, None] * centred
    plain = np.sqrt(np.sum(residual**2, 1) / (n - 2) / np.sum(centred**2, 1))
    return np.mean(p < 0.05), np.mean(2 * scipy.stats.t.sf(np.abs(slope / plain), n - 2) < 0.05)


def test_a_true_null_is_not_rejected_too_often():
    robustly, classically = rejections(10, 8, 1000, seed=0)
    assert robustly <= 0.07 and classically > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 6, 10, 20, 40])
@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_the_size_of_the_test(count, between):
    robustly, _ = rejections(count, 6, 4000, seed=count, between=between)
    print(f"{count} clusters, deviation between them {between}: {robustly:.3f}")
    assert robustly <= 0.07
