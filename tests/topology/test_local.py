import numpy as np
import pytest
from oracles_of_topology import line_dimension, persistence
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from geojax.errors import InputError
from geojax.ops.diagrams import ImageRange
from geojax.topology import Datastore, LocalTopology, local_topology
from geojax.topology.local import Shown

GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.standard_normal((60, 4)).astype(np.float32)
QUERIES = np.concatenate([VECTORS[:5], GENERATOR.standard_normal((5, 4)).astype(np.float32)])
N, IMAGE, KS = 12, 3, (1, 2, 12)


def measured(queries, vectors, **options):
    """Always of the same shapes, so that one program serves all tests."""
    return local_topology(queries, Datastore(vectors), n=N, image=IMAGE, ks=KS, **options)


@pytest.fixture(scope="module")
def found():
    return measured(QUERIES, VECTORS)


def neighbourhood(query):
    distances = cdist(query[None].astype(float), VECTORS.astype(float))[0]
    nearest = np.argsort(distances, kind="stable")[: N + 1]
    nearest = nearest[1:] if distances[nearest[0]] == 0 else nearest[:-1]
    points = np.concatenate([query[None], VECTORS[nearest]]).astype(float)
    return cdist(points, points)


def bumps(values, start, end):
    width = (end - start) / IMAGE
    centres = start + width * (np.arange(IMAGE) + 0.5)
    return np.exp(-((np.asarray(values)[:, None] - centres) ** 2) / (2 * width**2))


def test_features_are_those_of_the_definition(found):
    assert found.features.shape == (10, 3 + 4 + 3 + 9 + 1) and found.features.dtype == np.float32
    assert not found.equal.any() and not found.overflow.any() and found.warnings == ()
    spaces = [neighbourhood(query) for query in QUERIES]
    diagrams = [persistence(space) for space in spaces]
    births, lives = np.concatenate([loops for _, loops in diagrams]).T
    lives = lives - births
    trees = np.concatenate([tree for tree, _ in diagrams])
    shown = found.shown
    np.testing.assert_allclose(shown.h1, [*np.quantile(births, [0.01, 0.99]), np.quantile(lives, 0.99)], rtol=1e-4)
    np.testing.assert_allclose(shown.h0.longest, np.quantile(trees, 0.99), rtol=1e-5)
    for row, space, (tree, loops) in zip(found.features, spaces, diagrams, strict=True):
        lives = loops[:, 1] - loops[:, 0]
        profile = (tree[:, None] / shown.h0.longest * bumps(tree, 0, shown.h0.longest)).sum(0)
        heights = (lives / shown.h1.longest)[:, None] * bumps(lives, 0, shown.h1.longest)
        image = bumps(loops[:, 0], shown.h1.first, shown.h1.last).T @ heights
        expected = [
            *space[0, list(KS)],
            *(np.array([tree.sum(), np.linalg.norm(tree), lives.sum(), np.linalg.norm(lives)]) / 2**0.5),
            *profile,
            *image.ravel(),
            line_dimension(space[1:, 1:]),
        ]
        np.testing.assert_allclose(row, expected, rtol=2e-4, atol=1e-5)


def test_names_tell_the_columns(found):
    assert found.names[:7] == (
        *(f"codensity_{k}" for k in KS),
        *(f"h{d}_wasserstein_{q}" for d in (0, 1) for q in (1, 2)),
    )
    assert found.names[7:11] == ("h0_image_0", "h0_image_1", "h0_image_2", "h1_image_0_0")
    assert found.names[-2:] == ("h1_image_2_2", "local_dimension") and len(found.names) == found.features.shape[1]
    np.testing.assert_array_equal(found.columns("codensity"), found.features[:, :3])
    np.testing.assert_array_equal(found.columns("h1_image", "local"), found.features[:, 10:])
    with pytest.raises(InputError, match="no feature begins with density"):
        found.columns("density")


def test_repetitions_in_the_store_change_nothing(found):
    store = Datastore(np.concatenate([VECTORS[:7], VECTORS]))
    assert len(store) == 60
    np.testing.assert_array_equal(store.rows, [*range(7), *range(14, 67)])
    np.testing.assert_array_equal(local_topology(QUERIES, store, n=N, image=IMAGE, ks=KS).features, found.features)
    zeros = Datastore(np.float32([[0.0, 1], [-0.0, 1], [2, 1]]))
    np.testing.assert_array_equal(zeros.rows, [0, 2])


def test_isometries_and_scale(found):
    turn = ortho_group.rvs(4, random_state=0)
    moved = measured(QUERIES @ turn + 3, VECTORS @ turn + 3)
    np.testing.assert_allclose(moved.features, found.features, rtol=1e-4, atol=1e-5)
    for factor in (2.0, 2.0**-90):
        scaled = measured(QUERIES * np.float32(factor), VECTORS * np.float32(factor))
        np.testing.assert_allclose(scaled.features[:, :7], found.features[:, :7] * factor, rtol=1e-6)
        np.testing.assert_allclose(scaled.features[:, 7:], found.features[:, 7:], rtol=1e-4, atol=1e-6)


def test_a_part_of_the_queries_with_the_ranges_of_all(found):
    part = measured(QUERIES[3:6], VECTORS, shown=found.shown)
    np.testing.assert_array_equal(part.features, found.features[3:6])
    assert measured(QUERIES[3:6], VECTORS).shown != found.shown


def test_neighbours_that_float32_cannot_tell_apart():
    vectors = np.zeros((60, 4), np.float32)
    vectors[:, 0] = 1e-30 * np.arange(60)
    vectors[59] = 1
    found = measured(vectors[[0, 59]], vectors)
    np.testing.assert_array_equal(found.equal, [True, False])
    assert not found.features[0].any()
    assert found.warnings[0] == "1 of 2 neighbourhoods have all distances 0: their features are 0"


def test_overflow_is_told_in_words():
    nothing = ImageRange(0.0, 0.0, 0.0)
    flags = np.array([True, False, True])
    lost = LocalTopology(("codensity_1",), np.ones((3, 1), np.float32), Shown(nothing, nothing), ~flags, flags)
    assert "2 of 3 neighbourhoods have more loops than there is room for" in lost.warnings[0]


@pytest.mark.parametrize(
    ("queries", "options", "message"),
    [
        (QUERIES[:, :3], {}, "3 coordinates, but the vectors of the datastore 4"),
        (np.float32([[1, 2, 3, np.nan]]), {}, "1 rows with NaN"),
        (QUERIES.astype(int), {}, "int64"),
        (QUERIES[0], {}, "a matrix"),
        (QUERIES, {"n": 59}, "has 60"),
        (QUERIES, {"n": 0}, "at least 1"),
        (QUERIES, {"degrees": (0, 2)}, "choose from 0 and 1"),
        (QUERIES, {"image": 0}, "at least one cell"),
        (QUERIES, {"n": 20}, "from 1 to n = 20"),
        (QUERIES, {"ground": "l2"}, "euclidean, linf"),
        (QUERIES, {"degrees": (), "ks": (), "local_dimension": False}, "no feature"),
    ],
)
def test_bad_input(queries, options, message):
    with pytest.raises(InputError, match=message):
        local_topology(queries, Datastore(VECTORS), **options)


def test_bad_stores():
    with pytest.raises(InputError, match="datastore have 2 rows with NaN or infinite numbers, the first at 1"):
        Datastore(np.float32([[1, 2], [np.inf, 0], [0, np.nan]]))
    with pytest.raises(InputError, match="at most 128 vectors, but n is 129"):
        local_topology(np.ones((1, 2)), Datastore(np.random.default_rng(0).standard_normal((200, 2))), n=129)
