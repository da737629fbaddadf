"""What the development runs decide, written down before any confirmatory run: rates, then the goal and the gate."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.initialise.analysis import Curve, curve_of, steps_to
from experiments.initialise.arms import CHOOSING, CONTROL, STANDARD
from experiments.initialise.sizes import DEVELOPMENT_SEEDS, RATES, Size
from geojax.errors import InputError
from geojax.runtime import records

RATES_RECORD, RECORD = "rates.json", "development.json"

Results = Mapping[str, Any]


def choose_rates(runs: Mapping[tuple[str, float, int], Results], size: Size) -> dict[str, Any]:
    """The record of the rates: of every arm that with the least mean loss of the development seeds at the end.

    Args:
      runs: results of the runs that choose rates, by arm, rate and seed.
      size: the numbers of the experiment.
    """
    losses = {
        (arm, rate): statistics.fmean(_loss_at(runs[arm, rate, seed], size.rate_steps) for seed in DEVELOPMENT_SEEDS)
        for arm in CHOOSING
        for rate in RATES
    }
    rates = {arm: min(RATES, key=lambda rate, arm=arm: losses[arm, rate]) for arm in CHOOSING}
    seconds = {
        arm: max(runs[arm, rates[arm], seed]["start"]["seconds"] for seed in DEVELOPMENT_SEEDS) for arm in CHOOSING
    }
    named = {f"{arm} at {rate:g}": loss for (arm, rate), loss in losses.items()}
    return {"rates": rates, "losses": named, "start_seconds": seconds}


def choose(rates: Results, runs: Mapping[tuple[str, int], Results], unigram: float, size: Size) -> dict[str, Any]:
    """The record of the choice.

    The goal is the median loss of the standard arm after 3/4 of the steps. The gate is passed if the goal lies far
    enough below the loss of predicting the frequencies, and the positive control's mean log ratio to standard far
    enough from 0. The standard arm runs on by what the dearest start took, in steps.

    Args:
      rates: the record of the rates.
      runs: results of the standard arm and the control at their rates, by arm and seed.
      unigram: the loss of predicting by frequencies, in nats.
      size: the numbers of the experiment.
    """
    step_seconds = statistics.median(runs[STANDARD, seed]["step_seconds"] for seed in DEVELOPMENT_SEEDS)
    cost = {arm: seconds / step_seconds for arm, seconds in rates["start_seconds"].items()}
    goal = statistics.median(_loss_at(runs[STANDARD, seed], size.goal_step) for seed in DEVELOPMENT_SEEDS)
    steps = {key: _counted(curve_of(result, step_seconds), goal, size) for key, result in runs.items()}
    ratio = statistics.fmean(math.log(steps[CONTROL, seed] / steps[STANDARD, seed]) for seed in DEVELOPMENT_SEEDS)
    gate = {"gain": unigram - goal, "contrast": abs(math.expm1(ratio))}
    return {
        "rates": rates["rates"],
        "goal": goal,
        "unigram_loss": unigram,
        "gate": gate,
        "passed": bool(gate["gain"] >= size.gain and gate["contrast"] > size.contrast),
        "step_seconds": step_seconds,
        "cost": cost,
        "more_steps": math.ceil(max(cost.values()) / size.every) * size.every,
    }


def read_rates(workdir: Path) -> dict[str, Any]:
    """The record of the rates.

    Raises:
      InputError: it is not written yet.
    """
    try:
        return records.read_json(workdir / RATES_RECORD, ("rates", "start_seconds"))
    except FileNotFoundError as error:
        raise InputError(f"{workdir} has no {RATES_RECORD}: run --config.stage=rates first") from error


def read(workdir: Path) -> dict[str, Any]:
    """The record of the choice.

    Raises:
      InputError: it is not written yet, or the gate was not passed.
    """
    try:
        found = records.read_json(workdir / RECORD, ("rates", "goal", "passed", "gate"))
    except FileNotFoundError as error:
        raise InputError(
            f"{workdir} has no {RECORD}: rates and goal are fixed before this stage, run --config.stage=development"
        ) from error
    if not found["passed"]:
        raise InputError(
            f"the gate of {workdir / RECORD} is not passed: the goal is {found['gate']['gain']:.2f} nats below the "
            f"unigram loss, and the positive control differs by {100 * found['gate']['contrast']:.0f} %; give longer "
            "runs and fewer arms"
        )
    return found


def _loss_at(result: Mapping[str, Any], step: int) -> float:
    """The held-out loss at a step; infinity for a run that failed before."""
    steps, losses = zip(*result["losses"], strict=True)
    found = np.interp(step, steps, losses) if step <= steps[-1] else math.inf
    return float(found) if math.isfinite(found) else math.inf


def _counted(curve: Curve, goal: float, size: Size) -> float:
    return max(1.0, min(steps_to(curve, goal, size.steps), size.steps))
