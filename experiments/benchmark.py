"""Our time beside that of public packages, in turn in one process: faiss, scikit-learn and SciPy on one latent space.

Each part is a pair of functions of the cloud that do the same work; both return a number that shows it.
"""

import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from configs.lists import names
from configs.schema import Benchmark
from experiments import spaces
from geojax import records
from geojax.errors import InputError
from geojax.evaluate import evaluate
from geojax.measures import cells as statistics_of_cells
from geojax.measures import select
from geojax.measures.spread import vrm
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS

COLUMNS = (
    *("part", "n", "d", "reference_seconds", "seconds", "ratio", "compile_seconds"),
    *("reference_value", "value", "shows"),
)
M, K = 4, 256


class Part(NamedTuple):
    """One thing that both sides compute."""

    reference: Callable[[np.ndarray], float]
    ours: Callable[[jax.Array], Any]
    shows: str


def run(config: Benchmark, workdir: Path) -> None:
    """Writes `benchmark.csv`, a row a part, as the parts are done."""
    try:
        import faiss  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise InputError(f"the reference needs {error.name}: pip install '.[peers]'") from error
    if config.repeats < 1:
        raise InputError(f"repeats is {config.repeats}: give 1 or more")
    wanted = names(config.parts)
    if unknown := [name for name in wanted if name not in PARTS]:
        raise InputError(f"part {unknown[0]!r} is unknown: choose some of {', '.join(PARTS)}")
    points = spaces.read_cloud(config.cloud) if config.cloud else generated(config.seed)
    points = np.ascontiguousarray(points, np.float32)
    rows = []
    for name in wanted:
        rows.append(compare(name, PARTS[name](config.seed), points, config.repeats))
        records.write_table(workdir / "benchmark.csv", rows, COLUMNS)
        logging.info(
            "%s: reference %.2f s, ours %.2f s, ratio %.1f (compile %.1f s)",
            *(rows[-1][key] for key in ("part", "reference_seconds", "seconds", "ratio", "compile_seconds")),
        )


def generated(seed: int) -> np.ndarray:
    """Two thousand groups of normal points on axes whose variance falls as 1 / j, in random directions."""
    rng = np.random.default_rng(seed)
    n, d = 116_667, 384
    scale = np.arange(1, d + 1) ** -0.5
    groups = rng.standard_normal((2000, d)) * scale
    points = groups[rng.integers(0, 2000, n)] + 0.8 * rng.standard_normal((n, d)) * scale
    return points @ np.linalg.qr(rng.standard_normal((d, d)))[0]


def compare(name: str, part: Part, points: np.ndarray, repeats: int) -> dict[str, Any]:
    """Runs both sides in turn and takes the median of the ratios."""
    device = jnp.asarray(points)
    start = time.perf_counter()
    with one_blas_thread():
        jax.block_until_ready(part.ours(device))
    first = time.perf_counter() - start
    theirs, ours = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        reference = part.reference(points)
        theirs.append(time.perf_counter() - start)
        start = time.perf_counter()
        with one_blas_thread():
            value = float(part.ours(device))
        ours.append(time.perf_counter() - start)
    return {
        "part": name,
        "n": len(points),
        "d": points.shape[1],
        "reference_seconds": statistics.median(theirs),
        "seconds": statistics.median(ours),
        "ratio": statistics.median(a / b for a, b in zip(theirs, ours, strict=True)),
        "compile_seconds": max(first - statistics.median(ours), 0.0),
        "reference_value": reference,
        "value": value,
        "shows": part.shows,
    }


