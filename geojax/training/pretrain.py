"""Masked language modelling (Devlin et al. 2019, arXiv 1810.04805, section 3.1) as pure functions; what is predicted of
a masked token can also be a class of it (`objectives`).

Text is one stream of tokens, cut into windows that are all full: [CLS] and `length` - 1 tokens of the stream, with
[SEP] after every paragraph. There is no next-sentence task; token types are 0 up to a window's first [SEP] and 1 after.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from geojax.errors import InputError
from geojax.models.apply import Apply, Params, init
from geojax.models.encoder import Hidden
from geojax.models.heads import MaskedLMHead, TokenHead
from geojax.ops.blocks import row_blocks
from geojax.training.optimizers import decayed
from geojax.typing import Key, Scalar

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, _, CLS, SEP, MASK = range(len(SPECIAL_TOKENS))
MASKED_FRACTION = 0.15
WEIGHT_DECAY = 0.01

Windows = Int[Array, "B T"]
Chosen = Int[Array, "B P"]
Masked = tuple[Windows, Windows, Chosen, Chosen, Bool[Array, "B P"]]  # token types, and what `mask_tokens` gives
# `penalty(hidden, mask)` of Float[B, T, d] and Bool[B, T]: a function and its arrays, which change without recompiling.
Penalty = jax.tree_util.Partial
Classes = Int[Array, "V"] | None  # of every entry of the vocabulary; None where tokens are predicted themselves


@dataclass(frozen=True)
class Schedule:
    """AdamW's settings: linear warm-up to `learning_rate` over `warmup` steps, then linear decay to 0 at `steps`."""

    steps: int
    warmup: int
    learning_rate: float

    def __post_init__(self):
        if not 0 <= self.warmup < self.steps:
            raise InputError(f"warmup {self.warmup} must be below steps {self.steps}, and both positive")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """Everything that a step changes."""

    step: Any  # int32 scalar
    params: Params
    optimizer: optax.OptState


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Totals:
    """Sums over masked positions: of the cross-entropy in nats, of right predictions, of positions."""

    loss: Scalar
    correct: Scalar
    count: Scalar


def pack(paragraphs: Iterable[Sequence[int]], length: int) -> np.ndarray:
    """Windows of a text: Int[n, length], without padding; the last, incomplete window is left out.

    Args:
      paragraphs: token ids of each paragraph, without special tokens; empty ones are passed over.
      length: tokens of a window, [CLS] included.

    Raises:
      InputError: the text does not fill one window.
    """
    stream = np.asarray([token for ids in paragraphs if len(ids) for token in (*ids, SEP)], np.int32)
    count = len(stream) // (length - 1)
    if count == 0:
        raise InputError(f"the text has {len(stream)} tokens, fewer than one window of {length}: give more text")
    body = stream[: count * (length - 1)].reshape(count, length - 1)
    return np.concatenate([np.full((count, 1), CLS, np.int32), body], axis=1)


