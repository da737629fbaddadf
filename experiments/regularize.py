"""Pre-trains with a measure in the loss; writes `regularize.csv`, `regularize.svg` and the model of each run."""

import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from configs import schema
from geojax import models, plots
from geojax.api import sources
from geojax.data.tokenizers import check_special_tokens, check_unknown
from geojax.errors import InputError
from geojax.models.dense import Hidden
from geojax.models.inputs import check_inputs
from geojax.quantizers import product
from geojax.quantizers.product import Quantizer
from geojax.runtime import folders, records
from geojax.runtime.run_once import once, settings_without
from geojax.training import regularize
from geojax.training.masking import pack, token_types
from geojax.training.pretrain import rates_of

RUNS = {"plain": 0, "down": -1, "up": 1}  # the sign of the change that the loss asks of the measure
HELD_OUT = 5  # one sequence in 5 is held out
PROBES = 128  # largest number of windows of the held-out sequences
COLUMNS = ("run", "step", "loss", "accuracy", "measure")

log = logging.getLogger(__name__)


def run(config: schema.Regularize, workdir: Path) -> None:
    """Continues to train `config.model` plain, with the measure lowered, and raised; resumes at the last evaluation."""
    workdir = folders.local(workdir)
    check(config)
    once(workdir, settings_without(config, ("allow_unknown",)), partial(make, config, workdir))


def make(config: schema.Regularize, workdir: Path) -> None:
    """Trains the three runs and writes the files of the work folder."""
    model = models.load(config.model, head="masked_lm")
    windows, probes = split(model.tokenizer, sources.sequences(config.sequences), config.length)
    check_unknown(np.concatenate([windows, probes]), "the sequences", config.allow_unknown)
    check_inputs(model.config, windows, token_types(jnp.asarray(windows)))
    first = regularize.encode(model.params, windows[: config.batch_size], apply=model.apply)
    quantizer = fit(config, first)
    value = jax.jit(partial(regularize.differentiable, config.measure, config.temperature))
    asked = value(quantizer, first, jnp.ones(first.shape[:2], bool))
    if not asked > 0:
        raise InputError(f"{config.measure} is {asked} at the start: no factor changes it")
    term = partial(regularize.penalty_of, value)
    held_out = {"windows": probes, "quantizer": quantizer, "measure": config.measure, "seed": config.seed}
    assess = partial(regularize.evaluate, apply=model.apply, **held_out)
    start, rows = {"step": 0} | assess(model.params), []
    options = {"batch_size": config.batch_size, "seed": config.seed, "assess": assess}
    options |= {"rates": rates_of(config.steps, config.warmup, config.learning_rate)}
    options |= {"evaluations": {round(config.steps * k / config.evaluations) for k in range(1, config.evaluations + 1)}}
    for name, sign in RUNS.items():
        target = asked * config.factor**sign
        penalty = jax.tree_util.Partial(term, config.strength, target, quantizer) if sign else None
        params, found = regularize.train(model.apply, model.params, windows, penalty, folder=workdir / name, **options)
        models.save(workdir / name / "model", model.apply, params, model.tokenizer)
        rows += [{"run": name} | row for row in (start, *found)]
    records.write_table(workdir / "regularize.csv", rows, COLUMNS)
    records.write_atomic(workdir / "regularize.svg", figure(rows, config.measure))
    for row in rows:
        if row["step"] == config.steps:
            change = row["measure"] / start["measure"]
            log.info("%-5s held-out loss %.3f, %s x %.2f", row["run"], row["loss"], config.measure, change)


def check(config: schema.Regularize) -> None:
    """Raises an InputError for settings that cannot work, before any slow step."""
    if config.measure not in regularize.MEASURES:
        raise InputError(f"measure {config.measure!r} is unknown: choose {', '.join(regularize.MEASURES)}")
    for name, least in (("strength", 0), ("factor", 1), ("temperature", 0)):
        if not least < getattr(config, name) < math.inf:
            raise InputError(f"{name} is {getattr(config, name)}: give a number above {least}")
    if not 1 <= config.evaluations <= config.steps:
        raise InputError(f"evaluations is {config.evaluations}: choose from 1 to steps = {config.steps}")
    rates_of(config.steps, config.warmup, config.learning_rate)


def split(tokenizer: Any, texts: list[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows of the training sequences, and the windows of the held-out sequences."""
    check_special_tokens(tokenizer)
    ids = tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"]
    train = [sequence for index, sequence in enumerate(ids) if index % HELD_OUT]
    return pack(train, length), pack(ids[::HELD_OUT], length)[:PROBES]


def fit(config: schema.Regularize, hidden: Hidden) -> Quantizer:
    """The quantizer of soft_patchiness, fitted to the hidden states of the encoder before training, and then fixed."""
    sizes = {"codebooks": config.codebooks, "codebook_size": config.codebook_size}
    points = hidden.reshape(-1, hidden.shape[-1])
    return jax.jit(partial(product.fit, **sizes))(points, jax.random.key(config.seed))


def figure(rows: list[dict[str, Any]], measure: str) -> bytes:
    """The figure, in SVG, of the loss and the measure against the steps, a line a run."""
    titles = {"loss": "held-out masked-LM loss (nats)", "measure": plots.measure_name(measure.removeprefix("soft_"))}
    panels = {title: {name: [] for name in RUNS} for title in titles.values()}
    for row in rows:
        for column, title in titles.items():
            panels[title][row["run"]].append((row["step"], row[column], math.nan, math.nan))
    return plots.curves(panels, "step")
