"""Fine-tuning many models of one architecture at once: parameters [K, ...], one compiled, vmapped, donated step.

Each member has the same losses and logits as a training of its own, up to rounding. The members are distributed over
the largest number of devices that divides their number. A member whose loss is not finite keeps its parameters from
before that step; the other members are not affected.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int
from jaxtyping import Key as KeyArray

from geojax.data.encoded import Batch, Encoded, EncodedTask
from geojax.data.task_data import TaskData, digest
from geojax.data.tasks import encode_task
from geojax.errors import InputError
from geojax.parallel.layout import laid
from geojax.parallel.mesh import member_shardings
from geojax.runtime import folders
from geojax.runtime.folder_lock import claim
from geojax.training import checkpoint, step
from geojax.training.finetune import as_outputs, dropout_key, pace, prepared, rows_of_steps
from geojax.training.loop import Progress, enough_memory, loop
from geojax.training.optimizers import Rates
from geojax.training.parts import Parts, parts
from geojax.training.scoring import scored
from geojax.training.settings import Settings
from geojax.training.step import Params, State, Sums
from geojax.typing import Key

Keys = KeyArray[Array, "K"]
Placed = dict[str, Array]  # a batch on its devices
OWN = ("learning_rate", "weight_decay", "warmup", "seed")  # settings in which the members of a population may differ


@dataclass(frozen=True, eq=False)
class Member:
    """One member of a population: the arguments of `finetune`, and a name.

    All members have one architecture; they may be one model with different noise, seeds or learning rates, or different
    checkpoints.
    """

    name: str
    model: Any
    data: TaskData
    settings: Settings
    encoded: EncodedTask | None = None


def finetune_population(
    members: Sequence[Member],
    *,
    workdir: str | PurePath | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Progress | None = None,
) -> list[tuple[Params, dict[str, Any]]]:
    """Fine-tunes all members together, each as `finetune` does.

    Args:
      members: members of one architecture and task, with equally many training examples; their settings differ in
        `OWN` only.
      workdir, checkpoint_seconds: as in `finetune`.
      progress: called after every step with the losses of all members; NaN for a member that has stopped.

    Returns:
      For each member its trained parameters and its result, as `finetune` gives them, with an equal share of the
      training time. The result of a member that diverged has no score but `diverged_at`, the step at which the loss was
      not finite; its parameters are those before that step.

    Raises:
      InputError: as in `finetune`, and members that cannot train together.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    _check(members)
    encoded, models = _encoded(members), _parts(members)
    start = time.monotonic()
    train = partial(_train, members, models, [task.train for task in encoded], checkpoint_seconds, progress)
    with enough_memory(members[0].settings.rows_at_once, members[0].settings.max_length):
        if workdir is None:
            state, begun = train(None)
        else:
            folder = folders.path(workdir) / "training"
            with claim(folder, _identity(members)):
                state, begun = train(folder / "checkpoints")
        steps, params = jax.device_get((state.step, state.params))
    seconds = (time.monotonic() - start) / len(members)
    del state  # frees the moments
    total = members[0].settings.steps(len(encoded[0].train))
    found = []
    for place, (member, task) in enumerate(zip(members, encoded, strict=True)):
        own = jax.tree.map(lambda leaf, place=place: leaf[place], params)
        result, scoring = {"task": member.data.task.name, "diverged_at": int(steps[place]) + 1}, time.monotonic()
        if steps[place] == total:
            try:
                whole = models[place].whole(jax.device_put(own))
                result = scored(member.model.apply, whole, member.data.task, task.dev)
            except InputError:  # the outputs are not finite after the last step
                result["diverged_at"] = total
        result |= member.settings.record() | {"population": len(members)}
        result |= pace(len(member.data.train), member.settings, total, begun, seconds)
        result["unknown_tokens"] = task.unknown_tokens()
        found.append((own, result | {"seconds": seconds + time.monotonic() - scoring}))
    return found


