"""Pre-training with a measure in the loss: the penalty, the evaluation of the measure, and the training."""

import logging
import math
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from geojax.errors import InputError
from geojax.measures import cells, spread
from geojax.measures.soft import soft_patchiness
from geojax.models.apply import Apply, Params
from geojax.models.dense import Hidden
from geojax.quantizers import product
from geojax.quantizers.product import Quantizer
from geojax.runtime import records
from geojax.training import pretrain
from geojax.training.loop import loop
from geojax.training.masking import Windows, batch_rows, token_types
from geojax.training.optimizers import Rates
from geojax.training.scoring import loss_and_accuracy
from geojax.training.step import LossSums, State, fresh
from geojax.typing import Scalar

DIRECT = {"eee": spread.eee, "isoscore": spread.isoscore, "vrm": spread.vrm}  # differentiable as they are
MEASURES = ("soft_patchiness", *DIRECT)
MASKINGS = 8  # number of random maskings that the held-out loss is averaged over

log = logging.getLogger(__name__)


@partial(jax.jit, static_argnames="apply")
def encode(params: Params, windows: Windows, *, apply: Apply) -> Hidden:
    """The last hidden states of unmasked windows."""
    batch = {"input_ids": windows, "attention_mask": jnp.ones_like(windows)}
    return apply(params, batch | {"token_type_ids": token_types(windows)})["hidden_states"][-1]


def differentiable(
    measure: str, temperature: float, quantizer: Quantizer, hidden: Hidden, mask: Bool[Array, "B T"]
) -> Scalar:
    """The differentiable measure of a batch.

    Args:
      measure: one of `MEASURES`.
      temperature: temperature of soft_patchiness, in units of the mean squared quantization error.
      quantizer: quantizer whose cells soft_patchiness uses.
      hidden: hidden states of the batch.
      mask: True at the tokens that count.
    """
    points, mask = hidden.reshape(-1, hidden.shape[-1]), mask.reshape(-1)
    if measure in DIRECT:
        return DIRECT[measure](points, mask=mask)
    return soft_patchiness(points, quantizer, mask=mask, temperature=temperature)


def penalty_of(
    value: Callable, strength: Scalar, target: Scalar, quantizer: Quantizer, hidden: Hidden, mask: Bool[Array, "B T"]
) -> Scalar:
    """The penalty strength · log(measure / target)², added to the loss.

    It keeps the measure near the target. The measure as a penalty, without a target, would let a run collapse.
    """
    return strength * jnp.log(value(quantizer, hidden, mask) / target) ** 2


@partial(jax.jit, static_argnames="measure")
def hard(hidden: Hidden, quantizer: Quantizer, *, measure: str) -> Scalar:
    """The measure without relaxation: patchiness for soft_patchiness, the same measure for the others."""
    points = hidden.reshape(-1, hidden.shape[-1])
    if measure in DIRECT:
        return DIRECT[measure](points)
    return cells.patchiness(product.cells(quantizer, points))


def evaluate(
    params: Params, windows: np.ndarray, quantizer: Quantizer, *, apply: Apply, measure: str, seed: int
) -> dict[str, float]:
    """Masked-LM loss and accuracy on held-out windows, Int[n, T], and the measure of their unmasked hidden states."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2), MASKINGS)
    sums = [pretrain.eval_step(params, windows, key, apply=apply) for key in keys]
    value = hard(encode(params, windows, apply=apply), quantizer, measure=measure)
    return loss_and_accuracy(sums) | {"measure": float(value)}


def train(
    apply: Apply,
    params: Params,
    windows: np.ndarray,
    penalty: pretrain.Penalty | None,
    rates: Rates,
    folder: PurePath,
    *,
    batch_size: int,
    seed: int,
    evaluations: Collection[int],
    assess: Callable[[Params], dict[str, float]],
) -> tuple[Params, list[dict[str, Any]]]:
    """Continues the pre-training of a model; returns the final parameters and the evaluations.

    It starts from the newest checkpoint in `folder`, if there is one.

    Args:
      apply, params: the model, with a masked-LM head; not consumed.
      windows: training windows, Int[n, T].
      penalty: the penalty added to the loss; None adds none.
      rates: the output of `pretrain.rates_of`.
      folder: folder of the checkpoints and `metrics.jsonl`; messages call the run by the folder's name.
      batch_size: windows per step.
      seed: seed of the order of the windows and of the masks.
      evaluations: the steps after which the model is evaluated and a checkpoint is written.
      assess: gives the `loss` and the `measure` of parameters.

    Raises:
      InputError: divergence.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    path, key = folder / "metrics.jsonl", jax.random.fold_in(jax.random.key(seed), 1)

    def begin() -> State:
        return fresh(jax.tree.map(jnp.copy, params), pretrain.adamw(rates))  # a step consumes the arrays of its state

    def batches(first: int) -> Iterator[np.ndarray]:
        for step in range(first, rates.total_steps):
            yield windows[batch_rows(step, windows=len(windows), batch_size=batch_size, seed=seed)]

    def take(state: State, nothing: None, batch: np.ndarray) -> tuple[State, None, LossSums]:
        state, sums = pretrain.train_step(state, batch, key, apply=apply, rates=rates, penalty=penalty)
        return state, nothing, sums

    def report(step: int, state: State) -> None:
        if step not in evaluations:  # SIGTERM came
            return
        record = {"step": step} | assess(state.params)
        if not math.isfinite(record["loss"]):
            raise InputError(f"the loss of run {folder.name} is {record['loss']} at step {step}: lower the strength")
        records.append_step(path, record)
        log.info("%s, step %d: loss %.3f, measure %.4f", folder.name, step, record["loss"], record["measure"])

    state, _ = loop(
        take,
        batches,
        begin,
        rates.total_steps,
        folder=folder / "checkpoints",
        checkpoint_seconds=0.0,
        pauses=evaluations,
        report=report,
    )
    return state.params, records.read_lines(path)
