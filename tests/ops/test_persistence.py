import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from geojax.ops.persistence import spanning_tree_lengths


def clouds(count, n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((count, n, d)).astype(np.float32)


def distances(points):
    return np.stack([cdist(each, each) for each in points.astype(float)]).astype(np.float32)


def test_spanning_trees_of_a_batch():
    """The weights are SciPy's, masked points add nothing, and the gradient marks the edges of the tree."""
    matrices = distances(clouds(3, 20, 3))
    mask = np.ones((3, 20), bool)
    mask[1, [0, 7, 19]] = False
    mask[2] = np.arange(20) == 4
    matrices[1, ~mask[1]] = matrices[1][:, ~mask[1]] = np.nan
    total = lambda matrix, mask: jnp.sum(spanning_tree_lengths(matrix, mask))  # noqa: E731
    totals, gradients = jax.jit(jax.vmap(jax.value_and_grad(total)))(matrices, mask)
    for each in range(3):
        kept = matrices[each][np.ix_(mask[each], mask[each])]
        tree = minimum_spanning_tree(kept.astype(float))
        np.testing.assert_allclose(totals[each], tree.sum(), rtol=1e-6)
        marked = np.asarray(gradients[each])
        assert marked.sum() == len(kept) - 1
        ours = np.sort(matrices[each][marked > 0])
        np.testing.assert_allclose(ours, np.sort(tree.data), rtol=1e-6)
