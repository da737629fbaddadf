"""Costs of work units before they run: parameters, operations, memory, and the least time."""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from geojax.data import tasks
from geojax.data.encoded import EncodedTask
from geojax.data.task_data import TaskData, subset
from geojax.models import Apply, Model, make_apply, shapes
from geojax.representations import forward
from geojax.runtime.progress import duration, table
from geojax.training.finetune import dropout_key
from geojax.training.memory import size
from geojax.training.parts import in_training, parts
from geojax.training.settings import Settings, rows_at_once
from geojax.training.step import init_state

SAMPLE = 1000  # random examples of a split whose lengths represent the split
LONG = 60.0  # seconds from which on a run is announced
SLOWEST = 1e9  # operations a second that any machine does
SAMPLING_COPIES = 2  # of the parameters: without and with noise


class Cost(NamedTuple):
    """The cost of a unit of work.

    Attributes:
      parameters: number of parameters of the model.
      operations: floating-point operations of the matrix products of the encoder's layers, without padding; a
        multiplication and an addition are two.
      memory: bytes at once of parameters, gradients, moments and the residuals of the backward pass, without the
        program.
    """

    parameters: int
    operations: float
    memory: int

    def times(self, members: int) -> "Cost":
        """The cost of `members` models of this kind at once; `parameters` stays that of one."""
        return Cost(self.parameters, members * self.operations, members * self.memory)


def products(config: Any, lengths: np.ndarray) -> float:
    """Operations of the matrix products of a forward pass over sequences of these lengths, without padding."""
    tokens, width = lengths.astype(float), config.hidden_size
    queries, keys = (heads * config.head_width for heads in (config.num_attention_heads, config.key_value_heads))
    kernels = width * (2 * queries + 2 * keys + (2 + config.architecture.gated) * config.intermediate_size)
    layer = 2 * tokens * kernels + 4 * tokens**2 * queries
    return config.num_hidden_layers * float(layer.sum())


def training(model: Model, data: TaskData, settings: Settings) -> Cost:
    """The cost of fine-tuning a model on a task and scoring it; a backward pass counts as two forward passes."""
    apply = make_apply(model.config, data.task.head, data.task.num_labels)
    parameters, operations = shapes(apply), 0.0
    for split, passes in ((data.train, 3 * settings.epochs), *((split, 1) for split in data.dev.values())):
        chosen = subset(split, SAMPLE, settings.seed)
        some = tasks.encode(data.task, model.tokenizer, chosen, settings.max_length, allow_unknown=True)
        operations += passes * products(model.config, some.lengths) * len(split) / some.examples
    trained, frozen = jax.eval_shape(lambda params: parts(apply, params, settings)[1:3], parameters)
    state = jax.eval_shape(partial(init_state, method=settings.optimizer), trained)
    copies = size(state) + size(trained) + size(parameters)  # trained, moments; summed gradients; base parameters
    held = copies + backward(in_training(apply, settings), trained, settings.rows_at_once, settings.max_length, frozen)
    return Cost(count(parameters), operations, held)


def pretraining(apply: Apply, steps: int, rows: int, length: int) -> Cost:
    """The cost of `steps` steps of AdamW on `rows` windows of full length, without that of the head."""
    parameters = shapes(apply)
    state = jax.eval_shape(partial(init_state, method="adamw"), parameters)
    held = size(state) + size(parameters) + backward(apply, parameters, rows_at_once(rows, length), length)
    return Cost(count(parameters), pretraining_operations(apply.config, steps, rows, length), held)


def pretraining_operations(config: Any, steps: int, rows: int, length: int) -> float:
    """Operations of the matrix products of so many steps; a backward pass counts as two forward passes."""
    return 3 * steps * products(config, np.full(rows, length))


def forecast(model: Model, data: TaskData, settings: Settings, encoded: EncodedTask) -> str:
    """The least time of a fine-tuning, and its memory, as a sentence; empty where it may take less than a minute.

    The time is that of the matrix products at the speed of a large one on all devices, which no training quite reaches.
    """
    rows = ((encoded.train, 3 * settings.epochs), *((split, 1) for split in encoded.dev.values()))
    operations = sum(passes * products(model.config, split.lengths) for split, passes in rows)
    return announcement(operations, lambda: training(model, data, settings).memory)


def announcement(operations: float, memory: Callable[[], int]) -> str:
    """What a long run takes at the least, as a sentence; empty where it may take less than a minute.

    Args:
      operations: of the run.
      memory: tells the bytes that it needs; called for a long run alone.
    """
    if operations < LONG * SLOWEST or operations < LONG * speed():
        return ""
    return f"{operations:.2g} FLOP {least_time(operations)}, and about {memory() / 1e9:.2g} GB of memory"


def least_time(operations: float) -> str:
    """What so many operations take at the least, as the end of a sentence."""
    taken = duration(operations / speed())
    return f"take {taken} or more at {speed() / 1e9:.0f} GFLOP/s, the speed of matrix products here"


def speed() -> float:
    """The speed of large matrix products on all devices, in operations a second."""
    return peak(1024 if jax.default_backend() == "cpu" else 8192, 2) * jax.device_count()


@cache
def peak(size: int, repeats: int) -> float:
    """The speed of XLA in a product of square float32 matrices on one device, in operations a second, the best one."""
    matrix = jnp.ones((size, size))
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - begun)
    return 2 * size**3 / min(seconds)


def sampling(model: Model, texts: list[str], tokens: str) -> Cost:
    """The cost of sampling a model's latent space; of the measures, only the memory of the cloud and one copy."""
    parameters, encoded = (
        shapes(model.apply),
        forward.encode(model.apply, model.tokenizer, texts, tokens, allow_unknown=True),
    )
    cloud = int(encoded.counts.sum()) * model.config.hidden_size * 4
    held = SAMPLING_COPIES * size(parameters) + 2 * cloud
    return Cost(count(parameters), products(model.config, encoded.lengths), held)


def backward(apply: Any, params: Any, rows: int, length: int, frozen: Any = None) -> int:
    """Bytes of the forward pass that the backward pass keeps, parameters included; traced, not compiled."""
    ids = jax.ShapeDtypeStruct((rows, length), jnp.int32)
    batch = {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids}

    def kept(params: Any, frozen: Any, batch: Any, key: Any) -> Any:
        options = {} if frozen is None else {"frozen": frozen}
        return jax.vjp(lambda params: apply(params, batch, key=key, **options)["logits"].sum(), params)[1]

    key = jax.eval_shape(lambda: dropout_key(0))
    return size(jax.eval_shape(kept, params, frozen, batch, key))


def count(tree: Any) -> int:
    """Number of entries in a tree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def describe(costs: Mapping[str, Cost]) -> str:
    """A table of the units to do, one line a unit, and their total cost."""
    if not costs:
        return "nothing is left to do"
    rows = [
        {"unit": name, "parameters": cost.parameters, "GFLOP": cost.operations / 1e9, "MB": round(cost.memory / 1e6)}
        for name, cost in costs.items()
    ]
    operations, memory = sum(cost.operations for cost in costs.values()), max(cost.memory for cost in costs.values())
    said = f"units: {len(costs)}; {operations:.3g} FLOP {least_time(operations)}; about {memory / 1e9:.2g} GB of memory"
    return f"{table(rows)}\n{said} at once"
