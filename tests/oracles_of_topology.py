"""Persistent homology once more, in NumPy, from its definition."""

import itertools

import numpy as np


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
