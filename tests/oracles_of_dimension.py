"""The measures of dimension once more, in float64 NumPy and SciPy, written from their formulas."""

import jax
import numpy as np
from scipy import optimize, stats
from scipy.spatial.distance import cdist

KEY = jax.random.key(0)


def distances(points):
    """From every distinct point to its neighbours, ascending."""
    points = np.unique(points, axis=0)
    return np.sort(cdist(points, points), axis=1)[:, 1:]


def two_nn(points, convention="standard"):
    r = distances(points)
    logs = np.sort(np.log(r[:, 1] / r[:, 0]))
    n, m = len(logs), int(9 * len(logs) // 10)
    if convention == "paper":
        return np.linalg.lstsq(logs[:m, None], -np.log(1 - np.arange(1, m + 1) / n))[0][0]
    return (m - 1) / (logs[:m].sum() + (n - m) * logs[m - 1])


def mle_dimension(points, convention="standard", k=8):
    r = distances(points)
    inverses = np.log(r[:, k - 1 : k] / r[:, : k - 1]).mean(1)
    return (1 / inverses).mean() if convention == "paper" else 1 / inverses.mean()


def gride(points, convention="standard", n1=16, n2=32):
    r = distances(points)
    logs = np.log(r[:, n2 - 1] / r[:, n1 - 1])
    logs = logs[logs > 0]

    def slope(d):
        return (len(logs) - 1) / d + (n2 - n1 - 1) * (logs / -np.expm1(-d * logs)).sum() - (n2 - 1) * logs.sum()

    return optimize.brentq(slope, 1e-3, 1e3)


def correlation_dimension(points, convention="standard", k1=10, k2=20):
    r = distances(points)
    a, b = np.median(r[:, k1 - 1]), np.median(r[:, k2 - 1])
    return np.log((r < b).sum() / (r < a).sum()) / np.log(b / a)


def hubness(points, convention="standard", k=10):
    """Points whose squared distance is within 1e-6 of that of the k-th share the places that the nearer ones leave."""
    points = np.unique(points, axis=0)
    counts = np.zeros(len(points))
    for row, squared in enumerate(cdist(points, points, "sqeuclidean")):
        squared[row] = np.inf
        last = np.sort(squared)[k - 1]
        nearer, equal = squared < last * (1 - 1e-6), abs(squared - last) <= last * 1e-6
        counts += nearer + equal * (k - nearer.sum()) / equal.sum()
    return stats.skew(counts)


def neighbourhoods(points, size, sample):
    """The points nearest to each of the drawn ones."""
    draws = np.asarray(jax.random.uniform(KEY, (len(points),)))
    order = np.argsort(cdist(points, points), axis=1)
    return [points[order[row, 1 : size + 1]] for row in np.argsort(draws)[:sample]]


def local_two_nn(points, convention="standard", size=24, sample=48):
    return np.mean([two_nn(near, "paper") for near in neighbourhoods(points, size, sample)])


def local_pca_dimension(points, convention="standard", size=12, sample=48):
    found = []
    for near in neighbourhoods(points, size, sample):
        values = np.linalg.eigvalsh(np.cov(near.T))
        found.append(
            (values > values[-1] / 20).sum() if convention == "paper" else values.sum() ** 2 / (values @ values)
        )
    return np.mean(found)