def batch_rows(step: int, *, windows: int, batch_size: int, seed: int) -> np.ndarray:
    """Rows of the windows that make the batch of a step: every epoch a new order, its last, smaller batch left out.

    A function of its arguments alone, so that a resumed run sees the batches that an unbroken one sees.
    """
    if batch_size > windows:
        raise InputError(f"batch_size {batch_size} exceeds the {windows} windows of the text")
    epoch, index = divmod(step, windows // batch_size)
    return _order(windows, seed, epoch)[index * batch_size : (index + 1) * batch_size]


@lru_cache(maxsize=2)
def _order(windows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(windows)


def masked_count(length: int) -> int:
    """Positions chosen in a window: 15 %, rounded, at least one."""
    return max(1, round(MASKED_FRACTION * length))


def mask_tokens(
    key: Key, input_ids: Windows, vocab_size: int, *, always: bool = False
) -> tuple[Windows, Chosen, Int[Array, "B P"], Bool[Array, "B P"]]:
    """Hides tokens: of each window the same number of positions, drawn without replacement from its real tokens.

    A chosen token becomes [MASK] with probability 0.8, a random token with 0.1, and stays with 0.1; with `always`, it
    becomes [MASK].

    Returns:
      The changed windows; the chosen positions; the tokens that were there; whether a position counts (False
      where a window has fewer real tokens than positions to choose).
    """
    key_positions, key_kind, key_token = jax.random.split(key, 3)
    special = input_ids < len(SPECIAL_TOKENS)
    rank = jnp.where(special, -1.0, jax.random.uniform(key_positions, input_ids.shape))
    rank, positions = jax.lax.top_k(rank, masked_count(input_ids.shape[1]))
    tokens = jnp.take_along_axis(input_ids, positions, axis=1)
    counts = rank >= 0
    kind = jax.random.uniform(key_kind, positions.shape)
    random = jax.random.randint(key_token, positions.shape, len(SPECIAL_TOKENS), vocab_size)
    changed = jnp.where(always | (kind < 0.8), MASK, jnp.where(kind < 0.9, random, tokens))
    changed = jnp.where(counts, changed, tokens)
    rows = jnp.arange(input_ids.shape[0])[:, None]
    return input_ids.at[rows, positions].set(changed), positions, tokens, counts


def token_types(input_ids: Windows) -> Windows:
    """0 up to and including a window's first [SEP], 1 after it."""
    separators = (input_ids == SEP).astype(jnp.int32)
    return jnp.minimum(jnp.cumsum(separators, axis=1) - separators, 1)


@cache
def _abstract_head(apply: Apply) -> tuple[nnx.GraphDef, nnx.State]:
    if apply.head == "masked_lm":
        return nnx.split(nnx.eval_shape(lambda: MaskedLMHead(apply.config, rngs=nnx.Rngs(0))))
    return nnx.split(nnx.eval_shape(lambda: TokenHead(apply.config, apply.num_labels, rngs=nnx.Rngs(0))))


def _logits(apply: Apply, params: Params, hidden: Hidden) -> Float[Array, "B P classes"]:
    """The head on some positions only: the vocabulary is what costs."""
    graph, state = jax.tree.map(lambda leaf: leaf, _abstract_head(apply))
    nnx.replace_by_pure_dict(state, params["head"])
    head = nnx.merge(graph, state)
    if apply.head == "masked_lm":
        return head(hidden, params["embeddings"]["word_embeddings"]["embedding"])
    return head(hidden, None)


def totals(params: Params, input_ids: Windows, key: Key, classes: Classes = None, *, apply: Apply) -> Totals:
    """Masks a batch with `key` and sums over the masked positions what the model makes of them.

    It predicts the tokens with a masked-LM head; with a head over tokens, their `classes`, and all are shown as [MASK].
    """
    return _totals(params, _masked(input_ids, key, apply), classes, apply)[0]


def _masked(input_ids: Windows, key: Key, apply: Apply) -> Masked:
    """A batch as a head is asked about it."""
    always = apply.head != "masked_lm"
    return token_types(input_ids), *mask_tokens(key, input_ids, apply.config.vocab_size, always=always)


def _totals(params: Params, masked: Masked, classes: Classes, apply: Apply) -> tuple[Totals, Hidden]:
    """The sums, and the last hidden states that they come from."""
    types, input_ids, positions, tokens, counts = masked
    labels = tokens if apply.head == "masked_lm" else classes[tokens]
    batch = {"input_ids": input_ids, "attention_mask": jnp.ones_like(input_ids), "token_type_ids": types}
    last = apply(params, batch)["hidden_states"][-1]
    logits = _logits(apply, params, jnp.take_along_axis(last, positions[..., None], axis=1))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    correct = (jnp.argmax(logits, axis=-1) == labels) & counts
    sums = Totals(
        jnp.sum(losses, where=counts), jnp.sum(correct, dtype=jnp.float32), jnp.sum(counts, dtype=jnp.float32)
    )
    return sums, last


@cache
def _optimizer(schedule: Schedule) -> optax.GradientTransformation:
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0.0, schedule.learning_rate, schedule.warmup),
            optax.linear_schedule(schedule.learning_rate, 0.0, schedule.steps - schedule.warmup),
        ],
        [schedule.warmup],
    )
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(rate, b2=0.98, weight_decay=WEIGHT_DECAY, mask=decayed),
    )


