"""Masked language modelling at a rate that stays constant after its warm-up, with branches in which it falls to 0.

A schedule that falls to 0 at a fixed end makes the number of steps to a loss depend on that end. Here a run has no end:
its parameters at any step are those of every longer run, and a branch says what a run that ends there would give
(Hu et al. 2024, arXiv 2404.06395, section 4).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from geojax.models.apply import Apply, Params
from geojax.training import geometry, pretrain
from geojax.training.masking import Windows
from geojax.training.optimizers import optimizer
from geojax.training.step import LossSums, State, descend, fresh
from geojax.typing import Key, Scalar

DECAY = 0.1  # length of a branch, in steps before it

Term = tuple[Windows, Float[Array, "layers measures"]]  # unmasked windows, and logs of the measures they are to have


def start(params: Params) -> State:
    """The state before the first step, with a copy of the parameters, because a step consumes its state."""
    return fresh(jax.tree.map(jnp.copy, params), _adamw(0.0))


def rate_at(step: int, peak: float, warmup: int) -> float:
    """The learning rate of a step, 0 the first: it rises linearly from 0 during the warm-up, then it is `peak`."""
    return peak * min(1.0, step / max(warmup, 1))


@partial(jax.jit, static_argnames=("apply", "micro_batch"), donate_argnames="state")
def train_step(
    state: State,
    input_ids: Windows,
    key: Key,
    rate: Scalar | float,
    term: Term | None = None,
    *,
    apply: Apply,
    micro_batch: int | None = None,
) -> tuple[State, LossSums]:
    """One step as `pretrain.train_step`, at a rate that is no constant of the program.

    Args:
      state: donated: the caller cannot use it after the call.
      input_ids: one batch of windows.
      key: key of the whole run: the masks of this step come from `fold_in(key, state.step)`.
      rate: learning rate of the step.
      term: `geometry.distance` of these windows to these targets is added to the loss, with weight 1.
      apply: the model's function, with a masked-LM head.
      micro_batch: windows that go through the model at once.
    """
    masks = jax.random.fold_in(key, state.step)
    gradients, sums = pretrain.mean_gradients(state.params, input_ids, masks, apply=apply, micro_batch=micro_batch)
    if term is not None:
        gradients = jax.tree.map(jnp.add, gradients, jax.grad(geometry.distance)(state.params, *term, apply=apply))
    return descend(state, gradients, _adamw(rate)), sums


def branch(state: State, take: Callable[[State, int, float], State], rate: float) -> Params:
    """The parameters behind a branch, in which the rate falls linearly to 0 over a tenth of the steps so far.

    Args:
      state: stays as it is.
      take: runs one step, `take(state, step, rate)`; it consumes the state.
      rate: the rate at the start of the branch.
    """
    first, state = int(state.step), jax.tree.map(jnp.copy, state)
    length = branch_length(first)
    for place in range(length):
        state = take(state, first + place, rate * (1 - place / length))
    return state.params


def branch_length(step: int) -> int:
    """The steps of a branch that leaves a run after `step` steps."""
    return max(1, round(DECAY * step))


def displacement(params: Params, first: Params) -> dict[str, float]:
    """The distance that every tensor was moved, over its length at first; tensors of zeros at first are left out."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(first), strict=True)
    lengths = {
        "/".join(part.key for part in path): (np.linalg.norm(leaf - other), np.linalg.norm(other))
        for (path, leaf), other in pairs
    }
    return {name: float(moved / length) for name, (moved, length) in lengths.items() if length}


def _adamw(rate: Scalar | float) -> optax.GradientTransformation:
    return optimizer("adamw", rate, pretrain.WEIGHT_DECAY, b2=pretrain.B2)
