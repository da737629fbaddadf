"""Pre-training with a measure in the loss: `regularize.csv`, `regularize.svg`; of each run its folder `model/`."""

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from configs import schema
from experiments.common import measuring
from experiments.pretrain import check_special_tokens, ratios
from geojax import models, plots
from geojax.errors import InputError
from geojax.measures import cells, spread
from geojax.measures.soft import soft_patchiness
from geojax.models import Apply, Model
from geojax.models.apply import Params
from geojax.models.encoder import Hidden
from geojax.quantizers import product
from geojax.quantizers.product import Quantizer
from geojax.runtime import folders, preemption, records
from geojax.runtime.preemption import Preempted
from geojax.runtime.run_once import once, settings_without
from geojax.training import checkpoint, pretrain
from geojax.typing import Scalar

RUNS = {"plain": 0, "down": -1, "up": 1}  # which way the loss pushes the measure
DIRECT = {"eee": spread.eee, "isoscore": spread.isoscore, "vrm": spread.vrm}  # they go into a loss as they are
HELD_OUT = 5  # one sequence in so many
PROBES = 128  # windows of the held-out sequences at most
MASKINGS = 8  # draws of the masks that the held-out loss is averaged over
COLUMNS = ("run", "step", "loss", "accuracy", "measure")

log = logging.getLogger(__name__)


def run(config: schema.Regularize, workdir: Path) -> None:
    """Trains `config.model` on plain, then with the measure pushed down and up; resumes at the last evaluation."""
    workdir = folders.local(workdir)
    check(config)
    once(workdir, settings_without(config), partial(make, config, workdir))


def make(config: schema.Regularize, workdir: Path) -> None:
    """The work of a folder with these settings."""
    model = models.load(config.model, head="masked_lm")
    windows, probes = split(model.tokenizer, measuring.sequences(config.sequences), config.length)
    first = encode(model.params, windows[: config.batch_size], apply=model.apply)
    quantizer = fit(config, first)
    value = jax.jit(partial(differentiable, config.measure, config.temperature))
    asked = value(quantizer, first, jnp.ones(first.shape[:2], bool))
    if not asked > 0:
        raise InputError(f"{config.measure} is {asked} at the start: no factor changes it")
    term = partial(penalty_of, value)
    assess = partial(evaluate, config, model.apply, probes, quantizer)
    start, rows = {"step": 0} | assess(model.params), []
    for name, sign in RUNS.items():
        target = asked * config.factor**sign
        penalty = jax.tree_util.Partial(term, config.strength, target, quantizer) if sign else None
        found = train(config, workdir / name, model, windows, penalty, assess)
        rows += [{"run": name} | row for row in (start, *found)]
    records.write_table(workdir / "regularize.csv", rows, COLUMNS)
    records.write_atomic(workdir / "regularize.svg", figure(rows, config.measure))
    for row in rows:
        if row["step"] == config.steps:
            change = row["measure"] / start["measure"]
            log.info("%-5s held-out loss %.3f, %s x %.2f", row["run"], row["loss"], config.measure, change)


def check(config: schema.Regularize) -> None:
    """Refuses settings that cannot work, before anything slow."""
    if config.measure not in ("soft_patchiness", *DIRECT):
        raise InputError(f"measure {config.measure!r} is unknown: choose soft_patchiness, {', '.join(DIRECT)}")
    for name, least in (("strength", 0), ("factor", 1), ("temperature", 0)):
        if not least < getattr(config, name) < math.inf:
            raise InputError(f"{name} is {getattr(config, name)}: give a number above {least}")
    if not 1 <= config.evaluations <= config.steps:
        raise InputError(f"evaluations is {config.evaluations}: choose from 1 to steps = {config.steps}")


