"""The state of a training and its update; one step of fine-tuning, with gradients summed over micro-batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from geojax.parallel.layout import Layout, in_turn
from geojax.training.optimizers import Rates, learning_rate, optimizer
from geojax.typing import Key, Scalar

Params = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The part of a training that changes; keys, orders and learning rates follow from `step` and the settings."""

    step: Any  # int32 scalar
    params: Params
    opt_state: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LossSums:
    """Sums over the items of a batch: rows or tagged tokens of a task, masked positions, or vectors of sentences.

    Attributes:
      loss: sum of the losses; in nats if the losses are cross-entropies.
      count: sum of the weights of the items.
      correct: number of correct predictions; None if they are not counted.
    """

    loss: Any
    count: Any
    correct: Any = None


Sums = tuple[Params, LossSums]  # gradients and losses, summed over the rows of a step


def losses(
    logits: Float[Array, "B ..."], batch: Mapping[str, Array]
) -> tuple[Float[Array, "B ..."], Float[Array, "B ..."]]:
    """The losses of a batch and their weights, by what the batch asks for.

    * `labels` [B]: of every row, the cross-entropy in nats or, with a single logit, the squared error.
    * `tags` Int[B, T]: of every token, the cross-entropy; tokens with a negative tag have weight 0.
    * `spans` Int[B, 2]: of every row, the mean cross-entropy of the first and the last token over the real tokens.
    """
    logits, weight = logits.astype(jnp.float32), batch["weight"]
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    if "tags" in batch:
        tags = batch["tags"]
        return cross_entropy(logits, jnp.maximum(tags, 0)), weight[:, None] * (tags >= 0)
    if "spans" in batch:
        real = batch["attention_mask"][..., None] > 0
        ends = jnp.where(real, logits, jnp.finfo(jnp.float32).min)
        return cross_entropy(ends.swapaxes(1, 2), batch["spans"]).mean(axis=1), weight
    if logits.shape[1] == 1:
        return jnp.square(logits[:, 0] - batch["labels"]), weight
    return cross_entropy(logits, batch["labels"]), weight


@partial(jax.jit, static_argnames=("method", "layout"))
def init_state(params: Params, method: str = "adamw", layout: Layout | None = None) -> State:
    """The state before the first step, with copies of the parameters, because `train_step` consumes its state."""
    return _pinned(layout, fresh(params, optimizer(method, 0.0, 0.0)))


def fresh(params: Params, transform: optax.GradientTransformation) -> State:
    """The state before the first step; it holds the arrays of `params`, not copies."""
    return State(jnp.int32(0), params, transform.init(params))


def descend(state: State, gradients: Params, transform: optax.GradientTransformation) -> State:
    """The state after one update of the parameters."""
    updates, opt_state = transform.update(gradients, state.opt_state, state.params)
    return State(state.step + 1, optax.apply_updates(state.params, updates), opt_state)


@partial(jax.jit, static_argnames="layout")
def no_sums(params: Params, layout: Layout | None = None) -> Sums:
    """The gradient and loss sums of a step before its first row: all 0."""
    return _pinned(layout, (jax.tree.map(jnp.zeros_like, params), LossSums(jnp.float32(0), jnp.float32(0))))


def train_step(
    apply: Any,
    state: State,
    sums: Sums,
    micro_batches: Sequence[Mapping[str, Any]],
    rates: Rates,
    key: Key,
    method: str = "adamw",
    layout: Layout | None = None,
    frozen: Params | None = None,
) -> tuple[State, Sums, Scalar]:
    """One optimizer step on the mean loss of all micro-batches, of rows or of tagged tokens; gradients are summed.

    Args:
      apply: the model's function, hashable; `apply(params, batch, key=...)["logits"]`.
      state: consumed.
      sums: zero sums, as `no_sums` or the previous step gives them; consumed.
      micro_batches: the output of `Encoded.micro_batches`.
      rates: the learning rate rises linearly over `warmup_steps` and falls linearly to 0 after `total_steps` steps.
      key: key of dropout; every micro-batch of every step gets a key of its own by `fold_in`.
      method: name of the optimizer, the same as in `init_state`.
      layout: layout over several devices, the same as in `init_state`; `layout.batch` placed the micro-batches.
      frozen: parameters that have no gradients, which `apply` takes by this name; None: there are none.

    Returns:
      The next state, zero sums, and the mean loss before the step.
    """
    for number, batch in enumerate(micro_batches):
        sums = add_gradients(apply, state.params, sums, batch, key, state.step, number, layout, frozen)
        sums = in_turn(layout, sums)
    return in_turn(layout, update(state, sums, rates, method, layout))


@partial(jax.jit, static_argnames=("apply", "layout"), donate_argnames="sums")
def add_gradients(
    apply: Any,
    params: Params,
    sums: Sums,
    batch: Mapping[str, Array],
    key: Key,
    step: Any,
    number: Any,
    layout: Layout | None = None,
    frozen: Params | None = None,
) -> Sums:
    """Adds the weighted losses and gradients of a batch to the sums; compiled once per `apply` and padded length."""
    key = jax.random.fold_in(jax.random.fold_in(key, step), number)
    params, kept = (tree if layout is None else layout.whole(tree) for tree in (params, frozen))
    ids = batch["input_ids"]

    def objective(params: Params, words: dict[str, Float[Array, "B T e"]]) -> tuple[Scalar, Scalar]:
        outputs = apply(params, dict(batch) | words, key=key, **({} if kept is None else {"frozen": kept}))
        each, weights = losses(outputs["logits"], batch)
        return jnp.sum(weights * each), jnp.sum(weights)

    words = {} if frozen is not None else {"word_vectors": _table(params)["embedding"][ids]}
    found, (gradients, of_words) = jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)(params, words)
    summed, before = sums
    gradients = jax.tree.map(jnp.add, summed, gradients)
    if words:
        # Only the rows of the embedding table that occur in the batch are added to: adding the whole gradient of the
        # table, mostly zeros, costs more than a short micro-batch of a small encoder.
        table = _table(gradients)
        table["embedding"] = table["embedding"].at[ids].add(of_words["word_vectors"])
    return _pinned(layout, (gradients, LossSums(before.loss + found[0], before.count + found[1])))


def _table(params: Params) -> Params:
    return params["embeddings"]["word_embeddings"]


@partial(jax.jit, static_argnames=("method", "layout"), donate_argnames=("state", "sums"))
def update(
    state: State, sums: Sums, rates: Rates, method: str = "adamw", layout: Layout | None = None
) -> tuple[State, Sums, Scalar]:
    """One optimizer step on the mean gradient; returns the next state, zero sums and the mean loss."""
    summed, found = sums
    count = jnp.maximum(found.count, 1)  # a step may have no token with a tag
    gradients = jax.tree.map(lambda leaf: leaf / count, summed)
    transform = optimizer(method, learning_rate(rates, state.step), rates.weight_decay)
    state, loss = descend(state, gradients, transform), found.loss / count
    return _pinned(layout, (state, jax.tree.map(jnp.zeros_like, sums), loss))


def _pinned(layout: Layout | None, tree: Any) -> Any:
    """The arrays, constrained to the shardings of `layout` if there is one."""
    return tree if layout is None else layout.pin(tree)
