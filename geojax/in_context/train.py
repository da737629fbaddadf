"""Training of in-context learners: one compiled scan over steps, all seeds at once; it can be stopped and goes on."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from jaxtyping import Key as KeyArray

from geojax.errors import InputError
from geojax.in_context.evaluate import evaluate, losses
from geojax.in_context.models import Apply, Params, init
from geojax.in_context.sizes import Size
from geojax.in_context.tasks import EVALUATION_QUERIES, TRAINING_QUERIES, Examples, Task, draw
from geojax.ops.compiling import with_less_effort
from geojax.ops.random import quick
from geojax.ops.threads import one_blas_thread
from geojax.parallel.layout import device_of
from geojax.runtime import folders
from geojax.runtime.folder_lock import claim
from geojax.training.loop import Progress, loop
from geojax.training.optimizers import optimizer
from geojax.training.step import State, descend, fresh
from geojax.typing import Key, Scalar

PARTS_OF_TRAINING = (1 / 8, 1 / 4, 1 / 2)  # after which parameters are kept, beside those at the end
CHUNK = 250  # most steps of a call
FEW_STEPS = 2000  # of a training whose compilation takes longer than its steps
OF_PARAMETERS, OF_CONSTANTS, OF_BATCHES = range(3)  # parts of a seed's key


class Run(NamedTuple):
    """What a training changes; every leaf has a leading axis of S seeds.

    Attributes:
      state: step, parameters and moments of Adam.
      diverged_at: the step whose loss was not finite; 0 if there is none.
      losses: mean prediction loss of the steps up to every stop, Float[S, stops].
      validation: means of `evaluate` at every stop, Float[S, stops, 3]; 0 if they are not asked for.
      kept: the parameters after the parts of the training that are kept; 0 before that.
    """

    state: State
    diverged_at: Int[Array, "S"]
    losses: Float[Array, "S stops"]
    validation: Float[Array, "S stops 3"]
    kept: tuple[Params, ...]


@dataclass(frozen=True, eq=False)
class Trained:
    """A population of trained models, one a seed; every leaf of a pytree has a leading axis of S seeds.

    Attributes:
      apply, size, queries, seeds: what was trained, and how.
      params: the last parameters. A model whose loss was not finite has those before that step.
      constants: the constants of the task, drawn from each seed.
      diverged_at: the step whose loss was not finite, Int[S]; 0 if there is none.
      stops: the numbers of steps up to which losses are averaged.
      losses: mean prediction loss between stops, without the loss of `aux`'s w, Float[S, stops].
      validation: means of `evaluate` at every stop, Float[S, stops, 3] (iid, far, wide); None if not asked for.
      kept: parameters by the number of steps, the last ones included.
      seconds: wall time of the steps of this call, compilation included.
    """

    apply: Apply
    size: Size
    queries: str
    seeds: tuple[int, ...]
    params: Params
    constants: Any
    diverged_at: Int[np.ndarray, "S"]
    stops: tuple[int, ...]
    losses: Float[np.ndarray, "S stops"]
    validation: Float[np.ndarray, "S stops 3"] | None
    kept: dict[int, Params]
    seconds: float


def keys_of(seeds: Sequence[int], part: int) -> KeyArray[Array, "S"]:
    """The keys of one part of the randomness of every seed."""
    return jnp.stack([quick(jax.random.fold_in(jax.random.key(seed), part)) for seed in seeds])


def constants_of(task: Task, seeds: Sequence[int]) -> Any:
    """The constants of a task for every seed, stacked."""
    return with_less_effort(jax.vmap(task.constants))(keys_of(seeds, OF_CONSTANTS))


def begin(apply: Apply, size: Size, seeds: Sequence[int], stops: int = 0, marks: int = 0) -> Run:
    """A training before the first step, with places for what is recorded at `stops` and kept at `marks`."""
    return _begin(apply, size, stops, marks, keys_of(seeds, OF_PARAMETERS))


@partial(with_less_effort, static_argnums=(0, 1, 2, 3))
def _begin(apply: Apply, size: Size, stops: int, marks: int, keys: KeyArray[Array, "S"]) -> Run:
    state = jax.vmap(lambda key: fresh(init(apply, key), adam(size)))(keys)
    kept = tuple(jax.tree.map(jnp.zeros_like, state.params) for _ in range(marks))
    curves = jnp.zeros((len(keys), stops)), jnp.zeros((len(keys), stops, len(EVALUATION_QUERIES)))
    return Run(state, jnp.zeros(len(keys), jnp.int32), *curves, kept)


_copied = jax.jit(partial(jax.tree.map, jnp.copy))  # as the next steps consume their state


def train(
    apply: Apply,
    size: Size,
    seeds: Sequence[int],
    *,
    queries: str = "same",
    parts: Sequence[float] = (),
    validate: bool = False,
    workdir: str | PurePath | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Progress | None = None,
) -> Trained:
    """Trains one model a seed with Adam on fresh tasks, all seeds as one vmapped step.

    A seed has the same numbers whatever the other seeds, up to rounding, and bit for bit whether or not it was stopped.

    Args:
      apply: the models' function.
      size: the numbers of the training; `size.apply` made `apply`, or another width was chosen.
      seeds: distinct; each determines parameters, constants of the task and batches.
      queries: "same", independent of the pairs, or "near".
      parts: the parts of the training after which parameters are kept, such as `PARTS_OF_TRAINING`.
      validate: whether to measure errors at every stop, for the choice of the best.
      workdir: folder of the checkpoints. None: none are written.
      checkpoint_seconds: least time between checkpoints.
      progress: called after every call of the compiled steps as `progress(stop, stops, losses)`.

    Raises:
      InputError: unknown queries, no seeds or the same twice, parts outside 0 to 1, or a folder of another training.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    if queries not in TRAINING_QUERIES:
        raise InputError(f"training queries {queries!r} are unknown: there are {', '.join(TRAINING_QUERIES)}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds are {list(seeds)}: give at least one, each once")
    if not all(0 < part < 1 for part in parts):
        raise InputError(f"parts of the training are {list(parts)}: give numbers between 0 and 1")
    begun = time.monotonic()
    marks = sorted({max(1, round(part * size.steps)) for part in parts} - {size.steps})
    chunk, stops = stops_of(size.steps, marks)
    constants, keys, device = constants_of(apply.task, seeds), keys_of(seeds, OF_BATCHES), device_of(())

    def take(run: Run, nothing: None, place: int) -> tuple[Run, None, Any]:
        stop, before = stops[place], stops[place - 1] if place else 0
        state, diverged_at, summed = take_steps(
            apply, size, queries, chunk, run.state, run.diverged_at, keys, constants, stop
        )
        mean = summed / jnp.maximum(state.step - before, 1)
        mean = jnp.where(diverged_at == 0, mean, jnp.nan)
        run = run._replace(state=state, diverged_at=diverged_at, losses=run.losses.at[:, place].set(mean))
        if validate:
            found = evaluate(apply, state.params, constants, n=size.evaluation_n, tasks=size.evaluation_tasks)
            means = jnp.stack([found[kind].mean for kind in EVALUATION_QUERIES], axis=1)
            run = run._replace(validation=run.validation.at[:, place].set(means))
        if stop in marks:
            kept = list(run.kept)
            kept[marks.index(stop)] = _copied(state.params)
            run = run._replace(kept=tuple(kept))
        return run, None, mean

    def first() -> Run:
        """Put on the device as a checkpoint is, so that both take one compiled program."""
        return jax.device_put(begin(apply, size, seeds, len(stops), len(marks)), device)

    full_precision = jax.default_matmul_precision("highest")
    options = {"checkpoint_seconds": checkpoint_seconds, "progress": progress}
    whole = partial(loop, take, lambda done: iter(range(done, len(stops))), first, len(stops), **options)
    if workdir is None:
        with full_precision, one_blas_thread():
            run, _ = whole()
    else:
        folder = folders.path(workdir) / "training"
        settings = asdict(size) | asdict(apply.task) | asdict(apply) | {"task": apply.task.name}
        settings |= {"seeds": list(seeds), "training_queries": queries, "marks": marks, "validate": validate}
        with claim(folder, settings), full_precision, one_blas_thread():
            run, _ = whole(folder=folder / "checkpoints")
    diverged_at, curve, validation = jax.device_get((run.diverged_at, run.losses, run.validation))
    kept = dict(zip(marks, run.kept, strict=True)) | {size.steps: run.state.params}
    return Trained(
        *(apply, size, queries, tuple(seeds), run.state.params, constants, diverged_at, stops, curve),
        validation if validate else None,
        kept,
        time.monotonic() - begun,
    )


