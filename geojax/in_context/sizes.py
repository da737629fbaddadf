"""How large a model is and how long it is trained: tiny for tests, small for two cores, full as published."""

import dataclasses
import math
from dataclasses import dataclass

from geojax.errors import InputError
from geojax.in_context.models import Apply, make_apply
from geojax.in_context.tasks import Task


@dataclass(frozen=True)
class Size:
    """The numbers of a training.

    Attributes:
      width, blocks: of the model, as in `Apply`; four heads, and twice the width in a block's perceptron.
      n_min, n_max: the number of pairs is uniform from n_min to n_max, drawn once a batch.
      queries: queries of a task; None: as many as pairs.
      batch: tasks of a step.
      steps: number of steps.
      learning_rate: of Adam.
      cosine: whether the learning rate falls to 0 as a half cosine; else it stays.
      evaluation_tasks: tasks on which errors are measured.
    """

    width: int
    blocks: int
    n_min: int
    n_max: int
    queries: int | None
    batch: int
    steps: int
    learning_rate: float
    cosine: bool
    evaluation_tasks: int

    @property
    def evaluation_n(self) -> int:
        """The number of pairs, and of queries, in an evaluation: the middle of the range of training."""
        return (self.n_min + self.n_max) // 2

    def apply(self, task: Task, model: str, z_dim: int | None = None) -> Apply:
        """The function of a model of this size, as `make_apply` gives it."""
        return make_apply(task, model, width=self.width, blocks=self.blocks, z_dim=z_dim)


SIZES = {
    "tiny": Size(16, 2, 2, 8, 16, 64, 1500, 2e-3, True, 1000),
    "small": Size(32, 2, 4, 16, 16, 64, 6000, 5e-4, True, 2000),
    "full": Size(256, 4, 16, 128, None, 128, 7000, 1e-4, False, 1000),
}


def size_of(name: str, task: Task, **changes: float | bool | None) -> Size:
    """The row of `SIZES`, at small size with the task's own practice, and with `changes` to its fields.

    Raises:
      InputError: the name is unknown, or a number is out of range.
    """
    if name not in SIZES:
        raise InputError(f"size {name!r} is unknown: there are {', '.join(SIZES)}")
    size = SIZES[name]
    if name == "small":
        size = dataclasses.replace(size, **task.small._asdict())
    size = dataclasses.replace(size, **changes)
    if not 1 <= size.n_min <= size.n_max:
        raise InputError(f"n_min is {size.n_min} and n_max {size.n_max}: give 1 ≤ n_min ≤ n_max")
    for field in ("queries", "batch", "steps", "evaluation_tasks"):
        value = getattr(size, field)
        if value is not None and value < 1:
            raise InputError(f"{field} is {value}: it must be at least 1")
    if not 0 < size.learning_rate < math.inf:
        raise InputError(f"learning_rate is {size.learning_rate}: it must be a number above 0")
    return size
