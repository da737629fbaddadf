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


@jax.custom_jvp
def widened(kernel: Float[Array, "d e"], x: Float[Array, "*rows d"]) -> Float[Array, "d e"]:
    """A kernel in bfloat16 as float32, computed when `x` is there.

    XLA would otherwise widen all kernels of a model first and hold them all. So the bits of the kernel are made to
    depend on `x`: what is added to them is 0, for a number is not both NaN and 0.
    """
    first = x.ravel()[0]
    nothing = (jnp.isnan(first) & (first == 0)).astype(jnp.uint16)
    bits = (jax.lax.bitcast_convert_type(kernel, jnp.uint16) | nothing).astype(jnp.uint32) << 16
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


@widened.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return widened(*primals), tangents[0].astype(jnp.float32)


class Dense(nnx.Linear):
    """A dense layer; a kernel that is held in bfloat16 becomes float32 where it meets an input in float32."""

    def __call__(self, x: Float[Array, "*rows d"]) -> Float[Array, "*rows e"]:
        kernel = self.kernel[...]
        if kernel.dtype != jnp.bfloat16 or x.dtype != jnp.float32:
            return super().__call__(x)
        y = x @ widened(kernel, x)
        return y if self.bias is None else y + self.bias[...]


def linear(
    config: ModelConfig, inputs: int, outputs: int, rngs: nnx.Rngs, *, bias: bool = True, residual: bool = False
) -> Dense:
    """A dense layer with a kernel N(0, initializer_range²) and a zero bias.

    If the output is added to the residual stream of a pre-norm model (`residual`), the standard deviation is divided by
    sqrt(2 · num_hidden_layers) (Radford et al. 2019, section 2.3).
    """
    deviation = config.initializer_range
    if residual and config.architecture.pre_norm:
        deviation /= math.sqrt(2 * config.num_hidden_layers)
    return Dense(inputs, outputs, use_bias=bias, kernel_init=jax.nn.initializers.normal(deviation), rngs=rngs)