def split(tokenizer: Any, texts: list[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows to train on, and windows of the sequences that are held out."""
    check_special_tokens(tokenizer)
    ids = tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"]
    train = [sequence for index, sequence in enumerate(ids) if index % HELD_OUT]
    return pretrain.pack(train, length), pretrain.pack(ids[::HELD_OUT], length)[:PROBES]


@partial(jax.jit, static_argnames="apply")
def encode(params: Params, windows: pretrain.Windows, *, apply: Apply) -> Hidden:
    """The last hidden states of windows without masks."""
    batch = {"input_ids": windows, "attention_mask": jnp.ones_like(windows)}
    return apply(params, batch | {"token_type_ids": pretrain.token_types(windows)})["hidden_states"][-1]


def fit(config: schema.Regularize, hidden: Hidden) -> Quantizer:
    """The cells across which soft_patchiness moves the points: those of the encoder as it is, kept from then on."""
    sizes = {"codebooks": config.codebooks, "codebook_size": config.codebook_size}
    points = hidden.reshape(-1, hidden.shape[-1])
    return jax.jit(partial(product.fit, **sizes))(points, jax.random.key(config.seed))


def differentiable(
    measure: str, temperature: float, quantizer: Quantizer, hidden: Hidden, mask: Bool[Array, "B T"]
) -> Scalar:
    """The measure of a batch as a loss can use it."""
    points, mask = hidden.reshape(-1, hidden.shape[-1]), mask.reshape(-1)
    if measure in DIRECT:
        return DIRECT[measure](points, mask=mask)
    return soft_patchiness(points, quantizer, mask=mask, temperature=temperature)


def penalty_of(
    value: Callable, strength: Scalar, target: Scalar, quantizer: Quantizer, hidden: Hidden, mask: Bool[Array, "B T"]
) -> Scalar:
    """The term of the loss: it holds the measure near a target and, unlike a bare weight, lets no run collapse."""
    return strength * jnp.log(value(quantizer, hidden, mask) / target) ** 2


@partial(jax.jit, static_argnames="measure")
def hard(hidden: Hidden, quantizer: Quantizer, *, measure: str) -> Scalar:
    """The measure that the term stands for."""
    points = hidden.reshape(-1, hidden.shape[-1])
    if measure in DIRECT:
        return DIRECT[measure](points)
    return cells.patchiness(product.cells(quantizer, points))


def evaluate(
    config: schema.Regularize, apply: Apply, probes: np.ndarray, quantizer: Quantizer, params: Params
) -> dict[str, float]:
    """Masked-LM loss and accuracy on the held-out windows, and the measure of their hidden states."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), 2), MASKINGS)
    sums = [pretrain.eval_step(params, probes, key, apply=apply) for key in keys]
    value = hard(encode(params, probes, apply=apply), quantizer, measure=config.measure)
    return ratios(sums) | {"measure": float(value)}


def train(
    config: schema.Regularize,
    folder: Path,
    model: Model,
    windows: np.ndarray,
    penalty: pretrain.Penalty | None,
    assess: Callable[[Params], dict[str, float]],
) -> list[dict[str, float]]:
    """One run from its newest checkpoint on; returns its evaluations.

    Raises:
      InputError: divergence.
      Preempted: SIGTERM came, and a checkpoint was written.
    """
    schedule = pretrain.Schedule(config.steps, config.warmup, config.learning_rate)
    state = pretrain.start_from(jax.tree.map(jnp.copy, model.params), schedule)  # a step takes its state's arrays over
    found = checkpoint.restore(folder / "checkpoints", state)
    step, state = found if found else (0, state)
    order = {"windows": len(windows), "batch_size": config.batch_size, "seed": config.seed}
    key = jax.random.fold_in(jax.random.key(config.seed), 1)
    stops = {round(config.steps * part / config.evaluations) for part in range(1, config.evaluations + 1)}
    with preemption.deferred() as preempted:
        while step < config.steps:
            batch = windows[pretrain.batch_rows(step, **order)]
            state, _ = pretrain.train_step(state, batch, key, apply=model.apply, schedule=schedule, penalty=penalty)
            step += 1
            ending = preempted(step)
            if step in stops:
                record = {"step": step} | assess(state.params)
                if not math.isfinite(record["loss"]):
                    raise InputError(
                        f"the loss of run {folder.name} is {record['loss']} at step {step}: lower the strength"
                    )
                records.append(folder / "metrics.jsonl", record)
                log.info("%s, step %d: loss %.3f, measure %.4f", folder.name, step, record["loss"], record["measure"])
            if ending or step in stops:
                checkpoint.save(folder / "checkpoints", step, state)
            if ending:
                raise Preempted(f"stopped and saved at step {step} of {config.steps} of run {folder.name}")
    models.save(folder / "model", model.apply, state.params, model.tokenizer)
    # Of steps that a resumed run did again, the last record counts.
    return list({record["step"]: record for record in records.read_lines(folder / "metrics.jsonl")}.values())


def figure(rows: list[dict[str, Any]], measure: str) -> bytes:
    """Loss and measure against the steps, a line a run."""
    titles = {"loss": "held-out masked-LM loss (nats)", "measure": plots.measure_name(measure.removeprefix("soft_"))}
    panels = {title: {name: [] for name in RUNS} for title in titles.values()}
    for row in rows:
        for column, title in titles.items():
            panels[title][row["run"]].append((row["step"], row[column], math.nan, math.nan))
    return plots.curves(panels, "step")
