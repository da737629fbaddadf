"""The measures once more, in float64 NumPy and SciPy, written from their formulas."""

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist


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


def vrm(points, convention="standard", total_variance=None):
    n, d = points.shape
    q = min(n, d)
    centred = points - points.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left * singular
    scores *= np.sqrt((total_variance or d) / scores.var(0, ddof=1).sum())
    with np.errstate(divide="ignore"):
        entropies = stats.differential_entropy(scores, method="auto" if convention == "paper" else "vasicek")
    ratios = np.exp(entropies) / np.sqrt(2 * np.pi * np.e)
    null = d - q if convention == "standard" else 0
    return (((1 - ratios[:q]) ** 2).sum() + null) / d


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
    assert convention == "standard", "the random reference of 'paper' is tested by itself"
    shares = cells.counts / len(cells.points)
    return np.mean([stats.entropy(share, np.full(len(share), 1 / len(share))) for share in shares])


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
