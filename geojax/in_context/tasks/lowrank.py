"""Perceptrons whose weights are a fixed random image of ten numbers, by Fastfood."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from geojax.in_context.tasks.base import Answers, Inputs, Latent, Task
from geojax.in_context.tasks.functions import HIDDEN, perceptron
from geojax.typing import Key

RANK = 10


class Fastfood(NamedTuple):
    """The random parts of a map from R^w to R^D: signs B, a permutation Π and scales G, each of length L = 2^⌈log₂ D⌉.

    Reference: Le, Sarlos & Smola 2013, "Fastfood: approximating kernel expansions in loglinear time"; with the
    normalisation of Li et al. 2018, arXiv 1804.08838.
    """

    signs: Float[Array, "L"]
    order: Int[Array, "L"]
    scales: Float[Array, "L"]


def fastfood(key: Key, outputs: int) -> Fastfood:
    """Draws the parts of a map to R^outputs: signs ±1, a uniform permutation, scales N(0, 1)."""
    length = 2 ** math.ceil(math.log2(outputs))
    of_signs, of_order, of_scales = jax.random.split(key, 3)
    return Fastfood(
        jax.random.rademacher(of_signs, (length,), jnp.float32),
        jax.random.permutation(of_order, length),
        jax.random.normal(of_scales, (length,)),
    )


def hadamard(values: Float[Array, "L"]) -> Float[Array, "L"]:
    """The unnormalised Walsh–Hadamard transform in Sylvester's order; L is a power of two."""
    length = len(values)
    for stage in range(length.bit_length() - 1):
        pairs = values.reshape(-1, 2, 2**stage)
        values = jnp.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(length)
    return values


def expand(parts: Fastfood, w: Latent, outputs: int) -> Float[Array, "D"]:
    """δ = [H G Π H B w]_{1..D} / (√(L Σ G²) · √(D / L)); w is filled up with zeros to L, or cut; ‖δ‖ ≈ ‖w‖."""
    length = len(parts.signs)
    padded = jnp.pad(w[:length], (0, max(0, length - len(w))))
    mixed = hadamard(parts.scales * hadamard(parts.signs * padded)[parts.order])
    norm = jnp.sqrt(length * jnp.sum(parts.scales**2)) * math.sqrt(outputs / length)
    return mixed[:outputs] / norm


class Plane(NamedTuple):
    """All networks of one seed: θ = origin + w @ directions, in the order of `perceptron`'s weights."""

    origin: Float[Array, "D"]
    directions: Float[Array, "w D"]


@dataclass(frozen=True)
class LowRank(Task):
    """y = a perceptron x–64–y (ReLU) with θ = θ₀ + Fastfood(w), w ~ N(0, I_10), tensor by tensor; θ₀ ~ U(±1/√fan_in).

    θ₀ and the four Fastfood maps are the constants of a seed. Var y differs between seeds.
    """

    latent_dim: ClassVar[int] = RANK

    def constants(self, key: Key) -> Plane:
        """θ₀, and Fastfood of the unit vectors: the map is linear."""
        sizes = (self.x_dim * HIDDEN, HIDDEN, HIDDEN * self.y_dim, self.y_dim)
        fans = (self.x_dim, self.x_dim, HIDDEN, HIDDEN)
        origin, directions = [], []
        for size, fan, part in zip(sizes, fans, jax.random.split(key, 4), strict=True):
            of_origin, of_map = jax.random.split(part)
            bound = fan**-0.5
            origin.append(jax.random.uniform(of_origin, (size,), minval=-bound, maxval=bound))
            parts = fastfood(of_map, size)
            directions.append(jax.vmap(lambda w, parts=parts, size=size: expand(parts, w, size))(jnp.eye(RANK)))
        return Plane(jnp.concatenate(origin), jnp.concatenate(directions, axis=1))

    def f(self, x: Inputs, w: Latent, constants: Any = ()) -> Answers:
        """The output of the network with the weights θ₀ + Fastfood(w)."""
        return perceptron(x, constants.origin + w @ constants.directions, self.y_dim)


@dataclass(frozen=True)
class LowRankClasses(LowRank):
    """y ~ softmax(the outputs of such a network / T)."""

    classes: ClassVar[bool] = True
