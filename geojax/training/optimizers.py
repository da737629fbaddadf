"""Optimizers: gradient clipping by norm, then an optimizer of optax by name, with a linear learning-rate schedule."""

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
    """The numbers of the optimizer.

    Fine-tuning traces them, so that new values need no new compilation; pre-training and distillation compile them in.
    """

    learning_rate: Any
    weight_decay: Any
    total_steps: Any
    warmup_steps: Any = 0.0


def learning_rate(rates: Rates, step: Any) -> Any:
    """The learning rate of a step: it rises linearly from 0 during the warm-up, then falls linearly to 0 at the end."""
    ahead = step - rates.warmup_steps
    rising, falling = (
        1 + ahead / jnp.maximum(rates.warmup_steps, 1),
        1 - ahead / (rates.total_steps - rates.warmup_steps),
    )
    return rates.learning_rate * jnp.minimum(rising, falling)


def schedule(rates: Rates) -> optax.Schedule:
    """The learning rate as an optax schedule, for an optimizer that counts its own steps; the numbers are compiled in.

    It equals `learning_rate`, except in the last bits during a warm-up.
    """
    rising = optax.linear_schedule(0.0, rates.learning_rate, rates.warmup_steps)
    falling = optax.linear_schedule(rates.learning_rate, 0.0, rates.total_steps - rates.warmup_steps)
    return optax.join_schedules([rising, falling], [rates.warmup_steps])


def decays(path: tuple[Any, ...]) -> bool:
    """Whether weight decay applies to a parameter: to kernels and embeddings, not to biases and LayerNorm scales."""
    return path[-1].key in ("kernel", "embedding", "lora_a", "lora_b")


def decayed(params: dict[str, Any]) -> dict[str, Any]:
    """The mask of weight decay: for every parameter, whether weight decay applies to it."""
    return jax.tree_util.tree_map_with_path(lambda path, _: decays(path), params)


def check(name: str, weight_decay: float) -> None:
    """Raises InputError if the optimizer is unknown, or if it has no weight decay and `weight_decay` is not 0."""
    if name not in OPTIMIZERS:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(OPTIMIZERS)}"
        raise InputError(f"optimizer {name!r} is unknown: {hint}")
    if weight_decay and not _takes_decay(name):
        able = ", ".join(filter(_takes_decay, OPTIMIZERS))
        raise InputError(f"{name} takes no weight decay, and weight_decay is {weight_decay:g}: choose one of {able}")


def clipped(gradients: dict[str, Any], params: dict[str, Any] | None) -> dict[str, Any]:
    """Gradients scaled down to a global norm of `CLIP_NORM` if their norm is larger.

    `optax.clip_by_global_norm` does the same with a selection per entry, which is slow under `vmap` on a CPU; within a
    compiled step the last bits can differ.
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
    """Gradient clipping followed by an optimizer of optax.

    Args:
      name: one of `OPTIMIZERS`.
      learning_rate: the learning rate of the next update, or a schedule as `schedule` gives it.
      weight_decay: applies to the parameters that `decayed` marks; ignored if the optimizer has no weight decay.
      clip: the transformation that bounds the gradients.
      settings: further arguments of the optimizer in optax. Without them AdamW (Loshchilov & Hutter 2019, arXiv
        1711.05101) has β = (0.9, 0.999) and ε = 1e-8.
    """
    options = settings | ({"weight_decay": weight_decay, "mask": decayed} if _takes_decay(name) else {})
    return optax.chain(clip, getattr(optax, name)(learning_rate, **options))


@cache
def _takes_decay(name: str) -> bool:
    """Whether an optimizer has weight decay with a mask, in proportion to the learning rate."""
    return {"weight_decay", "mask"} <= inspect.signature(getattr(optax, name)).parameters.keys()
