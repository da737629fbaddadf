"""Parts of the benchmark that train in-context learners: two streams, one masked sequence, and PyTorch.

All sides take the same steps from the same parameters: 128 pairs and 128 queries, full width, a smaller batch.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark import peers
from experiments.benchmark.timing import Part
from geojax.in_context.blocks import Block, Layer, attend, unchanged
from geojax.in_context.models import Apply, Outputs, make_apply, merged
from geojax.in_context.sizes import Size, size_of
from geojax.in_context.tasks import TASKS
from geojax.in_context.train import OF_BATCHES, begin, keys_of, take_steps, training_batch

PAIRS = 128
BATCH = 16
STEPS = 2
LINEAR = TASKS["linear"]


@dataclass(frozen=True)
class Masked(Apply):
    """`implicit` and `transformer` as one sequence of all tokens, with a mask of who attends to whom."""

    def __call__(self, params, context, mask, queries, *, latent=None, constants=(), hook=unchanged) -> Outputs:
        """The same outputs; no hook is called."""
        model = merged(self, params)
        rows, pairs = model.token(context), context.shape[1]
        if self.model == "implicit":
            empty = jnp.zeros((*queries.shape[:-1], self.task.y_dim), queries.dtype)
            others = model.token(jnp.concatenate([queries, empty], axis=-1)) + model.learned[...]
        else:
            others = jnp.broadcast_to(model.learned[...], (len(context), 1, self.width))
        rows = jnp.concatenate([rows, others], axis=1)
        seen = jnp.concatenate([mask, jnp.zeros(others.shape[:2], bool)], axis=1)
        rows = full_attention(model.reader, rows, jnp.broadcast_to(seen[:, None], (*rows.shape[:2], rows.shape[1])))
        z = None if self.model == "implicit" else rows[:, pairs]
        if z is not None:
            rows = jnp.concatenate([z[:, None], model.question(queries)], axis=1)
            seen = jnp.eye(rows.shape[1], dtype=bool).at[:, 0].set(True)
            rows = full_attention(model.predictor, rows, jnp.broadcast_to(seen, (len(rows), *seen.shape)))
            pairs = 1
        return Outputs(model.head(rows[:, pairs:]), z, None, (Layer(rows[:, pairs:], rows[:, :pairs]),))


def full_attention(blocks: list[Block], rows: jax.Array, seen: jax.Array) -> jax.Array:
    """Rows through blocks in which every row attends to the rows that its row of `seen` marks."""
    bias = jnp.where(seen, 0.0, jnp.finfo(jnp.float32).min)[:, None]
    for block in blocks:
        rows = block.finish(rows, attend(*block.maps(rows), bias))
    return rows


def sizes(model: str, seed: int) -> tuple[Apply, Size, Any]:
    """The model, the numbers of its training, and the key of its batches."""
    size = size_of("full", LINEAR, n_min=PAIRS, batch=BATCH)
    return make_apply(LINEAR, model), size, keys_of((seed,), OF_BATCHES)


def forms(model: str, seed: int) -> Part:
    """Training steps with one masked sequence and with two streams; each call goes on from the last one's state."""
    apply, size, keys = sizes(model, seed)

    def steps(apply: Apply) -> Callable[[], float]:
        held = list(begin(apply, size, (seed,))[:2])

        def run() -> float:
            last = held[0].step[0] + STEPS
            held[0], held[1], summed = take_steps(apply, size, "same", STEPS, *held, keys, (), last)
            return float(summed[0]) / STEPS

        return run

    reference, ours = steps(Masked(**{name: getattr(apply, name) for name in asdict(apply)})), steps(apply)
    reference()  # compiles, and takes as many steps as ours, whose first call is not timed
    return Part(reference, ours, "mean loss", (STEPS * BATCH * 2 * PAIRS, apply.width))


def beside_torch(model: str, seed: int) -> Part:
    """Training steps by PyTorch, with two streams too, and by us; PyTorch's batches are drawn beforehand."""
    apply, size, keys = sizes(model, seed)
    begun = jax.device_get(begin(apply, size, (seed,)).state.params)
    reference, ours = _torch(apply, size, jax.tree.map(lambda leaf: leaf[0], begun), keys[0]), forms(model, seed).ours
    reference()
    return Part(reference, ours, "mean loss", (STEPS * BATCH * 2 * PAIRS, apply.width))


def _torch(apply: Apply, size: Size, params: dict[str, Any], key: jax.Array) -> Callable[[], float]:
    """The steps of PyTorch: the same model and parameters, and Adam."""
    import torch
    from torch.nn import functional

    weights = jax.tree.map(lambda leaf: torch.tensor(leaf, device=peers.device(), requires_grad=True), params)
    optimizer = torch.optim.Adam(jax.tree.leaves(weights), lr=size.learning_rate)
    draw = jax.jit(lambda key, step: training_batch(LINEAR, size, "same", jax.random.fold_in(key, step), ())[0])
    done = [0]

    def linear(part: dict[str, Any], rows: Any) -> Any:
        return rows @ part["kernel"] + part["bias"]

    def maps(block: dict[str, Any], rows: Any) -> list[Any]:
        parts = linear(block["attention"], rows).chunk(3, dim=-1)
        return [part.unflatten(-1, (apply.heads, -1)).transpose(1, 2) for part in parts]

    def finish(block: dict[str, Any], rows: Any, mixed: Any) -> Any:
        def norm(name: str, rows: Any) -> Any:
            return functional.layer_norm(rows, rows.shape[-1:], block[name]["scale"], block[name]["bias"], 1e-5)

        rows = norm("attention_norm", rows + linear(block["output"], mixed.transpose(1, 2).flatten(2)))
        return norm("norm", rows + linear(block["contract"], torch.relu(linear(block["expand"], rows))))

    def read(queries: Any, context: Any) -> Any:
        for _, block in sorted(weights["reader"].items()):
            (asking, _, _), (asked, keys, values) = maps(block, queries), maps(block, context)
            context = finish(block, context, functional.scaled_dot_product_attention(asked, keys, values))
            queries = finish(block, queries, functional.scaled_dot_product_attention(asking, keys, values))
        return queries

    def answered(context: Any, queries: Any) -> Any:
        rows, learned = linear(weights["token"], context), weights["learned"]
        if apply.model == "implicit":
            empty = torch.zeros_like(queries[..., :1])
            return linear(
                weights["head"], read(linear(weights["token"], torch.cat([queries, empty], -1)) + learned, rows)
            )
        row, queries = read(learned.expand(len(rows), 1, -1), rows), linear(weights["question"], queries)
        for _, block in sorted(weights["predictor"].items()):
            (asking, keys, values), (_, key, value) = maps(block, queries), maps(block, row)
            scores = (asking * (key - keys)).sum(-1, keepdim=True) * asking.shape[-1] ** -0.5
            row, queries = (
                finish(block, row, value),
                finish(block, queries, values + scores.sigmoid() * (value - values)),
            )
        return linear(weights["head"], queries)

    def run() -> float:
        losses = []
        for _ in range(STEPS):
            found = draw(key, done[0])
            context, queries, answers = (
                torch.tensor(np.asarray(array), device=peers.device())
                for array in (found.context, found.queries, found.answers)
            )
            loss = ((answered(context, queries) - answers) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            done[0] += 1
        return float(np.mean(losses))

    return run
