"""Masked language modelling (Devlin et al. 2019, arXiv 1810.04805, section 3.1).

The prediction target can also be a class of the masked token (`pretraining_objectives`).
"""

import math
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from pathlib import PurePath

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from geojax.data.tokenizers import PAD, SPECIAL_TOKENS
from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.models.dense import Hidden
from geojax.models.heads import MaskedLMHead, TokenHead
from geojax.models.initialise import standard
from geojax.ops.blocks import row_blocks
from geojax.training.loop import loop
from geojax.training.masking import Chosen, Windows, mask_tokens, token_types
from geojax.training.optimizers import CLIP_NORM, Rates, optimizer, schedule
from geojax.training.reporting import LossRecord
from geojax.training.scoring import loss_and_accuracy
from geojax.training.step import LossSums, State, descend, fresh
from geojax.typing import Key, Scalar

WEIGHT_DECAY = 0.01
B2 = 0.98  # of AdamW
LOG_STEPS = 100

Masked = tuple[Windows, Windows, Chosen, Chosen, Bool[Array, "B P"]]  # token types, and the output of `mask_tokens`
# `penalty(hidden, mask)` of Float[B, T, d] and Bool[B, T]: a function with arrays, which change without recompiling.
Penalty = jax.tree_util.Partial
Classes = Int[Array, "V"] | None  # the class of every entry of the vocabulary; None: the tokens are predicted
Change = Callable[[Key, Params], Params]  # makes the parameters before the first step from those of `standard`


