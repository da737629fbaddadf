"""The audit of a model of yours that has a latent vector."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.in_context.audit import SWAPS, Record, flagged, probe_rows, refits, rows_of, swap_rows
from geojax.in_context.evaluate import scores
from geojax.in_context.interventions import STEPS, check_rank, interchange, tried
from geojax.in_context.models import Outputs
from geojax.in_context.probes import examples, floors, linear_probe, probe_examples
from geojax.in_context.tasks import EVALUATION_QUERIES, INTENSITY, TASKS, Examples, Task
from geojax.typing import Key


def latent_audit(
    context_fn: Callable[[Float[Array, "B n x+y"]], Float[Array, "B z"]],
    predict_fn: Callable[[Float[Array, "B z"], Float[Array, "B q x"]], Float[Array, "B q y"]],
    task: Task | str,
    key: Key,
    *,
    ood: Sequence[str] = ("far", "wide"),
    rank: int = 10,
    n: int = 72,
    tasks: int = 2000,
    intensity: float = INTENSITY,
    constants: Any = (),
    steps: int = STEPS,
) -> dict[str, Record]:
    """Errors, floors, probe, refit and interchange of a model of yours, as the experiment `in_context` has them.

    Args:
      context_fn: z of a batch of contexts, each n rows of (x, y); y is one-hot where the task has classes.
      predict_fn: the answers at the queries given z: values, or logits of classes. Both are functions that JAX traces.
      task: a family, or the name of one.
      key: of all tasks that are drawn.
      ood: kinds of queries beside "iid".
      rank: r of the interchange, 1 to the number of coordinates of z.
      n: number of pairs, and of queries.
      tasks: tasks of the errors and of the interchange.
      intensity: of "far" and "wide".
      constants: those of the task, if it has some.
      steps: of Adam, for R.

    Returns:
      A row for every kind of queries, by its name, with the columns of `in_context.csv`.

    Raises:
      InputError: an unknown task or kind, a task without an identifiable latent, a rank below 1 or above the number of
        coordinates of z, fewer tasks of a probe than coordinates of z.

    Cost: the forward passes of 6 000 + 3 `tasks` tasks, and `steps` steps of 64 pairs of tasks.
    """
    if isinstance(task, str):
        if task not in TASKS:
            raise InputError(f"task {task!r} is unknown: there are {', '.join(TASKS)}")
        task = TASKS[task]
    if unknown := [kind for kind in ood if kind not in EVALUATION_QUERIES]:
        raise InputError(f"queries {unknown[0]!r} are unknown: there are {', '.join(EVALUATION_QUERIES)}")
    context_fn, predict_fn = jax.jit(context_fn), jax.jit(predict_fn)
    fitted, tested = probe_examples(task, constants, n, key)
    z = [np.asarray(context_fn(one.context)) for one in (fitted, tested)]
    d = z[0].shape[-1]
    check_rank(rank, d)
    probe = linear_probe(z[0], fitted.latent, z[1], tested.latent)
    measured = {}
    for kind in dict.fromkeys(("iid", *ood)):
        drawn = examples(task, constants, key, intensity, kind=kind, n=n, tasks=tasks)
        answers = Outputs(predict_fn(context_fn(drawn.context), drawn.queries), None, None, ())
        by_task = np.asarray(scores(task, answers, drawn), float).mean(1)
        variance = float(np.var(np.asarray(drawn.answers), axis=(0, 1)).sum())
        measured[kind] = {
            "mean": [by_task.mean()], "error": [by_task.std(ddof=1) / tasks**0.5], "variance": [variance]
        }  # fmt: skip

    def swap(bases: Array, base: Examples, source: Examples) -> Array:
        moved = interchange(context_fn(base.context), context_fn(source.context), bases[0])
        return predict_fn(moved, base.queries)

    options = {"n": n, "tasks": tasks, "intensity": intensity, "steps": steps}
    run = jax.jit(lambda key: tried(swap, task, constants, key, (1, d), rank, **options))
    swapped = swap_rows(task, jax.tree.map(lambda leaf: leaf[None], run(jax.random.fold_in(key, SWAPS))))
    least = floors(task, n=n, tasks=tasks, intensity=intensity, constants=constants, key=key)
    refitted = refits(task, constants, probe, z[1], key, n, intensity)
    record = {
        "errors": measured,
        "floors": {kind: floor._asdict() for kind, floor in least.items()},
        "probe": probe_rows([probe]),
        "refit": {kind: [value] for kind, value in refitted.items()},
        "interchange": [{"site": "z", "rank": rank} | swapped],
        "flags": flagged(task, measured["iid"], [0], z[1][None]),
    }
    return {row["split"]: row for row in rows_of(task, record)}
