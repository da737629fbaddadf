"""Parameters moved until measures of every layer's hidden states have given values, before any training."""

import math
import statistics
import time
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from geojax.errors import InputError
from geojax.measures import CATALOGUE
from geojax.measures.axes import average_cosine_similarity
from geojax.measures.cells import patchiness
from geojax.measures.soft import soft_patchiness
from geojax.models.apply import Apply, Params
from geojax.quantizers import product
from geojax.quantizers.product import Quantizer
from geojax.training.masking import Windows, token_types
from geojax.training.regularize import DIRECT
from geojax.training.step import State, descend, fresh
from geojax.typing import Key, Scalar

LEARNING_RATE = 1e-3
NEAR = 0.01  # distance at which parameters are near enough
CODEBOOKS, CODEBOOK_SIZE = 4, 64  # of the quantizers of `patchiness`

Logs = Float[Array, "layers measures"]


class Moved(NamedTuple):
    """Parameters that were moved.

    Attributes:
      params: the parameters.
      distance: the last distance that was computed, that before the last step if the steps ran out.
      steps: optimizer steps taken.
      seconds: time of these steps, each at the median, so that compilation does not count.
    """

    params: Params
    distance: float
    steps: int
    seconds: float


@partial(jax.jit, static_argnames="apply")
def layers(params: Params, input_ids: Windows, *, apply: Apply) -> Float[Array, "layers n d"]:
    """The tokens' vectors behind every layer for unmasked windows without padding; the embeddings are no layer."""
    batch = {
        "input_ids": input_ids,
        "attention_mask": jnp.ones_like(input_ids),
        "token_type_ids": token_types(input_ids),
    }
    states = jnp.stack(apply(params, batch)["hidden_states"][1:])
    return states.reshape(len(states), -1, states.shape[-1])


@partial(jax.jit, static_argnames="apply")
def log_measures(params: Params, input_ids: Windows, quantizers: Quantizer | None = None, *, apply: Apply) -> Logs:
    """Logs of measures of every layer: of EEE, IsoScore and VRM; or, with a quantizer a layer, of soft patchiness."""
    clouds = layers(params, input_ids, apply=apply)
    if quantizers is None:
        return jax.lax.map(lambda points: jnp.log(jnp.stack([measure(points) for measure in DIRECT.values()])), clouds)
    return jax.lax.map(lambda pair: jnp.log(soft_patchiness(*pair))[None], (clouds, quantizers))


@partial(jax.jit, static_argnames="apply")
def distance(
    params: Params, input_ids: Windows, targets: Logs, quantizers: Quantizer | None = None, *, apply: Apply
) -> Scalar:
    """The sum over layers and measures of (log m - log m*)^2; `targets` are the log m*, as `log_measures` gives m."""
    return jnp.sum((log_measures(params, input_ids, quantizers, apply=apply) - targets) ** 2)


def mean_logs(
    params: Params, batches: Int[np.ndarray, "k B T"], quantizers: Quantizer | None = None, *, apply: Apply
) -> Logs:
    """The mean of `log_measures` over batches: targets for batches of the same size, on which the bias depends."""
    return jnp.mean(jnp.stack([log_measures(params, batch, quantizers, apply=apply) for batch in batches]), 0)


def mirrored(start: Logs, targets: Logs) -> Logs:
    """The targets m0^2 / m*, as far from the start as m*, on the other side; at most the end of the measure's range."""
    ends = [row.value_range[1] for name in DIRECT for row in CATALOGUE if row.name == name]
    return jnp.minimum(2 * start - targets, jnp.log(jnp.array(ends)))


@jax.jit
def quantizers_of(clouds: Float[Array, "layers n d"], key: Key) -> Quantizer:
    """A product quantizer fitted to the cloud of each layer, with a leading axis of layers."""
    fit = partial(product.fit, codebooks=CODEBOOKS, codebook_size=CODEBOOK_SIZE)
    return jax.lax.map(lambda pair: fit(*pair), (clouds, jax.random.split(key, len(clouds))))


def scaled_to(quantizers: Quantizer, clouds: Float[Array, "layers n d"], own: Float[Array, "layers n d"]) -> Quantizer:
    """Quantizers fitted to the clouds of layers, moved and scaled to the means and deviations of other clouds."""
    deviations = [jnp.sqrt(jnp.sum(jnp.var(some, 1), -1)) for some in (own, clouds)]
    return Quantizer(quantizers.codebooks, jnp.mean(own, 1), quantizers.scale * deviations[0] / deviations[1])


def move(
    params: Params,
    batches: Int[np.ndarray, "k B T"],
    targets: Logs,
    quantizers: Quantizer | None = None,
    *,
    apply: Apply,
) -> Moved:
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) at rate 1e-3 on `distance`, one batch a step.

    It stops where the distance on a batch is below 0.01, or at the last batch.

    Args:
      params: not consumed.
      batches: windows without padding; a measure is that of all tokens of a batch.
      targets: logs of the wanted measures, such as `mean_logs` of a trained encoder on batches of the same size.
      quantizers: for soft patchiness.
      apply: the model's function.

    Raises:
      InputError: the distance is no finite number.

    Cost: of a step, a forward and a backward pass and the measures' O(n d^2 + d^3) a layer.
    """
    state, steps, seconds, found = fresh(params, optax.adam(LEARNING_RATE)), 0, [], math.inf
    for batch in batches:
        before = time.perf_counter()
        following, found = _step(state, batch, targets, quantizers, apply=apply)
        found = float(found)
        seconds.append(time.perf_counter() - before)
        if not math.isfinite(found):
            raise InputError(f"the distance to the targets is {found} after {steps} steps: a measure has no logarithm")
        if found < NEAR:
            break
        state, steps = following, steps + 1
    return Moved(state.params, found, steps, len(seconds) * statistics.median(seconds))


@partial(jax.jit, static_argnames="apply")
def _step(
    state: State, input_ids: Windows, targets: Logs, quantizers: Quantizer | None, *, apply: Apply
) -> tuple[State, Scalar]:
    found, gradients = jax.value_and_grad(distance)(state.params, input_ids, targets, quantizers, apply=apply)
    return descend(state, gradients, optax.adam(LEARNING_RATE)), found


@partial(jax.jit, static_argnames="apply")
def describe(params: Params, input_ids: Windows, *, apply: Apply) -> dict[str, Float[Array, "layers"]]:
    """EEE, IsoScore, VRM, patchiness and the mean cosine of every layer's cloud.

    Patchiness is that of a product quantizer of 4 codebooks of 64 entries, fitted to the cloud.
    """

    def one(points: Float[Array, "n d"]) -> dict[str, Scalar]:
        quantizer = product.fit(points, jax.random.key(0), codebooks=CODEBOOKS, codebook_size=CODEBOOK_SIZE)
        found = {name: measure(points) for name, measure in DIRECT.items()}
        found["patchiness"] = patchiness(product.cells(quantizer, points))
        return found | {"average_cosine_similarity": average_cosine_similarity(points)}

    return jax.lax.map(one, layers(params, input_ids, apply=apply))