def sinusoids(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """Positions as sines and cosines of falling frequency (Vaswani et al. 2017, arXiv 1706.03762, section 3.5)."""
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * np.arange(width // 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def start(apply: Apply, schedule: Schedule, key: Key) -> State:
    """Fresh parameters and optimizer.

    Position embeddings start as sinusoids and are learned from there: a short training has no time to find out by
    itself which positions are neighbours.
    """
    params = init(apply, key)
    positions = sinusoids(apply.config.max_position_embeddings, apply.config.hidden_size)
    params["embeddings"]["position_embeddings"]["embedding"] = apply.config.initializer_range * jnp.asarray(positions)
    return start_from(params, schedule)


def start_from(params: Params, schedule: Schedule) -> State:
    """A fresh optimizer on given parameters, which the state takes over."""
    return State(jnp.zeros((), jnp.int32), params, _optimizer(schedule).init(params))


@partial(jax.jit, static_argnames=("apply", "schedule", "micro_batch"), donate_argnames="state")
def train_step(
    state: State,
    input_ids: Windows,
    key: Key,
    classes: Classes = None,
    *,
    apply: Apply,
    schedule: Schedule,
    micro_batch: int | None = None,
    penalty: Penalty | None = None,
) -> tuple[State, Totals]:
    """One step of AdamW on the mean cross-entropy of the masked positions; gradients are clipped to norm 1.

    Args:
      state: donated: the caller's copy is gone after the call.
      input_ids: one batch of windows.
      key: key of the whole run: the masks of this step come from `fold_in(key, state.step)`.
      classes: what is predicted of each token, as `totals` says.
      apply: with a masked-LM head or one over tokens; runs without dropout.
      schedule: settings of the optimizer.
      micro_batch: windows that go through the model at once, a divisor of B; the gradients of all are summed.
      penalty: what it gives for the last hidden states of the masked windows is added to the loss. It sees the whole
        batch, which then goes through at once.

    Returns:
      The next state, and the sums over this batch before the step.
    """
    masked = _masked(input_ids, jax.random.fold_in(key, state.step), apply)
    *_, counts = masked
    count = jnp.maximum(jnp.sum(counts, dtype=jnp.float32), 1.0)
    rows = len(input_ids) if penalty is not None or micro_batch is None else micro_batch

    def objective(params: Params, part: Masked) -> tuple[Scalar, Totals]:
        sums, hidden = _totals(params, part, classes, apply)
        loss = sums.loss / count
        return loss if penalty is None else loss + penalty(hidden, jnp.ones(hidden.shape[:2], bool)), sums

    def add(found: tuple[Params, Totals], part: Masked) -> tuple[tuple[Params, Totals], None]:
        return jax.tree.map(jnp.add, found, jax.grad(objective, has_aux=True)(state.params, part)), None

    nothing = jax.tree.map(jnp.zeros_like, (state.params, Totals(*[jnp.float32(0)] * 3)))
    (gradients, sums), _ = jax.lax.scan(add, nothing, jax.tree.map(partial(row_blocks, size=rows), masked))
    return descend(state, gradients, schedule), sums


def descend(state: State, gradients: Params, schedule: Schedule) -> State:
    """The state behind one update."""
    updates, optimizer = _optimizer(schedule).update(gradients, state.optimizer, state.params)
    return State(state.step + 1, optax.apply_updates(state.params, updates), optimizer)


eval_step = jax.jit(totals, static_argnames="apply")


def unigram(
    train: np.ndarray, held_out: np.ndarray, vocab_size: int, classes: Int[np.ndarray, "V"] | None = None
) -> tuple[float, float]:
    """Loss in nats and accuracy of always predicting frequencies: the baseline that knows no context.

    Frequencies of tokens, or of their classes, come from `train` with one added to each token's count; special tokens
    are left out of both.
    """
    counts = np.bincount(train[train >= len(SPECIAL_TOKENS)], minlength=vocab_size) + 1.0
    counts[: len(SPECIAL_TOKENS)] = 0.0
    labels = np.arange(vocab_size) if classes is None else classes
    counts = np.bincount(labels, weights=counts)
    found = labels[held_out[held_out >= len(SPECIAL_TOKENS)]]
    return float(-np.log(counts[found] / counts.sum()).mean()), float(np.mean(found == counts.argmax()))
