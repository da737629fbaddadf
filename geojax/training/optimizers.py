"""The optimizer of every training: one of optax's by its name, behind a clip of the norm, and its learning rate."""

import difflib
import inspect
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from geojax.errors import InputError

CLIP_NORM = 1.0
OPTIMIZERS = (
    *("adabelief", "adafactor", "adagrad", "adam", "adamw", "adan", "amsgrad", "lamb", "lion", "nadamw", "radam"),
    *("rmsprop", "sgd", "yogi"),
)


class Rates(NamedTuple):
    """The numbers of the optimizer: fine-tuning traces them, so that others compile nothing; else they are static."""

    learning_rate: Any
    weight_decay: Any
    total_steps: Any
    warmup_steps: Any = 0.0


def learning_rate(rates: Rates, step: Any) -> Any:
    """The learning rate of a step: linearly from 0 to its peak during the warm-up, then linearly to 0 at the end."""
    ahead = step - rates.warmup_steps
    rising, falling = (
        1 + ahead / jnp.maximum(rates.warmup_steps, 1),
        1 - ahead / (rates.total_steps - rates.warmup_steps),
    )
    return rates.learning_rate * jnp.minimum(rising, falling)


def schedule(rates: Rates) -> optax.Schedule:
    """The learning rate as optax computes it, in an optimizer that counts its steps itself.

    It is `learning_rate` but for the last bits of a warm-up; the numbers are compiled in.
    """
    rising = optax.linear_schedule(0.0, rates.learning_rate, rates.warmup_steps)
    falling = optax.linear_schedule(rates.learning_rate, 0.0, rates.total_steps - rates.warmup_steps)
    return optax.join_schedules([rising, falling], [rates.warmup_steps])


def decays(path: tuple[Any, ...]) -> bool:
    """Whether weight decay reaches a parameter: kernels and embeddings, never biases or LayerNorm scales."""
    return path[-1].key in ("kernel", "embedding")


def decayed(params: dict[str, Any]) -> dict[str, Any]:
    """Of every parameter whether weight decay reaches it."""
    return jax.tree_util.tree_map_with_path(lambda path, _: decays(path), params)


def check(name: str, weight_decay: float) -> None:
    """Raises an InputError where there is no such optimizer, or where it takes no weight decay and is given one."""
    if name not in OPTIMIZERS:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(OPTIMIZERS)}"
        raise InputError(f"optimizer {name!r} is unknown: {hint}")
    if weight_decay and not _takes_decay(name):
        able = ", ".join(filter(_takes_decay, OPTIMIZERS))
        raise InputError(f"{name} takes no weight decay, and weight_decay is {weight_decay:g}: choose one of {able}")


def clipped(gradients: dict[str, Any], params: dict[str, Any] | None) -> dict[str, Any]:
    """Gradients scaled down to the norm `CLIP_NORM` where theirs is larger.

    As `optax.clip_by_global_norm`, whose selection of every entry is slow under `vmap` on a CPU; within a compiled step
    the last bits can differ.
    """
    excess = jnp.maximum(optax.tree.norm(gradients) / CLIP_NORM, 1.0)
    return jax.tree.map(lambda leaf: leaf / excess, gradients)


CLIP = optax.stateless(clipped)


def optimizer(
    name: str,
    learning_rate: Any,
    weight_decay: Any,
    clip: optax.GradientTransformation = CLIP,
    **settings: float,
) -> optax.GradientTransformation:
    """One of `OPTIMIZERS` behind a clip of the gradients.

    Args:
      name: of the optimizer.
      learning_rate: of the next update, or what `schedule` gives.
      weight_decay: of the parameters that `decayed` tells; passed over by an optimizer that has none.
      clip: what bounds the gradients.
      settings: others of optax. Without them AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) has β = (0.9, 0.999)
        and ε = 1e-8.
    """
    options = settings | ({"weight_decay": weight_decay, "mask": decayed} if _takes_decay(name) else {})
    return optax.chain(clip, getattr(optax, name)(learning_rate, **options))


@cache
def _takes_decay(name: str) -> bool:
    """Whether an optimizer decays the weights that it is told to, in proportion to the learning rate."""
    return {"weight_decay", "mask"} <= inspect.signature(getattr(optax, name)).parameters.keys()
