"""The spread study of arXiv 2212.08172: ten measures of seven synthetic distributions, drawn as published."""

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs.lists import numbers
from configs.schema import SpreadStudy
from geojax import plots
from geojax.errors import InputError
from geojax.measures import Measure, check_convention, select
from geojax.measures.axes import partition_range
from geojax.ops.threads import one_blas_thread
from geojax.runtime import records
from geojax.runtime.progress import ProgressLine
from geojax.typing import Key, Points, Scalar

MEASURES = (
    "average_cosine_similarity",
    "partition_ratio",
    "pc_ratio",
    "eee",
    "vrm",
    "koleo",
    "knn_overlap",
    "kl_gaussian",
    "kl_discrete",
    "kl_empirical",
)
POINTS_PER_DIMENSION = 250
COMPILING = 100**3  # a guess: the work of compiling for a new d, where measuring a cloud of 250 d points is d^3
Generator = np.random.RandomState


def run(config: SpreadStudy, workdir: Path) -> None:
    """Writes each row to `spread_study.jsonl` when it is done, then `spread_study.csv` and `spread_study.svg`."""
    dims = dimensions(config.dims)
    check_convention(config.convention)
    if not 0 <= config.seed < 2**32:
        raise InputError(f"seed is {config.seed}: NumPy's legacy generator takes 0 to 2^32 - 1")
    settings = {"convention": config.convention, "seed": config.seed, "versions": records.versions()}
    path = workdir / "spread_study.jsonl"
    known = {
        (record["distribution"], record["dim"]): record
        for record in records.read_lines(path, ("distribution", "dim", "values", "partition_range", "settings"))
        if record["settings"] == settings
    }
    clouds = [(name, d) for d in dims for name in DISTRIBUTIONS]
    missing = [cloud for cloud in clouds if cloud not in known]
    before = [None, *(d for _, d in missing)]  # the clouds of a dimension follow each other
    work = [d**3 + COMPILING * (d != last) for (_, d), last in zip(missing, before, strict=False)]
    with ProgressLine("measuring", "distributions") as moved:
        for place, (name, d) in enumerate(missing):
            ahead = sum(work[place:]) / sum(work[:place]) if place else None
            moved(len(clouds) - len(missing) + place, len(clouds), ahead=ahead)
            start = time.perf_counter()
            values, signs = measure(name, d, config.convention, config.seed)
            record = {"distribution": name, "dim": d, "values": values, "partition_range": signs}
            records.append(path, record | {"settings": settings, "seconds": time.perf_counter() - start})
            known[name, d] = records.plain(record)
            logging.info("%-19s d = %-4d %.1f s", name, d, time.perf_counter() - start)
    found = [known[cloud] for cloud in clouds]
    rows = [{"distribution": row["distribution"], "dim": row["dim"], **row["values"]} for row in found]
    records.write_atomic(workdir / "spread_study.svg", plots.spread_by_distribution(found))
    records.write_table(workdir / "spread_study.csv", rows, ("distribution", "dim", *MEASURES))
    logging.info("%s: %d rows", workdir / "spread_study.csv", len(rows))


def dimensions(text: str) -> tuple[int, ...]:
    """The distinct dimensions in a comma list; an InputError where one is no whole number of at least 2."""
    dims = numbers(text)
    for d in dims:
        if not (math.isfinite(d) and d == int(d) and d >= 2):
            raise InputError(f"dims has {d:g}: a dimension is a whole number of at least 2, as in 2,10,50")
    if not dims:
        raise InputError("dims is empty: name at least one dimension, as in 2,10,50")
    return tuple(dict.fromkeys(map(int, dims)))


def measure(name: str, d: int, convention: str, seed: int) -> tuple[dict[str, float], tuple[float, float]]:
    """Every measure of one distribution, and the range of I(V) over the signs of the principal axes."""
    cloud = DISTRIBUTIONS[name](Generator(seed), POINTS_PER_DIMENSION * d, d)
    points = jnp.asarray(cloud, jnp.float32)
    options = references(*cloud.shape, seed) if convention == "paper" else {}
    with one_blas_thread():
        values = {
            row.name: _decimal(_value(row, convention, points, jax.random.key(seed), options.get(row.name, {})))
            for row in select(MEASURES)
        }
        low, high = map(_decimal, jax.jit(partition_range)(points))
    return values, (low, high)


