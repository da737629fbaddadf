"""Norms: LayerNorm (Ba et al. 2016, arXiv 1607.06450) and RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467)."""

from flax import nnx
from jaxtyping import Array

from geojax.models.config import ModelConfig


class LayerNorm(nnx.LayerNorm):
    """Layer normalisation, computed in the type of its scale and bias; the output has the type of the input."""

    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


class RMSNorm(nnx.RMSNorm):
    """x · scale / sqrt(mean(x²) + ε), computed in the type of its scale; the output has the type of the input."""

    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


def norm(config: ModelConfig, rngs: nnx.Rngs, width: int | None = None) -> LayerNorm | RMSNorm:
    """The norm of a model, over `width` entries; None: over the width of the layers."""
    width = width or config.hidden_size
    if config.architecture.norm == "rms":
        return RMSNorm(width, epsilon=config.layer_norm_eps, rngs=rngs)
    # With a two-pass variance, because the one-pass form loses precision if the mean is large.
    return LayerNorm(
        width, epsilon=config.layer_norm_eps, use_bias=config.norm_bias, use_fast_variance=False, rngs=rngs
    )
