"""Seeded noise on a model's weights: the intervention of the study (arXiv 2406.12159, section 3)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.models import Model
from geojax.models.apply import Params
from geojax.typing import Key


def check_level(alpha: float) -> None:
    """Raises InputError if a noise level is not a percentage from 0 to 100."""
    if not 0 <= alpha <= 100:
        raise InputError(f"noise level {alpha:g} is not a percentage: give 0 to 100")


def is_noised(path: tuple[str, ...]) -> bool:
    """Whether noise is added to a parameter: only to dense kernels and to the scales of norms of the layers.

    In HuggingFace's names these are the layers' parameters that end in `weight`. Embeddings, embedding projections,
    poolers, heads and all biases stay unchanged. All layers of ALBERT have the same noise, because they share their
    parameters. Kernels that files store in one tensor, such as query, key and value of GPT-2, get independent noise.
    Gates get noise as other kernels do, and all norms do, whether of a layer, of queries and keys, or after the last
    layer.
    """
    return path[0] == "encoder" and path[-1] in ("kernel", "scale")


def add_noise(params: Params, alpha: float | Float[Array, ""], key: Key) -> Params:
    """Adds standard normal noise to the weights: W ← (1 - α/100)·W + (α/100)·N(0, 1).

    Args:
      params: an encoder's parameters, with or without a head.
      alpha: percentage, 0 to 100; the noise is not scaled to W. May be traced, so vmap over levels and keys works.
      key: each noised parameter draws from a key of its own, `fold_in(key, i)` for the i-th noised parameter.

    Returns:
      The tree, in which the parameters that `is_noised` selects are changed; α = 0 returns their exact values.
    """
    fraction = alpha / 100
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    rank, mixed = 0, []
    for path, weight in leaves:
        if is_noised(tuple(part.key for part in path)):
            noise = jax.random.normal(jax.random.fold_in(key, rank), weight.shape)
            full = (1 - fraction) * weight.astype(jnp.float32) + fraction * noise
            weight = full.astype(weight.dtype)
            rank += 1
        mixed.append(weight)
    return jax.tree.unflatten(structure, mixed)


def perturbed(model: Model, alpha: float, noise_seed: int) -> Model:
    """A model with `alpha` percent of noise in its encoder's weights; α = 0 returns the model itself.

    Raises:
      InputError: `alpha` is not from 0 to 100.
    """
    check_level(alpha)
    if not alpha:
        return model
    return model._replace(params=add_noise(model.params, alpha, jax.random.key(noise_seed)))