def faiss_codes(kind: str, points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes Int[n, M] and reconstructions by the quantizers of faiss, with their defaults, trained on all points."""
    import faiss

    d = points.shape[1]
    if kind == "pq":
        quantizer = faiss.ProductQuantizer(d, M, 8)
        quantizer.cp.seed, quantizer.cp.max_points_per_centroid = 1234 + seed, len(points)
    else:
        quantizer = faiss.LocalSearchQuantizer(d, M, 8)
        quantizer.random_seed = 1234 + seed
    quantizer.train(points)
    packed = quantizer.compute_codes(points)
    return packed[:, :M].astype(int), quantizer.decode(packed)


def share_lost(points: np.ndarray, decoded: np.ndarray) -> float:
    """Reconstruction error of the convention "standard"."""
    return float(((points - decoded) ** 2).sum() / ((points - points.mean(0)) ** 2).sum())


def enrichment(points: np.ndarray) -> float:
    """EEE of the points by scikit-learn's principal components, to 4 decimals."""
    from sklearn.decomposition import PCA

    values = PCA().fit(points).explained_variance_[: min(points.shape)]
    total = np.cumsum(values)
    excess = total - np.arange(1, len(values) + 1) * total[-1] / len(values)
    return round(float(np.trapezoid(excess) / (len(values) * total[-1] / 2)), 4)


def cells_by_sklearn(points: np.ndarray, codes: np.ndarray) -> float:
    """Mean EEE over the cells with more than one distinct point."""
    values = []
    for column in codes.T:
        for cell in range(K):
            members = np.unique(points[column == cell], axis=0)
            if len(members) > 1:
                values.append(enrichment(members))
    return float(np.mean(values))


def vrm_by_scipy(points: np.ndarray) -> float:
    """VRM of the convention "standard", which is that of "paper" but for a random factor near 1."""
    from scipy.stats import differential_entropy
    from sklearn.decomposition import PCA

    scores = PCA().fit_transform(points)
    scores *= np.sqrt(points.shape[1] / scores.var(0, ddof=1).sum())
    return float(np.mean((1 - np.exp(differential_entropy(scores)) / np.sqrt(2 * np.pi * np.e)) ** 2))


def study_by_peers(points: np.ndarray, seed: int) -> float:
    """The nineteen measures of arXiv 2406.12159, "paper"; returns the patchiness of the local-search quantizer."""
    from scipy.spatial.distance import cdist
    from scipy.stats import skew

    for kind in ("pq", "lsq"):
        codes, decoded = faiss_codes(kind, points, seed)
        share_lost(points, decoded)
        distances = np.linalg.norm(points - decoded, axis=1)
        distances /= distances.max()
        np.subtract(*np.percentile(distances, [75, 25])), skew(distances)
        counts = np.stack([np.bincount(column, minlength=K) for column in codes.T])
        shares = counts / len(points)
        np.var(shares / (1 - shares) * (K - 1), axis=1).mean()
        entries = [np.stack([decoded[column == cell].mean(0) for cell in np.unique(column)]) for column in codes.T]
        [np.partition(cdist(book, book, "sqeuclidean"), 1, axis=1)[:, 1] for book in entries]
        mean = counts.sum() / K
        patchiness = 1 + (counts.var() / mean - 1) / mean
        cells_by_sklearn(points, codes)
    enrichment(points), vrm_by_scipy(points)
    values = np.linalg.eigvalsh(np.cov(points.T))
    (values.sum() ** 2 / (values**2).sum() - 1) / (len(values) - 1)
    return float(patchiness)


def quantizing(kind: str, seed: int) -> Part:
    """Training and encoding; shows the reconstruction error."""
    quantizer = QUANTIZERS[kind]

    @jax.jit
    def ours(points: jax.Array) -> jax.Array:
        return statistics_of_cells.reconstruction_error(
            quantizer.cells(quantizer.fit(points, jax.random.key(seed)), points)
        )

    return Part(lambda points: share_lost(points, faiss_codes(kind, points, seed)[1]), ours, "reconstruction error")


def cell_part(seed: int) -> Part:
    """EEE of the cells of one product quantizer, ours, which both sides are given."""
    cells = []

    def given(points: np.ndarray) -> Any:
        if not cells:
            pq = QUANTIZERS["pq"]
            cells.append(jax.jit(lambda x: pq.cells(pq.fit(x, jax.random.key(seed)), x))(jnp.asarray(points)))
        return cells[0]

    measure = jax.jit(partial(statistics_of_cells.cell_eee, convention="paper"))
    return Part(
        lambda points: cells_by_sklearn(points, np.asarray(given(points).codes)),
        lambda points: measure(given(points)),
        "mean EEE of the cells",
    )


def study(seed: int) -> Part:
    """All measures of the study."""

    def ours(points: jax.Array) -> float:
        found = evaluate(points, select("study"), jax.random.key(seed), convention="paper", groups=0)
        return next(result.value for result in found.results if result.measure == "lsq_patchiness")

    return Part(partial(study_by_peers, seed=seed), ours, "LSQ patchiness")


PARTS: dict[str, Callable[[int], Part]] = {
    "pq": partial(quantizing, "pq"),
    "lsq": partial(quantizing, "lsq"),
    "cell_eee": cell_part,
    "vrm": lambda seed: Part(vrm_by_scipy, jax.jit(vrm), "VRM"),
    "all": study,
}
