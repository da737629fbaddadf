"""Seeded noise on an encoder's weights: the intervention of the study (arXiv 2406.12159, section 3)."""

import jax
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.models import Model
from geojax.models.apply import Params
from geojax.typing import Key


def check_level(alpha: float) -> None:
    """Raises an InputError where a noise level is not a percentage from 0 to 100."""
    if not 0 <= alpha <= 100:
        raise InputError(f"noise level {alpha:g} is not a percentage: give 0 to 100")


def is_noised(path: tuple[str, ...]) -> bool:
    """Whether noise reaches a parameter: dense kernels and LayerNorm scales of the layers, and nothing else.

    These are the encoder's parameters whose HuggingFace name ends in `weight`; embeddings, the projection that some
    architectures put behind them, pooler, heads and every bias stay as they are. The layers of ALBERT are one layer, so
    its noise is the same in all. GPT-2's query, key and value kernels draw apart, though its files keep them in one
    tensor, and the LayerNorm behind its last layer is noised as the last of BERT is.
    """
    return path[0] == "encoder" and path[-1] in ("kernel", "scale")


def add_noise(params: Params, alpha: float | Float[Array, ""], key: Key) -> Params:
    """Mixes unit normal noise into the weights: W ← (1 - α/100)·W + (α/100)·N(0, 1).

    Args:
      params: an encoder's tree, with a head or without.
      alpha: percentage, 0 to 100; the noise is not scaled to W. May be traced: vmap over levels and keys.
      key: every parameter draws from its own key, `fold_in` of its rank among the noised ones.

    Returns:
      The tree with the parameters that `is_noised` names changed; α = 0 returns their exact values.
    """
    fraction = alpha / 100
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    rank, mixed = 0, []
    for path, weight in leaves:
        if is_noised(tuple(part.key for part in path)):
            noise = jax.random.normal(jax.random.fold_in(key, rank), weight.shape, weight.dtype)
            weight = (1 - fraction) * weight + fraction * noise
            rank += 1
        mixed.append(weight)
    return jax.tree.unflatten(structure, mixed)


def perturbed(model: Model, alpha: float, noise_seed: int) -> Model:
    """A model with `alpha` percent of noise on its encoder's weights; α = 0 is the model itself."""
    check_level(alpha)
    if not alpha:
        return model
    return model._replace(params=add_noise(model.params, alpha, jax.random.key(noise_seed)))