def stops_of(steps: int, marks: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """The steps of a call, and the numbers of steps after each call, the marks and the end among them."""
    eighth = math.ceil(steps / 8)
    chunk = math.ceil(eighth / math.ceil(eighth / CHUNK))
    ends = (*marks, steps)
    spans = zip((0, *marks), ends, strict=True)
    return chunk, tuple(sorted({stop for first, last in spans for stop in (*range(first, last, chunk), last)} - {0}))


def adam(size: Size) -> optax.GradientTransformation:
    """Adam (0.9, 0.999, 1e-8), without clipping and decay, with a constant rate or a half cosine down to 0."""
    rate = size.learning_rate
    schedule = optax.cosine_decay_schedule(rate, size.steps) if size.cosine else optax.constant_schedule(rate)
    return optax.flatten(optimizer("adam", schedule, 0.0, optax.identity()))  # one kernel, not one a parameter


def training_batch(
    task: Task, size: Size, queries: str, key: Key, constants: Any
) -> tuple[Examples, Float[Array, "q"]]:
    """The tasks of one step, all with one number of pairs, and the weight of every query: they sum to 1."""
    of_n, of_tasks = jax.random.split(key)
    n = jax.random.randint(of_n, (), size.n_min, size.n_max + 1)
    count = size.n_max if size.queries is None else size.queries
    examples = jax.vmap(lambda own: draw(task, own, size.n_max, queries, constants=constants, count=count, n=n))(
        jax.random.split(of_tasks, size.batch)
    )
    weights = (jnp.arange(count) < (n if size.queries is None else count)).astype(jnp.float32)
    return examples, weights / jnp.sum(weights)


def objective(
    params: Params, apply: Apply, examples: Examples, weights: Float[Array, "q"], constants: Any
) -> tuple[Scalar, Scalar]:
    """The loss that is minimised, and the part of it that is the predictions'.

    `aux` adds the mean squared error of the w that it reads off z.
    """
    outputs = apply(
        params, examples.context, examples.mask, examples.queries, latent=examples.latent, constants=constants
    )
    loss = jnp.mean(losses(apply.task, outputs, examples) @ weights)
    extra = jnp.mean(jnp.square(outputs.latent - examples.latent)) if apply.model == "aux" else 0.0
    return loss + extra, loss


def take_steps(
    apply: Apply,
    size: Size,
    queries: str,
    chunk: int,
    state: State,
    diverged_at: Int[Array, "S"],
    keys: KeyArray[Array, "S"],
    constants: Any,
    last: Int[Array, ""] | int,
) -> tuple[State, Int[Array, "S"], Float[Array, "S"]]:
    """At most `chunk` steps of all seeds, up to step `last`, compiled; also the sum of their prediction losses.

    `state` and `diverged_at` are consumed. A training of few steps is compiled with less effort: a third sooner, for
    steps that take a fifth longer.
    """
    program = _scanned_soon if size.steps <= FEW_STEPS else _scanned
    return program(apply, size, queries, chunk, state, diverged_at, keys, constants, last)


def _scan(
    apply: Apply,
    size: Size,
    queries: str,
    chunk: int,
    state: State,
    diverged_at: Int[Array, "S"],
    keys: KeyArray[Array, "S"],
    constants: Any,
    last: Int[Array, ""],
) -> tuple[State, Int[Array, "S"], Float[Array, "S"]]:
    transform = adam(size)

    def step(state: State, diverged_at: Any, summed: Any, key: Key, constants: Any) -> tuple[State, Any, Any]:
        examples, weights = training_batch(apply.task, size, queries, jax.random.fold_in(key, state.step), constants)
        (total, loss), gradients = jax.value_and_grad(objective, has_aux=True)(
            state.params, apply, examples, weights, constants
        )
        going = (state.step < last) & (diverged_at == 0)
        finite = jnp.isfinite(total)
        after = descend(state, gradients, transform)
        diverged_at = jnp.where(going & ~finite, after.step, diverged_at)
        kept = jax.tree.map(partial(jnp.where, going & finite), after, state)
        return kept, diverged_at, summed + jnp.where(going & finite, loss, 0.0)

    def body(carry: Any, _: None) -> tuple[Any, None]:
        return jax.vmap(step)(*carry, keys, constants), None

    found, _ = jax.lax.scan(body, (state, diverged_at, jnp.zeros(keys.shape)), length=chunk)
    return found


OPTIONS = {"static_argnums": (0, 1, 2, 3), "donate_argnums": (4, 5)}
_scanned, _scanned_soon = jax.jit(_scan, **OPTIONS), with_less_effort(_scan, **OPTIONS)
