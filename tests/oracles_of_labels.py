"""The measures that read labels once more, in float64 NumPy and SciPy, written from their formulas."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg, optimize, stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from geojax.ops.subsample import drawn


def one_hot(labels):
    """The targets: a column for each class, or the one of a regression."""
    if labels.dtype.kind == "f":
        return labels[:, None].astype(float)
    return (labels[:, None] == np.unique(labels)).astype(float)


def logme(reading, convention="standard"):
    """The density of a Gaussian process with a linear kernel, at the best of its two variances."""
    points, labels = reading
    targets = one_hot(labels)
    if convention == "standard":  # in a basis of what is orthogonal to the intercept
        contrasts = linalg.null_space(np.ones((1, len(points))))
        points, targets = contrasts.T @ points, contrasts.T @ targets
    kernel = points @ points.T / np.trace(points @ points.T)

    def best(target):
        def loss(logs):
            try:
                factor = linalg.cho_factor(np.exp(logs[0]) * np.eye(len(points)) + np.exp(logs[1]) * kernel)
            except linalg.LinAlgError:  # so little noise that rounding is more
                return 1e6
            log_determinant = 2 * np.log(np.diag(factor[0])).sum()
            return (log_determinant + target @ linalg.cho_solve(factor, target)) / len(points) / 2

        starts = [np.log(np.mean(target**2)) + np.array([noise, 0]) for noise in (0, -6)]
        options = {"bounds": [(start - 25, start + 15) for start in starts[0]], "options": {"ftol": 1e-13}}
        found = min(optimize.minimize(loss, start, method="L-BFGS-B", **options).fun for start in starts)
        return -found - np.log(2 * np.pi) / 2

    return np.mean([best(target) for target in targets.T])


def h_score(reading, convention="standard"):
    points, labels = reading
    points = points - points.mean(0)
    estimate = LedoitWolf().fit(points)
    means = np.stack([points[labels == label].mean(0) for label in labels])
    between = means.T @ means / len(points)
    return (1 - estimate.shrinkage_) * np.trace(np.linalg.solve(estimate.covariance_, between))


def transrate(reading, convention="standard"):
    points, labels = reading
    points = points - points.mean(0)
    points /= np.sqrt(np.mean(np.sum(points**2, 1)))

    def rate(part):
        return np.linalg.slogdet(np.eye(points.shape[1]) + part.T @ part / (1e-4 * len(part)))[1] / 2

    classes, counts = np.unique(labels, return_counts=True)
    within = [count * rate(points[labels == label]) for label, count in zip(classes, counts, strict=True)]
    return rate(points) - sum(within) / len(points)


def share_right(scores, labels):
    """Accuracy of the largest score; classes that tie share."""
    won = np.isclose(scores, scores.max(1, keepdims=True), rtol=0, atol=1e-9)
    return np.mean((won * one_hot(labels)).sum(1) / won.sum(1))


def knn_accuracy(reading, convention="standard"):
    points, labels = reading
    neighbours = cKDTree(points).query(points, 6)[1][:, 1:]
    return share_right(one_hot(labels)[neighbours].sum(1), labels)


def class_mean_accuracy(reading, convention="standard"):
    points, labels = reading
    scores = np.full(one_hot(labels).shape, -np.inf)
    for point, row in enumerate(points):
        for place, label in enumerate(np.unique(labels)):
            members = (labels == label) & (np.arange(len(points)) != point)
            if members.any():
                scores[point, place] = -np.sum((row - points[members].mean(0)) ** 2)
    return share_right(scores, labels)


def ridge_probe(reading, convention="standard"):
    """One fit without each point."""
    points, labels = reading
    n, targets = len(points), one_hot(labels)
    largest = np.linalg.norm(points - points.mean(0), 2) ** 2
    losses = []
    for penalty in largest * 10 ** (np.arange(-8, 3) / 2):
        predicted = np.empty_like(targets)
        for point in range(n):
            kept = np.arange(n) != point
            mean, level = points[kept].mean(0), targets[kept].mean(0)
            own = points[kept] - mean
            slopes = np.linalg.solve(own.T @ own + penalty * np.eye(own.shape[1]), own.T @ (targets[kept] - level))
            predicted[point] = level + (points[point] - mean) @ slopes
        losses.append((((targets - predicted) ** 2).sum(), predicted))
    loss, predicted = min(losses, key=lambda pair: pair[0])
    if labels.dtype.kind == "f":
        return 1 - loss / (((targets - targets.mean(0)) * n / (n - 1)) ** 2).sum()
    others = (targets.sum(0) - targets) / (n - 1)
    return share_right(predicted - others + targets.mean(0), labels)


def parc(reading, convention="standard", sample=48):
    """Of 48 drawn points."""
    points, labels = reading
    rows = np.arange(len(points))
    if len(points) > sample:
        rows = np.asarray(drawn(jax.random.key(0), jnp.ones(len(points), bool), sample)[0])
    if convention == "standard":
        angles = pdist(points[rows] - points.mean(0), "cosine")
    else:
        angles = pdist(stats.zscore(points[rows]), "correlation")
    classes = pdist(one_hot(labels)[rows], "correlation")
    return stats.spearmanr(np.round(angles, 9), classes).statistic


def gbc(reading, convention="standard", components=64):
    """The integral of the square root of the product of both densities, by the logarithm of its closed form."""
    points, labels = reading
    scores = PCA(min(components, points.shape[1], len(points) - 1)).fit_transform(points)
    d, found = scores.shape[1], 0.0
    own = [scores[labels == label] for label in np.unique(labels)]
    own = [(part.mean(0), part.var(0).mean()) for part in own if len(part) > 1]
    for i, (mean, variance) in enumerate(own):
        for other, second in own[:i]:
            both = (variance + second) / 2
            distance = np.sum((mean - other) ** 2) / both / 8
            distance += np.log(both**d / np.sqrt(variance**d * second**d)) / 2
            found -= 2 * np.exp(-distance)
    return found


def n_leep(reading, convention="standard"):
    """scikit-learn's mixture, from the cells of its k-means that starts at the same points."""
    points, labels = reading
    targets = one_hot(labels)
    k = 5 * targets.shape[1]
    scores = PCA().fit_transform(points)
    shares = np.cumsum(scores.var(0)) / scores.var(0).sum()
    scores = scores[:, : 1 + np.sum(shares < 0.8)]
    start = scores[np.argsort(-np.asarray(jax.random.uniform(jax.random.key(0), (len(points),))))[:k]]
    cells = KMeans(k, init=start, n_init=1, max_iter=25, tol=0).fit(scores).labels_
    floor = 1e-6 * scores.var(0).mean()
    parts = [scores[cells == cell] for cell in range(k)]
    first = {
        "weights_init": [len(part) / len(scores) for part in parts],
        "means_init": [part.mean(0) for part in parts],
        "precisions_init": [1 / (part.var(0) + floor) for part in parts],
    }
    mixture = GaussianMixture(k, covariance_type="diag", tol=0, reg_covar=floor, max_iter=30, **first)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        found = mixture.fit(scores).predict_proba(scores)
    shares = targets.T @ found / found.sum(0)
    return np.mean(np.log(np.sum(found @ shares.T * targets, 1)))