def _encoded(members: Sequence[Member]) -> list[EncodedTask]:
    """The tokenised splits of every member; members with one tokenizer and the same data share them."""
    first, made = members[0], {}
    for member in members:
        key = (id(member.model.tokenizer), id(member.data))
        if member.encoded is not None or key not in made:
            made[key] = member.encoded or encode_task(member.model.tokenizer, member.data, first.settings.max_length)
    found = [made[id(member.model.tokenizer), id(member.data)] for member in members]
    prepared(first.model, first.data, first.settings, found[0])  # if the first member fits, all members fit
    return [as_outputs(member.model, member.data, own) for member, own in zip(members, found, strict=True)]


def _check(members: Sequence[Member]) -> None:
    """Raises InputError if the members cannot train in one step."""
    if not members:
        raise InputError("a population needs a member")
    first = members[0]
    if len({member.name for member in members}) < len(members):
        raise InputError(f"members of a population need names of their own: {', '.join(m.name for m in members)}")
    for member in members:
        facts = {"architecture": (member.model.apply, first.model.apply)}
        facts |= {"task": (member.data.task.name, first.data.task.name)}
        facts |= {"training examples": (len(member.data.train), len(first.data.train))}
        shared = [name for name in asdict(first.settings) if name not in OWN]
        facts |= {name: (getattr(member.settings, name), getattr(first.settings, name)) for name in shared}
        for name, (own, theirs) in facts.items():
            if own != theirs:
                raise InputError(
                    f"{member.name} cannot train in one step with {first.name}: {name} is {own} and {theirs}; a "
                    f"population may differ in parameters, texts, {', '.join(OWN)}"
                )


def _identity(members: Sequence[Member]) -> dict[str, Any]:
    """The facts that determine the results: shared settings, and each member's own settings, data and parameters."""
    shared = {name: value for name, value in members[0].settings.plain().items() if name not in OWN}
    found = {"task": members[0].data.task.name, "members": [member.name for member in members]} | shared
    digests = {id(member.data): digest(member.data.train) for member in members}
    for member in members:
        own = {name: getattr(member.settings, name) for name in OWN}
        own |= {"train_sha256": digests[id(member.data)], "parameters_crc32": checkpoint.checksum(member.model.params)}
        found |= {f"{member.name} {name}": value for name, value in own.items()}
    return found


def _parts(members: Sequence[Member]) -> list[Parts]:
    """The parts of every member; adapters have one set of frozen parameters.

    Raises:
      InputError: members with adapters, and bases that differ.
    """
    found = [parts(member.model.apply, member.model.params, member.settings) for member in members]
    first = jax.tree.leaves(found[0].frozen)
    for member, own in zip(members, found, strict=True):
        if not all(a is b or np.array_equal(a, b) for a, b in zip(first, jax.tree.leaves(own.frozen), strict=True)):
            raise InputError(
                f"{member.name} and {members[0].name} have adapters on different parameters: a population of adapters "
                "shares one model without noise; it may differ in seeds and rates"
            )
    return [own._replace(frozen=found[0].frozen) for own in found]


def _train(
    members: Sequence[Member],
    models: Sequence[Parts],
    trains: Sequence[Encoded],
    checkpoint_seconds: float,
    progress: Progress | None,
    folder: PurePath | None,
) -> tuple[State, int]:
    """Trains from the last checkpoint or from the start; returns the final state and the step that it started at."""
    settings = [member.settings for member in members]
    total = settings[0].steps(len(trains[0]))
    apply, method = models[0].apply, settings[0].optimizer
    same = len({id(train) for train in trains}) == len({own.seed for own in settings}) == 1
    along, everywhere = member_shardings(len(members))
    frozen = jax.device_put(models[0].frozen, everywhere)
    rates = jax.device_put(Rates(*map(np.stack, zip(*(own.rates(total) for own in settings), strict=True))), along)
    keys = jax.device_put(jnp.stack([dropout_key(own.seed) for own in settings]), along)

    def batches(first: int) -> Iterator[tuple[int, list[Placed]]]:
        rows = [rows_of_steps(len(train), own, first) for train, own in zip(trains, settings, strict=True)]
        for number, indices in enumerate(zip(*rows, strict=True), first):
            found = micro_batches(trains, indices, settings[0].rows_at_once, same)
            yield number, jax.device_put(found, everywhere if same else along)

    def take(state: State, sums: Sums, batch: tuple[int, list[Placed]]) -> tuple[State, Sums, Any]:
        number, found = batch
        for place, micro_batch in enumerate(found):
            sums = add_gradients(apply, state.params, sums, micro_batch, keys, state.step, place, same, frozen)
        return update(state, sums, rates, number, method, along)

    def begin() -> State:
        stacked = jax.tree.map(
            lambda *leaves: jax.device_put(jnp.stack(leaves), along), *(model.params for model in models)
        )
        return start(stacked, method, along)

    def empty(state: State) -> Sums:
        return no_sums(state.params, along)

    def like() -> State:
        one = jax.eval_shape(partial(step.init_state, method=method), models[0].params)
        stacked = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((len(members), *leaf.shape), leaf.dtype), one)
        return laid(stacked, lambda _: along)

    options = {"folder": folder, "checkpoint_seconds": checkpoint_seconds, "progress": progress}
    return loop(take, batches, begin, total, like=like, empty=empty, **options)


