"""What the training of in-context learners takes, by XLA's count of the operations of one step."""

from functools import partial
from typing import Any

import jax

from geojax.in_context.models import Apply, Params, init
from geojax.in_context.sizes import Size
from geojax.in_context.tasks import Examples
from geojax.in_context.train import adam, objective, training_batch
from geojax.sweeps import costs
from geojax.sweeps.costs import Cost
from geojax.training.step import fresh
from geojax.typing import Scalar


def training(apply: Apply, size: Size, queries: str) -> Cost:
    """The cost of training one model, without its audit; padded pairs and queries count.

    Traced and lowered, not compiled: 1 to 3 s on a CPU.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(partial(init, apply), key)
    constants = jax.eval_shape(apply.task.constants, key)
    batch = jax.eval_shape(partial(training_batch, apply.task, size, queries), key, constants)

    def loss(params: Params, examples: Examples, weights: Any, constants: Any) -> Scalar:
        return objective(params, apply, examples, weights, constants)[0]

    def kept(params: Params, *others: Any) -> Any:
        return jax.vjp(lambda params: loss(params, *others), params)[1]

    step = jax.jit(jax.grad(loss)).lower(params, *batch, constants).cost_analysis()["flops"]
    state = jax.eval_shape(lambda params: fresh(params, adam(size)), params)
    held = costs.size(state) + costs.size(jax.eval_shape(kept, params, *batch, constants))
    return Cost(costs.count(params), size.steps * step, held)