@cache
def _abstract_head(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    if apply.head == "masked_lm":
        return nnx.split(nnx.eval_shape(lambda: MaskedLMHead(apply.config, rngs=nnx.Rngs(0))))
    return nnx.split(nnx.eval_shape(lambda: TokenHead(apply.config, apply.num_labels, rngs=nnx.Rngs(0))))


def _logits(apply: Apply, params: Params, hidden: Hidden) -> Float[Array, "B P classes"]:
    """The logits of the head at the chosen positions only, because logits over the vocabulary are expensive."""
    graph, state = jax.tree.map(lambda leaf: leaf, _abstract_head(apply))
    nnx.replace_by_pure_dict(state, params["head"])
    head = nnx.merge(graph, state)
    if apply.head == "masked_lm":
        return head(hidden, params["embeddings"]["word_embeddings"]["embedding"])
    return head(hidden, None)


def loss_sums(params: Params, input_ids: Windows, key: Key, classes: Classes = None, *, apply: Apply) -> LossSums:
    """Masks a batch with `key`; returns the sums of loss and correct predictions over the masked positions.

    A masked-LM head predicts the tokens. A token-classification head predicts the `classes` of the tokens, and all
    chosen tokens are replaced by [MASK].
    """
    return _sums_of(params, _masked(input_ids, key, apply), classes, apply)[0]


def _masked(input_ids: Windows, key: Key, apply: Apply) -> Masked:
    """The token types of a batch and its masked form, as the head of `apply` needs it."""
    always = apply.head != "masked_lm"
    return token_types(input_ids), *mask_tokens(key, input_ids, apply.config.vocab_size, always=always)


def _sums_of(params: Params, masked: Masked, classes: Classes, apply: Apply) -> tuple[LossSums, Hidden]:
    """The sums over a masked batch, and the last hidden states of that batch."""
    types, input_ids, positions, tokens, counts = masked
    labels = tokens if apply.head == "masked_lm" else classes[tokens]
    batch = {"input_ids": input_ids, "attention_mask": jnp.ones_like(input_ids), "token_type_ids": types}
    last = apply(params, batch)["hidden_states"][-1]
    logits = _logits(apply, params, jnp.take_along_axis(last, positions[..., None], axis=1))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    correct = (jnp.argmax(logits, axis=-1) == labels) & counts
    right, count = jnp.sum(correct, dtype=jnp.float32), jnp.sum(counts, dtype=jnp.float32)
    return LossSums(jnp.sum(losses, where=counts), count, right), last


def rates_of(steps: int, warmup: int, learning_rate: float) -> Rates:
    """The optimizer's numbers in a pre-training.

    Args:
      steps: number of steps; after them the learning rate has fallen linearly to 0.
      warmup: steps over which the learning rate rises linearly from 0.
      learning_rate: the peak learning rate.

    Raises:
      InputError: `warmup` is negative or not below `steps`, or `learning_rate` is no positive number.
    """
    if not 0 < learning_rate < math.inf:
        raise InputError(f"learning_rate is {learning_rate}: it must be a number above 0")
    if not 0 <= warmup < steps:
        raise InputError(f"warmup is {warmup}, of {steps} steps: give a number from 0 to below steps")
    return Rates(learning_rate, WEIGHT_DECAY, steps, warmup)


def unchanged(key: Key, params: Params) -> Params:
    """The parameters as they are."""
    return params


def adamw(rates: Rates) -> optax.GradientTransformation:
    """The optimizer of pre-training and distillation; it counts its own steps, and its numbers are compiled in."""
    clip = optax.clip_by_global_norm(CLIP_NORM)  # not `optimizers.CLIP`, with which the last bits differ
    return optimizer("adamw", schedule(rates), rates.weight_decay, clip, b2=B2)


def start(apply: Apply, rates: Rates, key: Key, change: Change = unchanged) -> State:
    """The state before the first step: the parameters of `initialise.standard`, changed by `change(key, params)`."""
    return fresh(change(jax.random.fold_in(key, 1), standard(apply, key)), adamw(rates))


@partial(jax.jit, static_argnames=("apply", "rates", "micro_batch"), donate_argnames="state")
def train_step(
    state: State,
    input_ids: Windows,
    key: Key,
    classes: Classes = None,
    *,
    apply: Apply,
    rates: Rates,
    micro_batch: int | None = None,
    penalty: Penalty | None = None,
) -> tuple[State, LossSums]:
    """One step of AdamW on the mean cross-entropy of the masked positions; gradients are clipped to norm 1.

    Args:
      state: donated: the caller cannot use it after the call.
      input_ids: one batch of windows.
      key: key of the whole run: the masks of this step come from `fold_in(key, state.step)`.
      classes: prediction targets, as in `loss_sums`.
      apply: the model's function, with a masked-LM or a token-classification head; it runs without dropout.
      rates: the output of `rates_of`; compiled in.
      micro_batch: windows that go through the model at once, a divisor of B; the gradients are summed. None: all.
      penalty: function of the last hidden states of the masked windows; its value is added to the loss. It needs the
        whole batch, which then goes through the model at once, whatever `micro_batch` is.

    Returns:
      The next state, and the sums over this batch with the parameters before the step.
    """
    masks = jax.random.fold_in(key, state.step)
    options = {"apply": apply, "micro_batch": micro_batch, "penalty": penalty}
    gradients, sums = mean_gradients(state.params, input_ids, masks, classes, **options)
    return descend(state, gradients, adamw(rates)), sums


def mean_gradients(
    params: Params,
    input_ids: Windows,
    key: Key,
    classes: Classes = None,
    *,
    apply: Apply,
    micro_batch: int | None = None,
    penalty: Penalty | None = None,
) -> tuple[Params, LossSums]:
    """The gradients of the mean cross-entropy of a batch that is masked with `key`, and the sums over the batch.

    The arguments are those of `train_step`.
    """
    masked = _masked(input_ids, key, apply)
    *_, counts = masked
    count = jnp.maximum(jnp.sum(counts, dtype=jnp.float32), 1.0)
    rows = len(input_ids) if penalty is not None or micro_batch is None else micro_batch

    def objective(params: Params, part: Masked) -> tuple[Scalar, LossSums]:
        sums, hidden = _sums_of(params, part, classes, apply)
        loss = sums.loss / count
        return loss if penalty is None else loss + penalty(hidden, jnp.ones(hidden.shape[:2], bool)), sums

    def add(found: tuple[Params, LossSums], part: Masked) -> tuple[tuple[Params, LossSums], None]:
        return jax.tree.map(jnp.add, found, jax.grad(objective, has_aux=True)(params, part)), None

    nothing = jax.tree.map(jnp.zeros_like, (params, LossSums(*[jnp.float32(0)] * 3)))
    return jax.lax.scan(add, nothing, jax.tree.map(partial(row_blocks, size=rows), masked))[0]


eval_step = jax.jit(loss_sums, static_argnames="apply")


def train(
    begin: Callable[[], State],
    take: Callable[[State, np.ndarray], tuple[State, LossSums]],
    rows: Callable[[int], np.ndarray],
    steps: int,
    folder: PurePath,
    *,
    save: Callable[[PurePath, Params], None],
    snapshots: Collection[int] = (),
    checkpoint_seconds: float = 60.0,
) -> Params:
    """Runs all steps from the newest checkpoint or from the start; returns the final parameters.

    Checkpoints are written only at recorded steps, every `LOG_STEPS`, so that the sums of a resumed run start right
    after a record. A SIGTERM makes a record and a checkpoint at any step.

    Args:
      begin: makes the state before the first step.
      take: runs one step on some rows, `take(state, rows)`; it consumes the state.
      rows: `rows(step)` gives the rows of a step; the first step is 0.
      steps: number of steps.
      folder: folder of the checkpoints, `metrics.jsonl` and the snapshots.
      save: writes the parameters of a snapshot to the folder `model_STEP`.
      snapshots: steps after which the parameters are saved; 0 stands for the parameters before the first step.
      checkpoint_seconds: least time between checkpoints.

    Raises:
      InputError: divergence.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    record = LossRecord(folder / "metrics.jsonl")

    def batches(first: int) -> Iterator[np.ndarray]:
        return map(rows, range(first, steps))

    def counted(state: State, nothing: None, batch: np.ndarray) -> tuple[State, None, LossSums]:
        state, sums = take(state, batch)
        return state, nothing, sums

    state, _ = loop(
        counted,
        batches,
        begin,
        steps,
        folder=folder / "checkpoints",
        checkpoint_seconds=checkpoint_seconds,
        progress=record.add,
        pauses={*range(0, steps, LOG_STEPS), steps},
        report=record.write,
        snapshots=snapshots,
        keep=lambda step, state: save(folder / f"model_{step}", state.params),
    )
    return state.params


def evaluate(
    params: Params,
    windows: Int[np.ndarray, "n T"],
    classes: Int[np.ndarray, "V"] | None = None,
    *,
    apply: Apply,
    batch_size: int,
    seed: int,
) -> dict[str, float]:
    """Loss and accuracy on all windows in batches of `batch_size`; the masks depend on `seed` and `batch_size`.

    Raises:
      InputError: no windows.
    """
    if not len(windows):
        raise InputError("there is no window to score: give more held-out text")
    key = jax.random.fold_in(jax.random.key(seed), 1)
    return loss_and_accuracy(sums_of(params, windows, key, classes, apply=apply, batch_size=batch_size))


def sums_of(
    params: Params,
    windows: Int[np.ndarray, "n T"],
    key: Key,
    classes: Int[np.ndarray, "V"] | None = None,
    *,
    apply: Apply,
    batch_size: int,
) -> list[LossSums]:
    """The sums of `loss_sums` over windows in batches; the masks depend on the key and on `batch_size`."""
    sums = []
    for index, first in enumerate(range(0, len(windows), batch_size)):
        batch = windows[first : first + batch_size]
        # Windows of padding fill the last batch, so that one shape is compiled; no token of theirs is masked.
        batch = np.pad(batch, ((0, batch_size - len(batch)), (0, 0)), constant_values=PAD)
        sums.append(eval_step(params, batch, jax.random.fold_in(key, index), classes, apply=apply))
    return sums


def unigram(
    train: np.ndarray, held_out: np.ndarray, vocab_size: int, classes: Int[np.ndarray, "V"] | None = None
) -> tuple[float, float]:
    """Loss in nats and accuracy of predicting the frequencies of tokens or classes: the baseline without context.

    The frequencies are counted in `train`, with 1 added to the count of each token. Special tokens are left out of
    `train` and `held_out`.
    """
    counts = np.bincount(train[train >= len(SPECIAL_TOKENS)], minlength=vocab_size) + 1.0
    counts[: len(SPECIAL_TOKENS)] = 0.0
    labels = np.arange(vocab_size) if classes is None else classes
    counts = np.bincount(labels, weights=counts)
    found = labels[held_out[held_out >= len(SPECIAL_TOKENS)]]
    return float(-np.log(counts[found] / counts.sum()).mean()), float(np.mean(found == counts.argmax()))
