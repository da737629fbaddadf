"""The measures of a pair of clouds once more, in float64 NumPy and SciPy, from their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg, stats
from scipy.spatial.distance import cdist, pdist

from geojax.ops.subsample import drawn


def centred(pair):
    return [points - points.mean(0) for points in pair]


def cka(pair, convention="standard"):
    """Products of the matrices of products, centred, or without their diagonals."""
    if convention == "paper":
        kernels = [points @ points.T for points in centred(pair)]
        hsic = lambda k, l: np.sum(k * l)  # noqa: E731, E741
    else:
        kernels = [points @ points.T for points in pair]

        def hsic(k, l):  # noqa: E741
            m = len(k)
            k, l = (kernel - np.diag(np.diag(kernel)) for kernel in (k, l))  # noqa: E741
            sums = k.sum() * l.sum() / ((m - 1) * (m - 2)) - 2 / (m - 2) * k.sum(0) @ l.sum(0)
            return (np.trace(k @ l) + sums) / (m * (m - 3))

    k, l = kernels  # noqa: E741
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def procrustes_similarity(pair, convention="standard"):
    """The trace of the polar factor's product."""
    first, second = centred(pair)
    width = max(first.shape[1], second.shape[1])
    first, second = (np.pad(points, ((0, 0), (0, width - points.shape[1]))) for points in (first, second))
    rotation, _ = linalg.orthogonal_procrustes(first, second)
    cosine = np.sum(first @ rotation * second) / np.linalg.norm(first) / np.linalg.norm(second)
    return np.arccos(cosine) if convention == "paper" else cosine


def mutual_knn(pair, convention="standard", k=10):
    found = []
    for points in pair:
        far = cdist(points, points)
        np.fill_diagonal(far, np.inf)
        found.append(np.argsort(far, axis=1, kind="stable")[:, :k])
    return np.mean([len(set(first) & set(second)) / k for first, second in zip(*found, strict=True)])


def rsa(pair, convention="standard"):
    """Of 48 drawn points."""
    rows, _ = drawn(jax.random.key(0), jnp.ones(len(pair[0]), bool), 48)
    correlation = stats.pearsonr if convention == "standard" else stats.spearmanr
    return correlation(*(pdist(points[np.asarray(rows)]) for points in pair)).statistic


def svcca(pair, convention="standard"):
    """Cosines of the angles between the spans of the components."""
    spans = []
    for points in centred(pair):
        left, values, _ = np.linalg.svd(points, full_matrices=False)
        share = np.cumsum(values**2) / np.sum(values**2)
        spans.append(left[:, : 1 + np.sum(share < 0.99)])
    return np.mean(np.cos(linalg.subspace_angles(*spans)))


def linear_predictivity(pair, convention="standard"):
    """One fit without each point; in "paper" one least-squares fit."""
    points, other = pair
    n = len(points)
    if convention == "paper":
        first, second = centred(pair)
        left = second - first @ np.linalg.lstsq(first, second, rcond=None)[0]
        return 1 - np.sum(left**2) / np.sum(second**2)
    largest = np.linalg.norm(points - points.mean(0), 2) ** 2
    losses = []
    for penalty in largest * 10 ** (np.arange(-8, 3) / 2):
        loss = 0
        for point in range(n):
            kept = np.arange(n) != point
            mean, level = points[kept].mean(0), other[kept].mean(0)
            own = points[kept] - mean
            slopes = np.linalg.solve(own.T @ own + penalty * np.eye(own.shape[1]), own.T @ (other[kept] - level))
            loss += np.sum((other[point] - level - (points[point] - mean) @ slopes) ** 2)
        losses.append(loss)
    total = sum(np.sum((other[point] - np.delete(other, point, 0).mean(0)) ** 2) for point in range(n))
    return 1 - min(losses) / total
