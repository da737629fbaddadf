"""The parts of the benchmark: computations that geojax and a public package both do, or two forms of ours.

The two functions of a part return a number that shows that they did the same work.
"""

import statistics
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs.schema import Benchmark
from experiments.benchmark import alignment, dimension, finetuning, homology, in_context, peers, regressions
from experiments.benchmark.timing import Part
from geojax import representations
from geojax.api import sources
from geojax.evaluation import evaluate
from geojax.measures import cells as statistics_of_cells
from geojax.measures import select
from geojax.measures.spread import vrm
from geojax.models import load, resolve
from geojax.quantizers import QUANTIZERS
from geojax.sweeps import costs

SPACES = 8


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


def generated(seed: int) -> np.ndarray:
    """Two thousand groups of normal points on axes whose variance falls as 1 / j, in random directions."""
    rng = np.random.default_rng(seed)
    n, d = 116_667, 384
    scale = np.arange(1, d + 1) ** -0.5
    groups = rng.standard_normal((2000, d)) * scale
    points = groups[rng.integers(0, 2000, n)] + 0.8 * rng.standard_normal((n, d)) * scale
    return points @ np.linalg.qr(rng.standard_normal((d, d)))[0]


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
    return Part(lambda: peers.vrm(inputs.points), lambda: vrm(inputs.cloud), "VRM", (n, d), 4 * n * d * min(n, d))


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
    rows = tuple(row for row in select("study") if not row.by_host(stack[0, :2]))

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
    name, texts = inputs.config.model, sources.sequences(inputs.config.sequences)
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


PARTS: dict[str, Callable[[Inputs], Part]] = {
    "pq": partial(quantizing, "pq"),
    "lsq": partial(quantizing, "lsq"),
    "cell_eee": cell_part,
    "vrm": vrm_part,
    "all": study,
    "eight": eight,
    "two_nn": lambda inputs: dimension.two_neighbours(inputs.points),
    "homology": lambda inputs: homology.neighbourhoods(inputs.points, inputs.config.seed),
    "bridge_irp": lambda inputs: alignment.bridge("irp", inputs.points, inputs.config.seed),
    "bridge_irp_back": lambda inputs: alignment.bridge("irp", inputs.points, inputs.config.seed, back=True),
    "bridge_ridge": lambda inputs: alignment.bridge("ridge", inputs.points, inputs.config.seed),
    "bridge_ortho": lambda inputs: alignment.bridge("ortho", inputs.points, inputs.config.seed),
    "bridge_linear": lambda inputs: alignment.bridge("linear", inputs.points, inputs.config.seed),
    "translate": lambda inputs: alignment.file_of_vectors(inputs.points, inputs.config.seed),
    "sampling": partial(model_cloud, 1),
    "sampling_batched": partial(model_cloud, 32),
    "bootstrap": lambda inputs: regressions.bootstrap(inputs.config.seed),
    "finetune_padded": lambda inputs: finetuning.beside_torch(inputs.config, padded=True),
    "finetune_longest": lambda inputs: finetuning.beside_torch(inputs.config, padded=False),
    "population": lambda inputs: finetuning.populations(inputs.config),
    "pretrain": lambda inputs: finetuning.pretraining(inputs.config),
    "in_context_implicit": lambda inputs: in_context.forms("implicit", inputs.config.seed),
    "in_context_transformer": lambda inputs: in_context.forms("transformer", inputs.config.seed),
    "in_context_torch": lambda inputs: in_context.beside_torch("implicit", inputs.config.seed),
}
