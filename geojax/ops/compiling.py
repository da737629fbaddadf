"""Programs for small arrays, whose compilation takes longer than their work."""

import os
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any

import jax
import jaxlib

# Numbers of the largest array for which a program is compiled with less effort.
SMALL = 1 << 18
EFFORT = "xla_backend_optimization_level"


class BySize:
    """A function that is compiled with less effort for small arrays on a CPU: in a third less time.

    What XLA_FLAGS sets stays as it is.
    """

    def __init__(self, function: Callable, **options: Any):
        """Takes the function and the options of `jax.jit`."""
        self.well = jax.jit(function, **options)
        self.function, self.options = function, options

    @cached_property
    def fast(self) -> Callable:
        """The function that is compiled with less effort; the same one, where the user's flags leave nothing to set."""
        less = _less_effort()
        return jax.jit(self.function, compiler_options=less, **self.options) if less else self.well

    def __call__(self, *arrays: Any) -> Callable:
        """The compiled function for arguments of the size of these arrays, which may be mere shapes."""
        largest = max(leaf.size for leaf in jax.tree.leaves(arrays))
        return self.fast if largest <= SMALL and jax.default_backend() == "cpu" else self.well


def with_less_effort(function: Callable, **options: Any) -> Callable:
    """`jax.jit` with less effort on a CPU for arrays of any size; inside another compiled function as usual.

    Programs of regressions, many small factorisations and sorts in float64, are compiled in 60 % of the time and run in
    60 % of the time: the options spare them XLA's fusion emitters, whose code for them is slower.
    """
    ways = BySize(function, **options)

    @wraps(function)
    def compiled(*arguments: Any, **named: Any) -> Any:
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arguments, named)))
        return (ways.well if traced or jax.default_backend() != "cpu" else ways.fast)(*arguments, **named)

    compiled.ways = ways
    return compiled


def _less_effort() -> dict[str, Any]:
    set_by_user = os.environ.get("XLA_FLAGS", "")
    options = {EFFORT: 1}
    if tuple(map(int, jaxlib.__version__.split(".")[:2])) < (0, 11):  # later ones have no such option
        options["xla_cpu_use_fusion_emitters"] = False
    return {name: value for name, value in options.items() if name not in set_by_user}
