"""Bridges between two spaces, and a file of vectors across one, beside NumPy, SciPy and scikit-learn."""

import tempfile
from functools import partial
from pathlib import Path
from weakref import finalize

import numpy as np

from experiments.benchmark.timing import Part
from geojax.alignment import fit_bridge, translate_file

PAIRS, SHOWN, BLOCK = 100_000, 1000, 8192
PENALTY, RCOND = 0.1, 0.1


def spaces(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first 100 000 points with noise, and in twice as many dimensions: the wide space, then the narrow one."""
    rng = np.random.default_rng(seed)
    points = points[:PAIRS]
    n, d = points.shape
    turn = rng.standard_normal((d, 2 * d), dtype=np.float32) * np.float32(d**-0.5)
    noise = np.float32(0.1) * points.std()
    wide = points @ turn + noise * rng.standard_normal((n, 2 * d), dtype=np.float32)
    return wide, points + noise * rng.standard_normal((n, d), dtype=np.float32)


def standard(points: np.ndarray) -> np.ndarray:
    """Axes with mean 0 and deviation 1."""
    return (points - points.mean(0)) / points.std(0)


def directions(points: np.ndarray) -> np.ndarray:
    """Rows of unit norm about their mean."""
    points = points - points.mean(0)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def size(translated: np.ndarray) -> float:
    """What both sides show: the root mean square of translated rows about their mean."""
    return float(np.sqrt(np.mean((translated - translated.mean(0)) ** 2)))


def by_package(method: str, source: np.ndarray, target: np.ndarray) -> float:
    """A fit by NumPy (irp, linear), SciPy (ortho) or scikit-learn (ridge), and what it does to the first rows."""
    if method == "irp":
        backwards = np.linalg.lstsq(directions(target), directions(source), rcond=RCOND)[0]
        found = directions(source)[:SHOWN] @ backwards.T
        return size(found * np.linalg.norm(target - target.mean(0), axis=1).mean())
    p, q = standard(source), standard(target)
    if method == "linear":
        matrix = np.linalg.lstsq(p, q, rcond=None)[0]
    elif method == "ridge":
        from sklearn.linear_model import Ridge

        matrix = Ridge(PENALTY * len(p), fit_intercept=False).fit(p, q).coef_.T
    else:
        from scipy.linalg import orthogonal_procrustes

        width = max(p.shape[1], q.shape[1])
        p, padded = (np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (p, q))
        matrix = orthogonal_procrustes(p, padded)[0][:, : q.shape[1]]
    return size((p[:SHOWN] @ matrix) * target.std(0))


def bridge(method: str, points: np.ndarray, seed: int, back: bool = False) -> Part:
    """A fit from the wide space to the narrow one, or back; both sides take the same pairs."""
    source, target = spaces(points, seed)[:: -1 if back else 1]

    def ours() -> float:
        found = fit_bridge(source, target, method=method, rcond=RCOND, penalty=PENALTY)
        return size(np.asarray(found(source[:SHOWN])))

    shows = f"root mean square of translated rows, {source.shape[1]} to {target.shape[1]}"
    return Part(partial(by_package, method, source, target), ours, shows, source.shape)


def file_of_vectors(points: np.ndarray, seed: int) -> Part:
    """A .npy file of ten times as many vectors, from the narrow space to the wide one; NumPy maps both files."""
    wide, narrow = spaces(points, seed)
    found = fit_bridge(narrow, wide, method="ridge")
    folder = tempfile.TemporaryDirectory()
    source, target = Path(folder.name) / "narrow.npy", Path(folder.name) / "wide.npy"
    vectors = np.lib.format.open_memmap(source, "w+", np.float32, (10 * len(narrow), narrow.shape[1]))
    for start in range(0, len(vectors), len(narrow)):
        vectors[start : start + len(narrow)] = narrow

    def last() -> float:
        return size(np.load(target, mmap_mode="r")[-SHOWN:])

    def ours() -> float:
        translate_file(found, source, target)
        return last()

    def reference() -> float:
        mean, matrix, end = (np.asarray(each) for each in (found.source_mean, found.matrix, found.target_mean))
        read = np.load(source, mmap_mode="r")
        written = np.lib.format.open_memmap(target, "w+", np.float32, (len(read), matrix.shape[1]))
        for start in range(0, len(read), BLOCK):
            written[start : start + BLOCK] = (read[start : start + BLOCK] - mean) @ matrix + end
        written.flush()
        return last()

    finalize(ours, folder.cleanup)
    return Part(reference, ours, "root mean square of the last rows", vectors.shape)
