"""Predictions and scores of a model; loss and accuracy from sums over batches."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.data.encoded import Encoded
from geojax.data.tasks import order, score
from geojax.parallel.layout import Layout, in_turn
from geojax.training.step import LossSums, Params

EVAL_BATCH = 64


@partial(jax.jit, static_argnames=("apply", "layout"))
def eval_step(
    params: Params, batch: Mapping[str, Array], *, apply: Any, layout: Layout | None = None
) -> Float[Array, "B ..."]:
    """The logits of a batch, without dropout."""
    params = params if layout is None else layout.whole(params)
    logits = apply(params, batch, key=None)["logits"].astype(jnp.float32)
    return logits if layout is None else layout.whole(logits)


def predict(apply: Any, params: Params, encoded: Encoded, layout: Layout | None = None) -> Float[np.ndarray, "n ..."]:
    """The logits of every row, in the order of the rows; batches hold rows of similar length.

    Logits of every token are padded with zeros to the longest batch.
    """
    size = EVAL_BATCH if layout is None else EVAL_BATCH + -EVAL_BATCH % layout.mesh.size
    batches = encoded.by_length(np.arange(len(encoded)), size)
    put = (lambda batch: batch) if layout is None else layout.batch
    found = [
        (rows, in_turn(layout, eval_step(params, put(batch), apply=apply, layout=layout))) for rows, batch in batches
    ]
    *_, (_, longest) = found
    whole = np.zeros((len(encoded), *longest.shape[1:]), np.float32)
    for rows, logits in found:
        of_rows = np.asarray(logits)[: len(rows)]
        whole[(rows, *map(slice, of_rows.shape[1:]))] = of_rows
    return whole


def classes_of(apply: Any, task: Any) -> Int[np.ndarray, "labels"] | None:
    """The class of the task that each output of a head means; None where the head names no classes.

    Raises:
      InputError: a name that the task does not have.
    """
    names = getattr(apply, "label_names", None)
    return None if task.regression or not names else order(names, task, "the head of the model")


def scored(
    apply: Any, params: Params, task: Any, dev: Mapping[str, Encoded], layout: Layout | None = None
) -> dict[str, Any]:
    """Score, metrics and collapse on the first development split, and the same for every split under `dev`.

    The outputs of a head with names are put in the order of the task's classes.

    Raises:
      InputError: a class of the head that the task does not have.
    """
    found, classes = {}, classes_of(apply, task)
    for name, split in dev.items():
        logits = predict(apply, params, split, layout)
        logits = logits if classes is None else logits[..., np.argsort(classes)]
        found[name] = score(task, logits, split)._asdict() | {"n_eval": split.examples}
    return {"task": task.name, **next(iter(found.values())), "dev": found}


def loss_and_accuracy(sums: Iterable[LossSums]) -> dict[str, float]:
    """Mean loss and accuracy over several batches, from the sums over each batch; the loss has the unit of the sums."""
    loss, correct, count = np.sum(jax.device_get([(own.loss, own.correct, own.count) for own in sums]), axis=0)
    return {"loss": float(loss / count), "accuracy": float(correct / count)}
