"""Values of `vrm` without each group from the axes of what is left: those of its points alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geojax.evaluation.programs import together
from geojax.measures import axis_replicates, select
from geojax.measures.axis_replicates import by_axes_on_host
from geojax.measures.replicates import by_mask
from geojax.ops import order
from geojax.ops.distinct import first_equal

KEY = jax.random.key(0)
N, D, GROUPS = 120, 6, 10
(VRM,) = select("vrm")


def cloud():
    """Of its equal points some are of one group, others of several."""
    points = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32) * np.arange(1, D + 1)
    points[60:80] = points[:20]
    points[80:84] = points[0]
    return points.astype(np.float32)


@pytest.mark.parametrize(("convention", "offset"), [("standard", 300), ("paper", 0)])
def test_they_are_the_values_of_what_is_left(convention, offset, monkeypatch):
    """As an evaluation asks for them, of a cloud so large that the host sorts."""
    (rows,) = together((VRM,), None, None, jax.ShapeDtypeStruct((order.MANY // D + 1, D), jnp.float32))
    monkeypatch.setattr(axis_replicates, "by_mask_on_host", None)  # the groups share their products
    points, group = jnp.asarray(cloud() + np.float32(offset)), jnp.arange(N, dtype=jnp.int32) ** 2 % GROUPS
    options = {"mask": jnp.arange(N) % 7 > 0, "convention": convention}
    reading = points, None, first_equal(points, options["mask"])
    (found,) = rows.replicates(rows, reading, group, GROUPS, key=rows.keys(KEY), **options)
    key = jax.random.fold_in(KEY, rows.keys(KEY)[1][0])
    expected = by_mask(VRM.function, points, group, GROUPS, key=key, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-3 if offset else 1e-4)
    assert np.ptp(found) > 0


def test_a_group_far_from_the_others_costs_them_no_digits():
    points, group = cloud(), np.arange(N, dtype=np.int32) % GROUPS
    points[group == 3] += 1e5
    options = {"mask": jnp.ones(N, bool), "key": KEY}
    found = by_axes_on_host(VRM.function, jnp.asarray(points), jnp.asarray(group), GROUPS, **options)
    expected = by_mask(VRM.function, jnp.asarray(points), jnp.asarray(group), GROUPS, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