def micro_batches(
    trains: Sequence[Encoded], rows: Sequence[Int[np.ndarray, "rows"]], size: int, same: bool
) -> list[Batch]:
    """The micro-batches of a step: shared by all members if `same`; else one per member, stacked, padded to one length.

    The rows of every member are sorted by length, so that micro-batches of the same number have similar lengths.
    """
    if same:
        return trains[0].micro_batches(rows[0], size)
    found = []
    for own in zip(*(train.cuts(index, size) for train, index in zip(trains, rows, strict=True)), strict=True):
        pairs = list(zip(trains, own, strict=True))
        length = max(train.rung(index) for train, index in pairs)
        batches = [train.batch(index, size, length) for train, index in pairs]
        found.append({name: np.stack([batch[name] for batch in batches]) for name in batches[0]})
    return found


@partial(jax.jit, static_argnames=("method", "along"), donate_argnames="params")
def start(params: Params, method: str, along: NamedSharding) -> State:
    """The state of all members before the first step."""
    return jax.lax.with_sharding_constraint(jax.vmap(partial(step.init_state, method=method))(params), along)


@partial(jax.jit, static_argnames="along")
def no_sums(params: Params, along: NamedSharding) -> Sums:
    """The gradient and loss sums of all members, all 0."""
    return jax.lax.with_sharding_constraint(jax.vmap(step.no_sums)(params), along)


@partial(jax.jit, static_argnames=("apply", "same"), donate_argnames="sums")
def add_gradients(
    apply: Any,
    params: Params,
    sums: Sums,
    batch: Placed,
    keys: Keys,
    steps: Int[Array, "K"],
    place: Any,
    same: bool,
    frozen: Params | None = None,
) -> Sums:
    """`step.add_gradients` for every member, on one batch for all members if `same`, else on one batch per member.

    `frozen` are parameters that all members share.
    """

    def one(params: Params, sums: Sums, batch: Placed, key: Key, number: Any) -> Sums:
        return step.add_gradients(apply, params, sums, batch, key, number, place, frozen=frozen)

    return jax.vmap(one, in_axes=(0, 0, None if same else 0, 0, 0))(params, sums, batch, keys, steps)


@partial(jax.jit, static_argnames=("method", "along"), donate_argnames=("state", "sums"))
def update(
    state: State, sums: Sums, rates: Rates, number: Any, method: str, along: NamedSharding
) -> tuple[State, Sums, Float[Array, "K"]]:
    """`step.update` for every member that has not stopped and has a finite loss; other members stay, with loss NaN.

    The state of a stopped member keeps the step at which it stopped, so the member stays stopped, also after a restart
    from a checkpoint.
    """

    def one(state: State, sums: Sums, rates: Rates) -> tuple[State, Sums, Any]:
        moved, empty, loss = step.update(state, sums, rates, method)
        going = (state.step == number) & jnp.isfinite(loss)
        state = jax.tree.map(lambda new, old: jnp.where(going, new, old), moved, state)
        return state, empty, jnp.where(going, loss, jnp.nan)

    return jax.lax.with_sharding_constraint(jax.vmap(one)(state, sums, rates), along)
