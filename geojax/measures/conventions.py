"""The two conventions under which a measure can be taken, and the random references that they compare with."""

import difflib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from geojax.errors import InputError
from geojax.ops.distinct import first_equal, first_of_each
from geojax.ops.moments import as_float32, as_mask
from geojax.typing import Key, Labels, Mask, Points, Sample, Scalar

CONVENTIONS = ("standard", "paper")
# Rows of a normal sample that are drawn at once.
ROWS = 256


def check_convention(convention: str) -> None:
    """Raises an InputError unless the convention is "standard" or "paper"."""
    if convention not in CONVENTIONS:
        near = difflib.get_close_matches(str(convention), CONVENTIONS, n=1)
        hint = f": did you mean {near[0]!r}?" if near else ": choose 'standard' or 'paper'"
        raise InputError(f"convention {convention!r} is unknown{hint}")


def once(points: Points, mask: Mask | None, convention: str, twins: Labels | None) -> Mask:
    """The rows that a measure of spacings or neighbours takes: of equal ones the first; in "paper" all that count.

    Equal points have a spacing of zero, which tells nothing of a density: its logarithm would outweigh all others.

    Args:
      twins: Int[n], one number from 0 to n - 1 for all rows that are equal, where the caller has it.
    """
    points = as_float32(points)
    mask = as_mask(mask, points.shape[0])
    if convention == "paper":
        return mask
    if twins is None:
        twins = first_equal(jax.lax.stop_gradient(points), mask)
    return first_of_each(twins, mask)


def need_key(key: Key | None, name: str) -> Key:
    """The key, or an InputError where there is none."""
    if key is None:
        raise InputError(f"{name} draws at random: give it a key")
    return key


def normal_variance(key: Key | None, name: str, count: Int[Array, ""], d: int) -> Scalar:
    """Total variance of a standard normal sample of count x d, drawn from its distribution, a chi-square one."""
    freedom = d * (count - 1).astype(jnp.float32)
    return d * jax.random.chisquare(need_key(key, name), freedom) / freedom


def normal_sample(reference: Sample | None, key: Key | None, name: str, shape: tuple[int, int]) -> Points:
    """The sample given, checked, or a standard normal one, of which rows added at the end leave the others alone."""
    if reference is None:
        key = need_key(key, name)
        n, d = shape
        # In blocks, since a whole cloud of draws takes three clouds of memory beside it.
        draws = jax.lax.map(
            lambda block: jax.random.normal(jax.random.fold_in(key, block), (ROWS, d)), jnp.arange(-(-n // ROWS))
        )
        return draws.reshape(-1, d)[:n]
    reference = as_float32(reference)
    if reference.shape != shape:
        raise InputError(f"the reference of {name} has shape {reference.shape}, but the cloud {shape}")
    return reference


def leading(mask: Mask) -> Mask:
    """True in as many rows from the first as the mask keeps: the rows of a sample that stand beside its points."""
    return jnp.arange(mask.shape[0]) < jnp.sum(mask)


def sample_variance(sample: Points, mask: Mask) -> Scalar:
    """Total variance of those rows of a normal sample."""
    used = leading(mask)[:, None]
    count = jnp.sum(mask)
    mean = jnp.sum(jnp.where(used, sample, 0), 0) / count
    return jnp.sum(jnp.where(used, sample - mean, 0) ** 2) / (count - 1)
