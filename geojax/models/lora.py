"""LoRA (Hu et al. 2021, arXiv 2106.09685): kernels W + (alpha / r) · A B of which only A and B are trained.

An adapter is a tree with the paths of a parameter tree: {"lora_a": A, "lora_b": B} in the place of every adapted
kernel, and the pooler and the head whole, because a new task starts with new ones. All else is frozen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from geojax.errors import InputError
from geojax.models.apply import Params
from geojax.ops.safe import matmul
from geojax.typing import Key

TOP = ("pooler", "head")  # trained whole

Path = tuple[str, ...]


@dataclass(frozen=True)
class Lora:
    """The settings of an adapter.

    Attributes:
      rank: r, the inner size of A B.
      alpha: the product is scaled by alpha / r (section 4.1).
      targets: the kernels that are adapted, by the last parts of their paths: "query", "attention/output", or "output",
        which is that of attention and that of the perceptron.
    """

    rank: int
    alpha: float = 16.0
    targets: tuple[str, ...] = ("query", "value")

    @property
    def scale(self) -> float:
        """The factor of A B."""
        return self.alpha / self.rank


def kernels(params: Params, path: Path = ()) -> Iterator[Path]:
    """The paths of the modules with a dense kernel, without pooler and head."""
    for name, tree in params.items():
        if name == "kernel" and tree.ndim == 2:
            yield path
        elif isinstance(tree, dict) and name not in TOP:
            yield from kernels(tree, (*path, name))


def matched(params: Params, targets: Sequence[str]) -> list[Path]:
    """The paths of the modules whose kernels the targets name.

    Raises:
      InputError: no targets, or a target that names no kernel of the model; the message lists the names.
    """
    found, paths = [], list(kernels(params))
    for target in targets:
        parts = tuple(target.split("/"))
        own = [path for path in paths if path[-len(parts) :] == parts]
        if not own:
            names = {"/".join(path[-2:]) for path in paths if path[-1] == "output"}
            names = sorted(names | {path[-1] for path in paths})
            raise InputError(f"LoRA target {target!r} names no kernel of the model, which has {', '.join(names)}")
        found += own
    if not found:
        raise InputError("LoRA needs a target: name kernels, such as query,value")
    return list(dict.fromkeys(found))


def split(params: Params, lora: Lora, key: Key) -> tuple[Params, Params]:
    """The frozen parameters of a model, and an adapter with which the model is still the same.

    A is N(0, 1 / inputs), B is 0 (section 4.1), so A B is 0. Every A has a key of its own.

    Raises:
      InputError: as `matched`; a rank above the sides of an adapted kernel.
    """
    frozen = {name: tree for name, tree in params.items() if name not in TOP}
    adapter = {name: tree for name, tree in params.items() if name in TOP}
    for number, path in enumerate(matched(params, lora.targets)):
        inputs, outputs = _get(params, path)["kernel"].shape
        if lora.rank > min(inputs, outputs):
            raise InputError(
                f"LoRA rank {lora.rank} exceeds a side of the kernel {'/'.join(path)}, {inputs} x {outputs}: lower it"
            )
        draw = jax.random.normal(jax.random.fold_in(key, number), (inputs, lora.rank)) * inputs**-0.5
        place = adapter
        for part in path:
            place = place.setdefault(part, {})
        place["kernel"] = {"lora_a": draw, "lora_b": jnp.zeros((lora.rank, outputs))}
    return frozen, adapter


def merged(frozen: Params, adapter: Params, scale: float) -> Params:
    """The parameters of the model: frozen ones, those that the adapter holds whole, and W + scale · A B.

    Pure and differentiable; under `vmap` over adapters, kernels that are not adapted are shared. Products have full
    precision, so that the merged model is the adapted one.
    """
    found = dict(frozen)
    for name, tree in adapter.items():
        if name in TOP:
            found[name] = tree
        elif "lora_a" in tree:
            found[name] = frozen[name] + scale * matmul(*map(jnp.asarray, (tree["lora_a"], tree["lora_b"])))
        else:
            found[name] = merged(frozen[name], tree, scale)
    return found


@dataclass(frozen=True)
class Adapted:
    """A model's function of an adapter: `adapted(adapter, batch, key=..., frozen=...)`; hashable, as `apply` is."""

    apply: Any
    scale: float

    def __call__(self, adapter: Params, batch: Any, *, key: Key | None = None, frozen: Params) -> dict[str, Any]:
        return self.apply(merged(frozen, adapter, self.scale), batch, key=key)


def _get(tree: Params, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree
