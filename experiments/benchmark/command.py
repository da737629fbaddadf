"""Times geojax and public packages (faiss, scikit-learn, SciPy, PyTorch) in turn in one process.

Each part is a pair of functions that do the same work; both return a number that shows that they did.
"""

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from configs.lists import names
from configs.schema import Benchmark
from experiments.benchmark import finetuning, peers, regressions, start
from experiments.common import sampling
from geojax import representations
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.measures import cells as statistics_of_cells
from geojax.measures import select
from geojax.measures.spread import vrm
from geojax.models import load, resolve
from geojax.ops.threads import one_blas_thread
from geojax.quantizers import QUANTIZERS
from geojax.runtime import records
from geojax.runtime.progress import table
from geojax.sweeps import costs

COLUMNS = (
    *("part", "n", "d", "reference_seconds", "seconds", "ratio", "compile_seconds", "share_of_peak"),
    *("reference_value", "value", "shows"),
)
SPACES = 8


class Part(NamedTuple):
    """A computation that both sides do.

    Attributes:
      reference, ours: the two functions that are timed.
      shows: the meaning of the numbers that both return.
      shape: number of points and their width.
      flops: floating-point operations of the matrix products that ours needs; None if other work is the cost.
    """

    reference: Callable[[], float]
    ours: Callable[[], Any]
    shows: str
    shape: tuple[int, int]
    flops: float | None = None


class Inputs:
    """The inputs of the parts, each read or generated when a part first needs it."""

    def __init__(self, config: Benchmark):
        self.config = config
        self.key = jax.random.key(config.seed)

    @cached_property
    def points(self) -> np.ndarray:
        """The latent space, float32 [n, d]."""
        points = representations.read_cloud(self.config.cloud) if self.config.cloud else generated(self.config.seed)
        return np.ascontiguousarray(points, np.float32)

    @cached_property
    def cloud(self) -> jax.Array:
        """The latent space on the device."""
        return jnp.asarray(self.points)


def run(config: Benchmark, workdir: Path) -> None:
    """Writes `start.csv`, a row a kind of process, and `benchmark.csv`, a row a part, after each part.

    Raises:
      InputError: an unknown part, a number below 1, or a package of the reference that is not installed.
    """
    wanted = names(config.parts) or ("start", *PARTS)
    if unknown := [name for name in wanted if name not in ("start", *PARTS)]:
        raise InputError(f"part {unknown[0]!r} is unknown: choose some of start, {', '.join(PARTS)}")
    for name in ("repeats", "members"):
        if getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name)}: give 1 or more")
    parts = [name for name in wanted if name != "start"]
    if parts:
        need_peers()
    if "start" in wanted:
        found = start.rows(config.repeats, config.seed)
        records.write_table(workdir / "start.csv", found, start.COLUMNS)
        print(table(found))
    if parts:
        run_parts(config, parts, workdir)


def need_peers() -> None:
    """Raises InputError if a package of the reference is not installed."""
    try:
        import faiss  # noqa: F401
        import sklearn  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(f"the reference needs {error.name}: pip install '.[peers]'") from error


def run_parts(config: Benchmark, wanted: Sequence[str], workdir: Path) -> None:
    """Writes `benchmark.csv`, a row a part, after each part."""
    inputs, rows = Inputs(config), []
    speed = peak()
    logging.info("products of float32 matrices run at %.0f GFLOP/s", speed / 1e9)
    for name in wanted:
        rows.append({"part": name, **compare(PARTS[name](inputs), config.repeats, speed)})
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


def peak() -> float:
    """The speed of XLA in a large product of square float32 matrices, in operations a second, the best of ten."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    matrix = jnp.ones((size, size))
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    return 2 * size**3 / min(timed(lambda: product(matrix, matrix).block_until_ready())[0] for _ in range(10))


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that a call takes, and its result."""
    begun = time.perf_counter()
    found = function()
    return time.perf_counter() - begun, found


def compare(part: Part, repeats: int, speed: float) -> dict[str, Any]:
    """Runs both sides in turn and returns a row of the table, with the median of the ratios."""
    with one_blas_thread():
        first, _ = timed(lambda: float(part.ours()))
    theirs, ours = [], []
    for _ in range(repeats):
        seconds, reference = timed(part.reference)
        theirs.append(seconds)
        with one_blas_thread():
            seconds, value = timed(lambda: float(part.ours()))
        ours.append(seconds)
    seconds = statistics.median(ours)
    return {
        "n": part.shape[0],
        "d": part.shape[1],
        "reference_seconds": statistics.median(theirs),
        "seconds": seconds,
        "ratio": statistics.median(a / b for a, b in zip(theirs, ours, strict=True)),
        "compile_seconds": max(first - seconds, 0.0),
        "share_of_peak": part.flops / seconds / speed if part.flops else None,
        "reference_value": reference,
        "value": value,
        "shows": part.shows,
    }


def quantizing(kind: str, inputs: Inputs) -> Part:
    """Training a quantizer and encoding; shows the reconstruction error."""
    quantizer = QUANTIZERS[kind]
    points, cloud, seed = inputs.points, inputs.cloud, inputs.config.seed

    @jax.jit
    def ours(points: jax.Array) -> jax.Array:
        cells = quantizer.cells(quantizer.fit(points, inputs.key), points)
        return statistics_of_cells.reconstruction_error(cells)

    passes = quantizer.PASSES + 1 if kind == "lsq" else (quantizer.ITERATIONS + 1) / peers.M
    return Part(
        lambda: peers.share_lost(points, peers.codes(kind, points, seed)[1]),
        lambda: ours(cloud),
        "reconstruction error",
        points.shape,
        passes * 2 * points.size * peers.M * peers.K,
    )


