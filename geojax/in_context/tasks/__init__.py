"""The tasks of in-context learning: `TASKS`, one row each, and a row with other settings by `make_task`."""

import dataclasses
import difflib
import math

from geojax.errors import InputError
from geojax.in_context.tasks.base import (
    EVALUATION_QUERIES,
    INTENSITY,
    TRAINING_QUERIES,
    Examples,
    Practice,
    Task,
    draw,
    queries,
)
from geojax.in_context.tasks.functions import Linear, LinearClasses, Perceptron, PerceptronClasses, Sinusoid
from geojax.in_context.tasks.gaussian import GaussianProcess
from geojax.in_context.tasks.lowrank import LowRank, LowRankClasses

__all__ = [
    "EVALUATION_QUERIES",
    "INTENSITY",
    "TASKS",
    "TRAINING_QUERIES",
    "Examples",
    "Practice",
    "Task",
    "draw",
    "make_task",
    "queries",
]

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Linear("linear"),
        Sinusoid("sinusoid"),
        Sinusoid("sinusoid_10", terms=10),
        Sinusoid("sinusoid_drawn", drawn=True),
        LinearClasses("linear_classes", x_dim=2, y_dim=2),
        Perceptron("mlp", noise=0.1),
        PerceptronClasses("mlp_classes", x_dim=2, y_dim=2, temperature=0.1),
        LowRank("lowrank_mlp", x_dim=2),
        LowRankClasses("lowrank_mlp_classes", x_dim=2, y_dim=2),
        GaussianProcess("gp"),
        GaussianProcess("gp_matern", matern=True),
    )
}


def make_task(
    name: str,
    *,
    x_dim: int | None = None,
    y_dim: int | None = None,
    noise: float | None = None,
    temperature: float | None = None,
) -> Task:
    """A row of `TASKS`, with other settings where they are given.

    Args:
      name: a name in `TASKS`.
      x_dim: coordinates of x, at least 1; tasks of sines have 1.
      y_dim: number of classes, at least 2, of a task with classes; the others have one value.
      noise: standard deviation of the noise of values, at least 0; above 0 for a Gaussian process.
      temperature: of classes, above 0.

    Raises:
      InputError: an unknown name, or a setting that the task does not have or that is out of range.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=2)
        raise InputError(
            f"task {name!r} is unknown: "
            + (f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(TASKS)}")
        )
    row = TASKS[name]
    if x_dim is not None and (x_dim < 1 or (row.one_input and x_dim != 1)):
        raise InputError(f"x_dim is {x_dim}: {name} needs {'1' if row.one_input else 'at least 1'}")
    if y_dim is not None and (y_dim < 2 if row.classes else y_dim != 1):
        raise InputError(f"y_dim is {y_dim}: {name} needs {'at least 2 classes' if row.classes else '1'}")
    if noise is not None:
        least = "above 0" if isinstance(row, GaussianProcess) else "at least 0"
        if row.classes:
            raise InputError(f"noise is {noise}: {name} has classes, which have a temperature and no noise")
        if not 0 <= noise < math.inf or (noise == 0 and least == "above 0"):
            raise InputError(f"noise is {noise}: {name} needs a number that is {least}")
    if temperature is not None:
        if not row.classes:
            raise InputError(f"temperature is {temperature}: {name} has values, which have noise and no temperature")
        if not 0 < temperature < math.inf:
            raise InputError(f"temperature is {temperature}: it must be a number above 0")
    given = {"x_dim": x_dim, "y_dim": y_dim, "noise": noise, "temperature": temperature}
    return dataclasses.replace(row, **{field: value for field, value in given.items() if value is not None})
