"""Distillation: a small encoder learns the sentence vectors of a trained one, far faster than from masked tokens.

The student's vector z_i of sentence i is the output of a classification head of the teacher's width. The loss is the
cross-entropy of choosing the teacher's vector t_i among the vectors t_j of the batch, with the softmax over j of
cos(z_i, t_j) / τ (van den Oord, Li & Vinyals 2018, arXiv 1807.03748, equation 4; vectors of a teacher as targets:
Reimers & Gurevych 2020, arXiv 2004.09813).
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.models.apply import Apply, Params
from geojax.ops.blocks import row_blocks
from geojax.ops.safe import matmul, ratio
from geojax.training.optimizers import Rates
from geojax.training.pretrain import adamw
from geojax.training.scoring import loss_and_accuracy
from geojax.training.step import LossSums, State, descend
from geojax.typing import Scalar

TEMPERATURE = 0.05

Batch = dict[str, Array]
Vectors = Float[Array, "B d"]


def loss_sums(
    params: Params, batch: Batch, targets: Vectors, *, apply: Apply, micro_batch: int | None = None
) -> LossSums:
    """The sums of `contrast` over a batch.

    Args:
      params: the student's parameters; its classification head has one output for each coordinate of the targets.
      batch: `input_ids`, `attention_mask` and, if the architecture has token types, `token_type_ids`, Int[B, T].
      targets: the teacher's vectors, of any norm except 0.
      apply: the student's function; it runs without dropout.
      micro_batch: sentences that go through the model at once, a divisor of B. The backward pass computes every
        micro-batch a second time, because the loss needs the vectors of the whole batch (Gao et al. 2021, arXiv
        2101.06983). None: the whole batch at once, computed once.
    """
    if micro_batch is None or micro_batch == len(targets):
        return contrast(apply(params, batch)["logits"], targets)
    vectors = jax.checkpoint(lambda part: apply(params, part)["logits"])
    parts = jax.lax.map(vectors, jax.tree.map(partial(row_blocks, size=micro_batch), batch))
    return contrast(parts.reshape(len(targets), -1), targets)


def contrast(vectors: Vectors, targets: Vectors) -> LossSums:
    """Sums over a batch: the cross-entropies in nats, the number of vectors, and the number nearest to their target."""
    cosines = matmul(unit(vectors), unit(targets).T) / TEMPERATURE
    own = jnp.arange(len(targets))
    losses = optax.softmax_cross_entropy_with_integer_labels(cosines, own)
    correct = jnp.sum(jnp.argmax(cosines, axis=1) == own, dtype=jnp.float32)
    return LossSums(jnp.sum(losses), jnp.float32(len(targets)), correct)


def unit(vectors: Vectors) -> Vectors:
    """The vectors scaled to norm 1; NaN for a vector of norm 0."""
    return ratio(vectors, jnp.linalg.norm(vectors, axis=1, keepdims=True))


@partial(jax.jit, static_argnames=("apply", "rates", "micro_batch"), donate_argnames="state")
def train_step(
    state: State, batch: Batch, targets: Vectors, *, apply: Apply, rates: Rates, micro_batch: int | None = None
) -> tuple[State, LossSums]:
    """One step of AdamW on the mean cross-entropy of a batch; gradients are clipped to norm 1.

    Returns:
      The next state, and the sums over this batch with the parameters before the step. `state` is donated.
    """

    def objective(params: Params) -> tuple[Scalar, LossSums]:
        sums = loss_sums(params, batch, targets, apply=apply, micro_batch=micro_batch)
        return sums.loss / sums.count, sums

    gradients, sums = jax.grad(objective, has_aux=True)(state.params)
    return descend(state, gradients, adamw(rates)), sums


eval_step = jax.jit(loss_sums, static_argnames=("apply", "micro_batch"))


def evaluate(
    params: Params, batch: Mapping[str, np.ndarray], targets: np.ndarray, *, apply: Apply, batch_size: int
) -> dict[str, float]:
    """Loss and accuracy on sentences in batches of `batch_size`; a last, smaller batch is left out.

    Args:
      params, batch, targets, apply: as in `loss_sums`.
      batch_size: the batch size of the training, because the loss depends on it.

    Raises:
      InputError: fewer sentences than `batch_size`.
    """
    if len(targets) < batch_size:
        raise InputError(
            f"{len(targets)} sentences to score are fewer than a batch of {batch_size}, on which the loss depends: "
            "give more sentences, or train with smaller batches"
        )
    sums = []
    for first in range(0, len(targets) - batch_size + 1, batch_size):
        rows = slice(first, first + batch_size)
        part = {name: values[rows] for name, values in batch.items()}
        sums.append(eval_step(params, part, targets[rows], apply=apply))
    return loss_and_accuracy(sums)
