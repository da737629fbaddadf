"""Taggers of words: a small network on the fixed features of one word, trained for several seeds in one program."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from geojax.ops.safe import matmul
from geojax.training.optimizers import Rates, decayed, learning_rate
from geojax.typing import Scalar

CLIPPED = 8.0  # standard deviations at which a feature is clipped

Params = dict[str, dict[str, Array]]


class Standard(NamedTuple):
    """Means and standard deviations of features, NaN left out; the deviation of a constant feature is infinite."""

    mean: Float[np.ndarray, "d"]
    deviation: Float[np.ndarray, "d"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "n d"]) -> "Standard":
        """Those of the rows of training."""
        known = ~np.isnan(features)
        count = np.maximum(known.sum(0), 1)
        mean = features.sum(0, float, where=known) / count
        deviation = np.sqrt(np.sum((features - mean) ** 2, 0, where=known) / count)
        constant = deviation <= 1e-6 * np.abs(features).max(0, initial=0.0, where=known)  # float32 rounds at 6e-8
        return cls(mean, np.where(constant, np.inf, deviation))

    def __call__(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Features with mean 0 and deviation 1 in training, clipped at 8; constant and undefined ones become 0."""
        standard = np.clip((features - self.mean) / self.deviation, -CLIPPED, CLIPPED)
        return np.nan_to_num(standard, nan=0.0).astype(np.float32)


def init(key: Key[Array, ""], width: int, hidden: int, labels: int) -> Params:
    """The network at the start: normal kernels of variance 2 / inputs (He et al. 2015) and 1 / inputs, biases 0."""
    first, second = jax.random.split(key)
    kernels = {
        "dense": jax.random.normal(first, (width, hidden)) * (2 / width) ** 0.5,
        "output": jax.random.normal(second, (hidden, labels)) * hidden**-0.5,
    }
    return {name: {"kernel": kernel, "bias": jnp.zeros(kernel.shape[1])} for name, kernel in kernels.items()}


def logits(params: Params, features: Float[Array, "n d"]) -> Float[Array, "n labels"]:
    """relu(x W + b) V + c."""
    dense, output = params["dense"], params["output"]
    hidden = jax.nn.relu(matmul(features, dense["kernel"]) + dense["bias"])
    return matmul(hidden, output["kernel"]) + output["bias"]


@partial(jax.jit, static_argnames=("hidden", "labels"))
def train(
    features: Float[Array, "n d"],
    tags: Int[Array, "n"],
    rows: Int[Array, "seeds steps batch"],
    keys: Key[Array, "seeds"],
    rates: Rates,
    *,
    hidden: int,
    labels: int,
) -> Params:
    """Trains a network for each seed by AdamW on the cross-entropy of batches of words.

    Args:
      features: standardised features of the words of training.
      tags: the code of each tag, below `labels`.
      rows: the words of every batch of every seed, as `batches` draws them.
      keys: of the first parameters, one a seed, stacked.
      rates: of the optimizer.
      hidden: width of the hidden layer.
      labels: number of tags.

    Returns:
      The parameters of every seed, stacked.

    Cost: O(seeds · steps · batch · d · hidden), one compilation for each d.
    """

    def loss(params: Params, batch: Int[Array, "batch"]) -> Scalar:
        found = logits(params, features[batch])
        return optax.softmax_cross_entropy_with_integer_labels(found, tags[batch]).mean()

    def one(key: Key[Array, ""], rows: Int[Array, "steps batch"]) -> Params:
        params = init(key, features.shape[1], hidden, labels)

        def step(state: tuple, batch: Int[Array, "batch"]) -> tuple[tuple, None]:
            number, params, moments = state
            transform = optax.adamw(learning_rate(rates, number), weight_decay=rates.weight_decay, mask=decayed)
            updates, moments = transform.update(jax.grad(loss)(params, batch), moments, params)
            return (number + 1, optax.apply_updates(params, updates), moments), None

        moments = optax.adamw(0.0, mask=decayed).init(params)
        return jax.lax.scan(step, (jnp.int32(0), params, moments), rows)[0][1]

    return jax.vmap(one)(keys, rows)


@jax.jit
def predict(params: Params, features: Float[Array, "n d"]) -> Int[Array, "seeds n"]:
    """The likeliest tag of every word by the network of every seed."""
    return jax.lax.map(lambda one: jnp.argmax(logits(one, features), -1).astype(jnp.int8), params)


def batches(words: Int[np.ndarray, "k"], steps: int, batch: int, seed: int) -> Int[np.ndarray, "steps batch"]:
    """The words of every batch: passes over the words, each in a random order, end to end.

    Args:
      words: rows of the features that may be drawn, as those of some utterances.
      steps, batch: number and size of the batches.
      seed: of the orders.
    """
    rng, passes = np.random.default_rng(seed), -(-steps * batch // len(words))
    drawn = np.concatenate([rng.permutation(words) for _ in range(passes)])
    return drawn[: steps * batch].reshape(steps, batch).astype(np.int32)
