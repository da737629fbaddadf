"""Dense layers and activations."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from geojax.models.config import ModelConfig

ACTIVATION = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}

Hidden = Float[Array, "B T d"]


def linear(
    config: ModelConfig, inputs: int, outputs: int, rngs: nnx.Rngs, *, bias: bool = True, residual: bool = False
) -> nnx.Linear:
    """A dense layer with a kernel N(0, initializer_range²) and a zero bias.

    If the output is added to the residual stream of a pre-norm model (`residual`), the standard deviation is divided by
    sqrt(2 · num_hidden_layers) (Radford et al. 2019, section 2.3).
    """
    deviation = config.initializer_range
    if residual and config.architecture.pre_norm:
        deviation /= math.sqrt(2 * config.num_hidden_layers)
    return nnx.Linear(inputs, outputs, use_bias=bias, kernel_init=jax.nn.initializers.normal(deviation), rngs=rngs)
