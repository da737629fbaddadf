"""Persistent homology once more, in NumPy, from its definition."""

import itertools
from functools import cache

import jax
import numpy as np
from scipy.spatial.distance import cdist

KEY = jax.random.key(0)  # of the fixed draw
SIZE, SAMPLE = 12, 24
ROWS = (
    "h0_total_persistence",
    "h1_total_persistence",
    "h1_share",
    "codensity_ratio",
    "local_persistence_entropy",
)
# For the clouds of `geojax.testing`.
OPTIONS = {name: {"size": SIZE, "sample": SAMPLE} for name in ROWS}


def persistence(distances):
    """Ascending deaths of H0 and the pairs of H1 that live, the longest-lived first: the boundary matrix, reduced.

    Every simplex up to triangles enters at the length of its longest edge, and columns are added from left to right
    until no two have the same lowest entry.
    """
    distances = np.asarray(distances, float)
    simplices = [s for size in (1, 2, 3) for s in itertools.combinations(range(len(distances)), size)]
    value = {s: max((distances[a, b] for a, b in itertools.combinations(s, 2)), default=0.0) for s in simplices}
    simplices.sort(key=lambda s: (value[s], len(s), s))
    place = {s: at for at, s in enumerate(simplices)}
    owner, deaths, loops = {}, [], []
    for simplex in simplices:
        column = {place[face] for face in itertools.combinations(simplex, len(simplex) - 1) if face}
        while column and max(column) in owner:
            column ^= owner[max(column)]
        if not column:
            continue
        owner[max(column)] = column
        birth, death = value[simplices[max(column)]], value[simplex]
        if len(simplex) == 2:
            deaths.append(death)
        elif death > birth:
            loops.append((birth, death))
    loops = np.array(sorted(loops, key=lambda pair: (pair[0] - pair[1], pair[0]))).reshape(-1, 2)
    return np.sort(deaths), loops


def line_dimension(distances):
    """Slope of the line through 0 that TwoNN fits to the 90% of the points with the smallest ratios."""
    _, first, second = np.sort(distances, 1)[:, :3].T
    spread = np.sort(np.log(second / first))
    used = len(spread) * 9 // 10
    heights = -np.log(1 - np.arange(1, used + 1) / len(spread))
    return spread[:used] @ heights / (spread[:used] @ spread[:used])


def neighbourhoods(points):
    """Distances within those of the drawn points, each first."""
    points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
    draws = np.asarray(jax.random.uniform(KEY, (len(points),)))
    for centre in points[np.argsort(draws, kind="stable")[:SAMPLE]]:
        near = points[np.argsort(cdist(centre[None], points)[0], kind="stable")[: SIZE + 1]]
        yield cdist(near, near)


@cache
def _homology(coordinates, shape):
    """Sums of both degrees and entropy of every neighbourhood."""
    found = []
    for distances in neighbourhoods(np.frombuffer(coordinates).reshape(shape)):
        tree, loops = persistence(distances)
        lives = np.concatenate([tree, loops[:, 1] - loops[:, 0]])
        shares = lives / lives.sum()
        found.append((tree.sum(), lives.sum() - tree.sum(), -np.sum(shares * np.log(shares))))
    return np.array(found).T


def homology(points):
    return _homology(np.ascontiguousarray(points).tobytes(), points.shape)


def h0_total_persistence(points, convention="standard"):
    return homology(points)[0].mean() / np.sqrt(points.var(0).sum())


def h1_total_persistence(points, convention="standard"):
    return homology(points)[1].mean() / np.sqrt(points.var(0).sum())


def h1_share(points, convention="standard"):
    zero, one, _ = homology(points)
    return np.mean(one / zero)


def local_persistence_entropy(points, convention="standard"):
    return homology(points)[2].mean()


def codensity_ratio(points, convention="standard"):
    return np.mean([distances[0, -1] / distances[0, 1] for distances in neighbourhoods(points)])