def cell_part(inputs: Inputs) -> Part:
    """EEE of the cells of one product quantizer; both sides get the cells of our quantizer."""
    pq = QUANTIZERS["pq"]
    cells = jax.jit(lambda x: pq.cells(pq.fit(x, inputs.key), x))(inputs.cloud)
    measure = jax.jit(partial(statistics_of_cells.cell_eee, convention="paper"))
    return Part(
        lambda: peers.cell_enrichment(inputs.points, np.asarray(cells.codes)),
        lambda: measure(cells),
        "mean EEE of the cells",
        inputs.points.shape,
    )


def vrm_part(inputs: Inputs) -> Part:
    """VRM, by products for the covariance and for the scores, and a sort."""
    n, d = inputs.points.shape
    ours = jax.jit(vrm)
    return Part(lambda: peers.vrm(inputs.points), lambda: ours(inputs.cloud), "VRM", (n, d), 4 * n * d * min(n, d))


def study(inputs: Inputs) -> Part:
    """All measures of the study."""

    def ours() -> float:
        return lsq_patchiness(evaluate(inputs.cloud, select("study"), inputs.key, convention="paper", groups=0))

    reference = partial(peers.study, inputs.points, inputs.config.seed)
    return Part(reference, ours, "LSQ patchiness", inputs.points.shape)


def lsq_patchiness(evaluation: Any) -> float:
    """The value of `lsq_patchiness` in an evaluation."""
    return next(result.value for result in evaluation.results if result.measure == "lsq_patchiness")


def eight(inputs: Inputs) -> Part:
    """Eight spaces of n / 8 points in one compiled call, by the measures that need no work of the host.

    The reference is eight calls of ours.
    """
    n = len(inputs.points) // SPACES
    stack = inputs.cloud[: n * SPACES].reshape(SPACES, n, -1)
    rows = tuple(row for row in select("study") if not row.on_host)

    def one(points: jax.Array) -> dict[str, jax.Array]:
        cells = {name: fit.cells(fit.fit(points, inputs.key), points) for name, fit in QUANTIZERS.items()}
        reading = {row.name: cells[row.quantizer] if row.quantizer else points for row in rows}
        return {row.name: row.function(reading[row.name], convention="paper", key=inputs.key) for row in rows}

    ours = jax.jit(lambda stack: jax.lax.map(one, stack))

    def each() -> float:
        found = [evaluate(points, rows, inputs.key, convention="paper", groups=0) for points in stack]
        return statistics.mean(map(lsq_patchiness, found))

    return Part(each, lambda: jnp.mean(ours(stack)["lsq_patchiness"]), "mean LSQ patchiness", stack.shape[1:])


def model_cloud(batch_size: int, inputs: Inputs) -> Part:
    """The last hidden state of every token; PyTorch takes batches of `batch_size` sequences."""
    name, texts = inputs.config.model, sampling.sequences(inputs.config.sequences)
    apply, params, tokenizer, config = load(name)
    layer = config.num_hidden_layers

    def clouds() -> representations.Cloud:
        return representations.sample(apply, params, tokenizer, texts, layers=(layer,))[0]

    index = clouds().sequence_index
    return Part(
        partial(peers.sample, str(resolve(name).folder), texts, batch_size),
        lambda: np.sqrt(np.mean(np.square(clouds().points))),
        "root mean square of the coordinates",
        (len(index), config.hidden_size),
        costs.products(config, np.bincount(index)),
    )


def bootstrap(inputs: Inputs, samples: int = 10_000) -> Part:
    """Bootstrap of the regressions on nineteen measures, without and with a family term."""
    table, reference, ours = regressions.sides(inputs.config.seed, samples)
    return Part(reference, ours, f"mean slope of {samples} samples", table.shape)


def training(padded: bool, inputs: Inputs) -> Part:
    """Steps of fine-tuning; PyTorch pads to the full length, or to the longest row of a batch."""
    reference, ours, shape, flops = finetuning.sides(inputs.config, padded)
    return Part(reference, ours, "last loss, with dropout", shape, flops)


def members(inputs: Inputs) -> Part:
    """Steps of fine-tuning with several seeds as one population; the reference is single runs of ours, in turn."""
    reference, ours, shape, flops = finetuning.populations(inputs.config)
    return Part(reference, ours, "mean last loss, with dropout", shape, flops)


def pretraining(inputs: Inputs) -> Part:
    """Steps of pre-training with micro-batches; the reference is our step on whole batches."""
    reference, ours, shape, flops = finetuning.pretraining(inputs.config)
    return Part(reference, ours, "last loss", shape, flops)


PARTS: dict[str, Callable[[Inputs], Part]] = {
    "pq": partial(quantizing, "pq"),
    "lsq": partial(quantizing, "lsq"),
    "cell_eee": cell_part,
    "vrm": vrm_part,
    "all": study,
    "eight": eight,
    "sampling": partial(model_cloud, 1),
    "sampling_batched": partial(model_cloud, 32),
    "bootstrap": bootstrap,
    "finetune_padded": partial(training, True),
    "finetune_longest": partial(training, False),
    "population": members,
    "pretrain": pretraining,
}
