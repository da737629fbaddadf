"""Heads of a space: classifiers that read its vectors, and through a bridge those of another."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from geojax.alignment.bridge import Bridge
from geojax.alignment.checks import as_rows
from geojax.alignment.maps import Scaling
from geojax.errors import InputError
from geojax.ops.arrays import as_places
from geojax.ops.pseudo_inverse import least_squares
from geojax.ops.safe import matmul
from geojax.ops.threads import one_blas_thread
from geojax.typing import Key

STEPS, BATCH, LEARNING_RATE = 1000, 256, 3e-3  # of the head with a hidden layer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Head:
    """A classifier of vectors: scores = relu(z W) V + b, z the vector with mean 0 and deviation 1; a pytree.

    Attributes:
      mean, deviation: Float[d], the deviation 1 on an axis without variance.
      hidden: the matrix W with a last row of intercepts, Float[d + 1, h]; None for scores = z V + b.
      weights: V, Float[d, classes] or Float[h, classes].
      bias: Float[classes].
    """

    mean: Float[Array, "d"]
    deviation: Float[Array, "d"]
    hidden: Float[Array, "d1 h"] | None
    weights: Float[Array, "e classes"]
    bias: Float[Array, "classes"]

    def __call__(self, x: Any) -> Float[Array, "n classes"]:
        """The scores of Float[n, d]; the class with the largest is told.

        Raises:
          InputError: another width, or not a matrix of floats.
        """
        x = as_rows(x, "the vectors")
        if x.shape[1] != self.mean.shape[0]:
            raise InputError(f"the vectors have {x.shape[1]} coordinates, but the head reads {self.mean.shape[0]}")
        return _scores(self, jnp.asarray(x))


@jax.jit
def _scores(head: Head, x: Float[Array, "n d"]) -> Float[Array, "n classes"]:
    z = (x - head.mean) / head.deviation
    if head.hidden is not None:
        z = jax.nn.relu(matmul(z, head.hidden[:-1]) + head.hidden[-1])
    return matmul(z, head.weights) + head.bias


def fit_head(x: Any, labels: Any, *, penalty: float = 0.1, classes: int | None = None) -> Head:
    """A ridge classifier on standard-scaled vectors, in closed form: one target a class, 1 in it and 0 elsewhere.

    V = (Z'Z + penalty n I)^-1 Z'T with T the centred targets, and b their means.

    Args:
      x: Float[n, d].
      labels: Int[n], from 0 on.
      penalty: above 0.
      classes: their number; None for the largest label and one.

    Raises:
      InputError: vectors that are not finite, labels of another number, of one class or out of range.

    Cost: O(n d q + q^3), q = min(n, d).
    """
    x, labels, classes = _examples(x, labels, classes)
    if not penalty > 0:
        raise InputError(f"penalty is {penalty}: give a number above 0")
    with one_blas_thread(), jax.enable_x64(True):
        return jax.block_until_ready(_ridge(x, labels, penalty, classes, x.dtype))


@partial(jax.jit, static_argnames=("penalty", "classes", "dtype"))
def _ridge(x: Float[Array, "n d"], labels: Int[Array, "n"], penalty: float, classes: int, dtype: Any) -> Head:
    scaling = Scaling.of(x)
    targets = jax.nn.one_hot(labels, classes, dtype=x.dtype)
    share = jnp.mean(targets, 0)
    weights = least_squares(scaling(x), targets - share, penalty=penalty * x.shape[0]).matrix
    return jax.tree.map(lambda leaf: leaf.astype(dtype), Head(*scaling, None, weights, share))


def fit_mlp_head(
    key: Key, x: Any, labels: Any, *, hidden: int = 128, steps: int = STEPS, classes: int | None = None
) -> Head:
    """A head with one hidden layer on standard-scaled vectors: Adam, batches of 256, learning rate 3e-3 to 0 (cosine).

    Args:
      key: of the start and of the batches.
      x: Float[n, d].
      labels: Int[n], from 0 on.
      hidden: width of the layer.
      steps: of Adam.
      classes: their number; None for the largest label and one.

    Raises:
      InputError: as in `fit_head`.

    Cost: O(steps (d + classes) hidden).
    """
    x, labels, classes = _examples(x, labels, classes)
    if min(hidden, steps) < 1:
        raise InputError(f"hidden and steps are {hidden} and {steps}: give 1 or more")
    return _by_adam(key, x.astype(np.float32), labels, hidden, steps, classes)


@partial(jax.jit, static_argnames=("hidden", "steps", "classes"))
def _by_adam(key: Key, x: Float[Array, "n d"], labels: Int[Array, "n"], hidden: int, steps: int, classes: int) -> Head:
    first, second, batches = jax.random.split(key, 3)
    n, d = x.shape
    scaling = Scaling.of(x)
    start = Head(
        *scaling,
        hidden=jnp.pad(jax.random.normal(first, (d, hidden)) * (2 / d) ** 0.5, ((0, 1), (0, 0))),
        weights=jax.random.normal(second, (hidden, classes)) * hidden**-0.5,
        bias=jnp.zeros(classes),
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))

    def loss(trained: tuple, rows: Int[Array, "b"]) -> Array:
        scores = _scores(Head(*scaling, *trained), x[rows])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, labels[rows]))

    def step(state: tuple, key: Key) -> tuple[tuple, None]:
        trained, moments = state
        rows = jax.random.randint(key, (min(BATCH, n),), 0, n)
        updates, moments = optimizer.update(jax.grad(loss)(trained, rows), moments)
        return (optax.apply_updates(trained, updates), moments), None

    trained = start.hidden, start.weights, start.bias
    (trained, _), _ = jax.lax.scan(step, (trained, optimizer.init(trained)), jax.random.split(batches, steps))
    return Head(*scaling, *trained)


def _examples(x: Any, labels: Any, classes: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Vectors and labels on the host, and the number of classes, after their checks."""
    x, labels = np.asarray(as_rows(x, "the vectors")), as_places(labels, "the labels")
    if labels.shape != x.shape[:1]:
        raise InputError(f"the labels are {list(labels.shape)}: one for each of the {len(x)} vectors is needed")
    if not (finite := np.isfinite(x).all(1)).all():
        raise InputError(f"vector {int(np.argmin(finite))} has NaN or infinite coordinates: leave such rows out")
    if labels.min() == labels.max():
        raise InputError(f"all {len(labels)} labels are {labels[0]}: a head needs at least two classes")
    classes = int(labels.max()) + 1 if classes is None else classes
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"the labels are from {labels.min()} to {labels.max()}: 0 to {classes - 1} are needed")
    return x, labels.astype(np.int32), classes


def stitch(bridge: Bridge, head: Head, x: Any) -> Float[Array, "n classes"]:
    """The scores that a head of the target space gives vectors of the source space, without training: head(bridge(x)).

    Args:
      bridge: from the space of `x` to that of the head.
      head: what `fit_head` gives, or any function of Float[n, d_Y].
      x: Float[n, d_X].

    Raises:
      InputError: the bridge goes to another width than the head reads; as in `bridge(x)`.
    """
    return head(bridge(x))


def accuracy(scores: Any, labels: Any) -> float:
    """The share of rows whose largest score is that of their label."""
    return float(np.mean(np.argmax(np.asarray(scores), 1) == as_places(labels, "the labels")))
