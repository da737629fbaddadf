"""The measures once more, in float64 NumPy and SciPy, written from their formulas."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import linalg, optimize, stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf

from geojax.measures.conventions import normal_sample as draw_normal_sample
from geojax.measures.conventions import normal_variance as draw_normal_variance

KEY = jax.random.key(0)  # of the random references, as in the tests


def spectrum(points):
    """Descending eigenvalues of the covariance, min(n, d) of them."""
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(points.T)))[::-1]
    return np.maximum(values, 0)[: min(points.shape)]


def enrichment(values):
    q = len(values)
    cumulative = np.cumsum(values)
    excess = cumulative - np.arange(1, q + 1) * cumulative[-1] / q
    return np.trapezoid(excess) / (q * cumulative[-1] / 2)


def eee(points, convention="standard"):
    return enrichment(spectrum(points))


def isoscore(points, convention="standard"):
    values = spectrum(points)
    return (values.sum() ** 2 / (values**2).sum() - 1) / (points.shape[1] - 1)


def principal_scores(points, total_variance):
    """Scores of this total variance, each with a positive third moment."""
    left, singular, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    scores = left * singular
    scores *= np.where((scores**3).sum(0) < 0, -1, 1)
    return scores * np.sqrt(total_variance / scores.var(0, ddof=1).sum())


def normal_sample(points):
    return np.asarray(draw_normal_sample(None, KEY, "oracle", points.shape), np.float64)


def normal_variance(points, convention):
    """What the scores are scaled to: d, or in "paper" the total variance of a normal sample."""
    n, d = points.shape
    return d if convention == "standard" else float(draw_normal_variance(KEY, "oracle", jnp.int32(n), d))


def vrm(points, convention="standard", total_variance=None):
    n, d = points.shape
    q = min(n, d)
    scores = principal_scores(points, total_variance or normal_variance(points, convention))
    with np.errstate(divide="ignore"):
        entropies = stats.differential_entropy(scores, method="auto" if convention == "paper" else "vasicek")
    ratios = np.exp(entropies) / np.sqrt(2 * np.pi * np.e)
    null = d - q if convention == "standard" else 0
    return (((1 - ratios[:q]) ** 2).sum() + null) / d


def average_cosine_similarity(points, convention="standard"):
    cosines = 1 - cdist(points, points, "cosine")
    return cosines[np.triu_indices(len(points), 0 if convention == "paper" else 1)].mean()


def partition_ratios(points):
    """I(V) under each of the 2^q choices of signs."""
    scores = principal_scores(points, 1.0)
    scores /= np.linalg.norm(scores, axis=1, keepdims=True) + 1e-10
    either = np.exp(scores).sum(0), np.exp(-scores).sum(0)
    return [min(choice) / max(choice) for choice in itertools.product(*zip(*either, strict=True))]


def partition_ratio(points, convention="standard"):
    return min(partition_ratios(points))


def pc_ratio(points, convention="standard"):
    return spectrum(points)[-1] / spectrum(points)[0]


def nearest(points, k=1):
    """Distance from every point to its k-th neighbour."""
    return cKDTree(points).query(points, k + 1)[0][:, k]


def koleo(points, convention="standard", reference=None):
    def entropy(cloud, variance):
        n, d = cloud.shape
        return np.log(n * np.sqrt(d / variance) * nearest(cloud)).mean() + np.log(2) + np.euler_gamma

    reference = normal_sample(points) if reference is None else reference
    if convention == "paper":
        return entropy(points, points.var(0).sum()) / entropy(reference, points.shape[1])
    return entropy(points, points.var(0, ddof=1).sum()) / entropy(reference, reference.var(0, ddof=1).sum())


def knn_overlap(points, convention="standard"):
    first, last = nearest(points), nearest(points, min(5 * points.shape[1], 100))
    ends = min(first.min(), last.min()), max(first.max(), last.max())
    counts = [np.histogram(distances, 30, ends)[0] for distances in (first, last)]
    return np.minimum(*counts).sum() / len(points)


def kl_gaussian(points, convention="standard", total_variance=None):
    d = points.shape[1]
    total_variance = total_variance or normal_variance(points, convention)
    covariance = np.cov(principal_scores(points, total_variance).T)
    if convention == "paper":
        return (np.trace(covariance) - d - np.log(np.linalg.det(covariance) + 1e-16)) / 2
    return (np.trace(covariance) - d - np.linalg.slogdet(covariance)[1]) / 2


def kl_discrete(points, convention="standard", reference=None):
    n, d = points.shape
    divergences = []
    if convention == "paper":
        reference = normal_sample(points) if reference is None else reference
        scores = principal_scores(points, reference.var(0, ddof=1).sum())
        for column, normal in zip(scores.T, reference.T, strict=True):
            counts = [np.histogram(values, 30, (normal.min(), normal.max()))[0] + 1e-16 for values in (column, normal)]
            divergences.append(stats.entropy(*counts))
    else:
        edges = np.linspace(stats.norm.ppf(1 / (n + 1)), stats.norm.isf(1 / (n + 1)), 31)
        edges[[0, -1]] = -np.inf, np.inf
        shares = np.diff(stats.norm.cdf(edges))
        for column in principal_scores(points, d).T:
            counts = np.bincount(np.searchsorted(edges[1:-1], column, "right"), minlength=30)
            divergences.append(stats.entropy(counts, shares))
    return np.mean(np.square(divergences))


def kl_empirical(points, convention="standard", reference=None):
    n, d = points.shape
    reference = normal_sample(points) if reference is None else reference
    scores = principal_scores(points, reference.var(0, ddof=1).sum() if convention == "paper" else d)
    across = cKDTree(reference).query(scores)[0]
    return d / n * np.maximum(0, np.log(across / nearest(scores))).sum()


def reconstruction_error(cells, convention="standard"):
    points = cells.points + cells.origin if convention == "paper" else cells.points - cells.points.mean(0)
    return cells.squared_errors.sum() / (points**2).sum()


def reconstruction_iqr(cells, convention="standard"):
    distances = np.sqrt(cells.squared_errors)
    return np.subtract(*np.percentile(distances / distances.max(), [75, 25]))


def reconstruction_skew(cells, convention="standard"):
    return stats.skew(np.sqrt(cells.squared_errors))


def centroid_spread(cells, convention="standard"):
    nearest = []
    for codebook in cells.codebooks:
        squared = cdist(codebook, codebook, "sqeuclidean")
        np.fill_diagonal(squared, np.inf)
        nearest.append(squared.min(1))
    return np.var(np.ravel(nearest) / np.max(nearest))


def count_variance(cells, convention="standard"):
    shares = cells.counts / len(cells.points)
    return np.mean(np.var(shares / (1 - shares) * (shares.shape[1] - 1), axis=1))


def count_kl(cells, convention="standard"):
    n, size = len(cells.points), cells.counts.shape[1]
    uniform = np.full(size, 1 / size)
    if convention == "paper":
        uniform = np.bincount((np.asarray(jax.random.uniform(KEY, (n,))) * size).astype(int), minlength=size) / n
    return np.mean([stats.entropy(share, uniform) for share in cells.counts / n])


def patchiness(cells, convention="standard"):
    counts = cells.counts.astype(float)
    mean = counts.sum() / counts.shape[1] if convention == "paper" else counts.mean()
    return 1 + (counts.var() / mean - 1) / mean


def cell_eee(cells, convention="standard"):
    values = []
    for codes in cells.codes.T:
        for cell in range(cells.counts.shape[1]):
            members = np.unique(cells.points[codes == cell], axis=0)
            if len(members) > 1:
                values.append(enrichment(spectrum(members)))
    return np.mean(np.round(values, 4) if convention == "paper" else values)


def cell_eee_fixed(cells, convention="standard", size=8):
    draws = np.asarray(jax.random.uniform(KEY, (len(cells.points),)))
    values = []
    for codes in cells.codes.T:
        for cell in range(cells.counts.shape[1]):
            members = np.flatnonzero((codes == cell) & cells.distinct)
            if len(members) >= size:
                chosen = members[np.argsort(draws[members])][:size]
                values.append(enrichment(spectrum(cells.points[chosen])))
    return np.mean(values)


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
            factor = linalg.cho_factor(np.exp(logs[0]) * np.eye(len(points)) + np.exp(logs[1]) * kernel)
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
