"""The scores of GLUE (Wang et al. 2019, arXiv 1804.07461, table 1), in float64 on exact, unpadded arrays.

A metric that is 0 / 0, as every correlation with a constant, is NaN and never 0.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from geojax.data.glue.tasks import Task
from geojax.data.task_data import Score
from geojax.errors import InputError
from geojax.ops.safe import ratio
from geojax.typing import Scalar

Values = Num[Array, "n"]


def accuracy(predictions: Values, labels: Values) -> Scalar:
    """The share of predictions equal to their label, in [0, 1]."""
    return jnp.mean((predictions == labels).astype(_float()))


def f1(predictions: Values, labels: Values) -> Scalar:
    """F1 of class 1, 2 TP / (2 TP + FP + FN), in [0, 1]; NaN when class 1 is neither predicted nor present."""
    hits = jnp.sum((predictions == 1) & (labels == 1))
    marked = jnp.sum(predictions == 1) + jnp.sum(labels == 1)
    return ratio((2 * hits).astype(_float()), marked.astype(_float()))


def pearson(predictions: Values, labels: Values) -> Scalar:
    """Pearson's correlation, in [-1, 1]; NaN when either side is constant."""
    x, y = predictions.astype(_float()), labels.astype(_float())
    constant = (jnp.max(x) == jnp.min(x)) | (jnp.max(y) == jnp.min(y))
    x, y = x - jnp.mean(x), y - jnp.mean(y)
    # Scaled to unit maximum before squaring, so that a tiny spread does not underflow.
    x, y = (z / jnp.where(constant, 1.0, jnp.max(jnp.abs(z))) for z in (x, y))
    norm = jnp.sqrt(jnp.sum(x * x) * jnp.sum(y * y))
    return jnp.where(constant, jnp.nan, jnp.clip(jnp.sum(x * y) / jnp.where(constant, 1.0, norm), -1.0, 1.0))


def matthews(predictions: Values, labels: Values) -> Scalar:
    """Matthews correlation of two classes: Pearson's correlation of the indicators of class 1; NaN for a constant."""
    return pearson((predictions == 1).astype(_float()), (labels == 1).astype(_float()))


def spearman(predictions: Values, labels: Values) -> Scalar:
    """Spearman's correlation, in [-1, 1]: Pearson's correlation of the ranks; ties have their mean rank. O(n log n)."""
    return pearson(ranks(predictions), ranks(labels))


def ranks(values: Values) -> Float[Array, "n"]:
    """Ranks from 1 to n; tied values all have the mean of their ranks."""
    ordered = jnp.sort(values)
    below = jnp.searchsorted(ordered, values, side="left", method="sort")
    through = jnp.searchsorted(ordered, values, side="right", method="sort")
    return (below + through + 1).astype(_float()) / 2


METRICS = {"accuracy": accuracy, "f1": f1, "matthews": matthews, "pearson": pearson, "spearman": spearman}


def score(task: Task, outputs: np.ndarray, labels: np.ndarray) -> Score:
    """Scores the outputs of a head on one split.

    Two or more predictions are collapsed if all of them are one class or, in a regression, if their standard deviation
    is below 0.01.

    Args:
      task: the task that names the metrics.
      outputs: float [n, num_labels]; the prediction is the arg max, or the value itself in a regression.
      labels: [n], as in `Examples`.

    Raises:
      InputError: the outputs are not finite, because the training diverged.
      ValueError: the shapes of outputs and labels do not fit.
    """
    if outputs.shape != (len(labels), task.num_labels):
        raise ValueError(f"outputs {outputs.shape} do not fit {len(labels)} labels of {task.num_labels} classes")
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise InputError(
            f"{bad} of {len(labels)} outputs on {task.name} are not finite: the training diverged; lower the "
            "learning rate, or check the model's parameters"
        )
    predictions = outputs[:, 0] if task.regression else outputs.argmax(axis=1)
    with jax.enable_x64(True):
        values = _values(jnp.asarray(predictions, float), jnp.asarray(labels, float), task.metrics)
        values = {name: float(value) for name, value in values.items()}
    collapsed = predictions.std(dtype=np.float64) < 0.01 if task.regression else (predictions == predictions[0]).all()
    undefined = {name: why_undefined(name, predictions, labels) for name, value in values.items() if np.isnan(value)}
    known = [value for name, value in values.items() if name not in undefined]
    mean = float(np.mean(known)) if known else np.nan
    return Score(mean, values, bool(collapsed and len(labels) > 1), undefined)


def why_undefined(name: str, predictions: np.ndarray, labels: np.ndarray) -> str:
    """The reason for which a metric of these predictions is NaN."""
    if name == "f1":
        return "class 1 is neither predicted nor present"
    if len(labels) == 1:
        return "there is one example"
    sides = [said for said, values in (("labels", labels), ("predictions", predictions)) if np.ptp(values) == 0]
    return f"all {' and all '.join(sides)} are equal"


@partial(jax.jit, static_argnames="names")
def _values(predictions: Values, labels: Values, names: tuple[str, ...]) -> dict[str, Scalar]:
    return {name: METRICS[name](predictions, labels) for name in names}


def _float() -> jnp.dtype:
    """float64 inside `jax.enable_x64(True)`, else float32."""
    return jnp.result_type(float)
