"""The measures once more, in float64 NumPy and SciPy, written from their formulas."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from oracles_of_dimension import (  # noqa: F401
    correlation_dimension,
    gride,
    hubness,
    local_pca_dimension,
    local_two_nn,
    mle_dimension,
    two_nn,
)
from oracles_of_labels import (  # noqa: F401  (the tests find every oracle here, by name)
    class_mean_accuracy,
    gbc,
    h_score,
    knn_accuracy,
    logme,
    n_leep,
    parc,
    ridge_probe,
    transrate,
)
from oracles_of_pairs import (  # noqa: F401
    cka,
    linear_predictivity,
    mutual_knn,
    procrustes_similarity,
    rsa,
    svcca,
)
from oracles_of_shape import (  # noqa: F401
    effective_rank,
    forman_ricci,
    hyperbolicity,
    ollivier_ricci,
    ph0_dimension,
    spectral_decay,
)
from oracles_of_topology import (  # noqa: F401
    codensity_ratio,
    h0_total_persistence,
    h1_share,
    h1_total_persistence,
    local_persistence_entropy,
)
from scipy import stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

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