@partial(jax.jit, static_argnames=("row", "convention"))
def _value(row: Measure, convention: str, points: Points, key: Key, options: dict[str, Any]) -> Scalar:
    return row.function(points, convention=convention, key=key, **options)


def _decimal(value: Scalar) -> float:
    """The shortest decimal of a float32: further digits are no digits of the measure."""
    return float(str(np.float32(value)))


def references(n: int, d: int, seed: int) -> dict[str, dict[str, Any]]:
    """The random references of the published numbers, by measure: an order of the rows, then five normal samples."""
    generator = Generator(seed)
    order = np.arange(n)
    generator.shuffle(order)  # the published code shuffles the rows themselves, with the same draws
    vrm, koleo, gaussian, discrete, empirical = (generator.normal(size=(n, d)) for _ in range(5))
    return {
        "average_cosine_similarity": {"order": jnp.asarray(order)},
        "vrm": {"total_variance": float(vrm.var(0, ddof=1).sum())},
        "koleo": {"reference": jnp.asarray(koleo, jnp.float32)},
        "kl_gaussian": {"total_variance": float(gaussian.var(0, ddof=1).sum())},
        "kl_discrete": {"reference": jnp.asarray(discrete, jnp.float32)},
        "kl_empirical": {"reference": jnp.asarray(empirical, jnp.float32)},
    }


def sphere(generator: Generator, n: int, d: int) -> np.ndarray:
    """Points uniform in the unit ball, [n, d]."""
    radius = generator.uniform(0, 1, n) ** (1 / d)
    return radius[:, None] * directions(generator, n, d)


def shell(generator: Generator, n: int, d: int) -> np.ndarray:
    """Points uniform on the unit sphere, [n, d]."""
    return directions(generator, n, d)


def nested_shell(generator: Generator, n: int, d: int) -> np.ndarray:
    """Half of the points at radius 1/2, half at radius 1."""
    radius = np.repeat([0.5, 1.0], [n // 2, n - n // 2])
    return radius[:, None] * directions(generator, n, d)


def cone(generator: Generator, n: int, d: int) -> np.ndarray:
    """Points in a cone about the first axis, of half-angle 1 / sqrt(d)."""
    height = generator.uniform(0, 1, n) ** (1 / d)
    radius = generator.uniform(0, height * np.tan(1 / np.sqrt(d))) ** (1 / (d - 1))
    return np.column_stack([height, radius[:, None] * directions(generator, n, d - 1)])


def symmetric_clusters(generator: Generator, n: int, d: int) -> np.ndarray:
    """Pairs of equal normal clusters at mu and -mu."""
    return clusters(generator, n, d, lambda mu: (mu, -mu, POINTS_PER_DIMENSION // 2))


def uneven_clusters(generator: Generator, n: int, d: int) -> np.ndarray:
    """Pairs of normal clusters at mu and -mu, a random share of the points in the first."""
    return clusters(generator, n, d, lambda mu: (mu, -mu, generator.choice(POINTS_PER_DIMENSION)))


def shifted_clusters(generator: Generator, n: int, d: int) -> np.ndarray:
    """Pairs of equal normal clusters, moved apart at random."""

    def pair(mu: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        first = mu + generator.uniform(-1, 0, d)
        return first, -mu + generator.uniform(0, 1, d), POINTS_PER_DIMENSION // 2

    return clusters(generator, n, d, pair)


def clusters(generator: Generator, n: int, d: int, pair: Callable) -> np.ndarray:
    """Two clusters for each of d centres: `pair(mu)` gives the two centres and the size of the first cluster."""
    deviation = min(1 / d, 0.2)
    found = []
    for mu in generator.uniform(-1, 1, (d, d)):
        first, second, size = pair(mu)
        found += [generator.normal(first, deviation, (size, d))]
        found += [generator.normal(second, deviation, (n // d - size, d))]
    return np.concatenate(found)


def directions(generator: Generator, n: int, d: int) -> np.ndarray:
    """Uniform unit vectors, [n, d]."""
    vectors = generator.normal(size=(n, d))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


DISTRIBUTIONS = {
    function.__name__: function
    for function in (sphere, shell, nested_shell, cone, symmetric_clusters, uneven_clusters, shifted_clusters)
}
