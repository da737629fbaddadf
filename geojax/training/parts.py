"""The parameters that a fine-tuning changes, and those that it keeps: all of them, or an adapter and the rest."""

from typing import Any, NamedTuple

import jax

from geojax.models.lora import Adapted, merged, split
from geojax.parallel.layout import Layout, fetch
from geojax.training.settings import Settings
from geojax.training.step import Params
from geojax.typing import Key


class Parts(NamedTuple):
    """The parts of a model in training.

    Attributes:
      apply: the function of the trained parameters; it takes `frozen` too, if there are frozen ones.
      params: the trained parameters at the start.
      frozen: the parameters that stay; None where all are trained.
      scale: of the adapter, alpha / r.
    """

    apply: Any
    params: Params
    frozen: Params | None = None
    scale: float = 1.0

    def whole(self, params: Params, layout: Layout | None = None) -> Params:
        """All parameters of the model from the trained ones, which lie as `layout` says if there is one."""
        if self.frozen is None:
            return params
        if layout is None:
            return merged(self.frozen, params, self.scale)
        return layout.place(merged(self.frozen, fetch(params), self.scale))


def parts(apply: Any, params: Params, settings: Settings) -> Parts:
    """The parts of a model with these settings: with LoRA the adapter, pooler and head are trained, else everything.

    Raises:
      InputError: a target of LoRA that names no kernel of the model, or a rank that exceeds a kernel's side.
    """
    lora, apply = settings.lora(), in_training(apply, settings)
    if lora is None:
        return Parts(apply, params)
    frozen, adapter = split(params, lora, adapter_key(settings.seed))
    return Parts(apply, adapter, frozen, lora.scale)


def in_training(apply: Any, settings: Settings) -> Any:
    """The model's function in training: of all parameters or, with LoRA, of an adapter and the frozen ones."""
    lora, apply = settings.lora(), settings.training(apply)
    return apply if lora is None else Adapted(apply, lora.scale)


def adapter_key(seed: int) -> Key:
    """The key of a new adapter, independent of those of the head and of dropout with this seed."""
    return jax.random.split(jax.random.key(seed), 3)[2]
