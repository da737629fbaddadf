"""What the development runs decide, written down before any confirmatory run: rates, the goal, the gate."""

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

RECORD = "development.json"

Runs = Mapping[tuple[str, float, int], Mapping[str, Any]]  # results by arm, rate and seed


def choose(runs: Runs, unigram: float, size: Size) -> dict[str, Any]:
    """The record of the choice.

    The rate of an arm is that with the least mean loss of the development seeds at `size.rate_steps`. The goal is the
    median loss of the standard arm at its rate at 3/4 of the steps. The gate is passed if the goal lies far enough
    below the loss of predicting the frequencies, and the positive control's mean log ratio to standard far enough from
    0. The standard arm runs on by what the dearest start took, in steps.

    Args:
      runs: results of all development runs.
      unigram: the loss of predicting by frequencies, in nats.
      size: the numbers of the experiment.
    """
    losses = {
        (arm, rate): statistics.fmean(_loss_at(runs[arm, rate, seed], size.rate_steps) for seed in DEVELOPMENT_SEEDS)
        for arm in CHOOSING
        for rate in RATES
    }
    rates = {arm: min(RATES, key=lambda rate, arm=arm: losses[arm, rate]) for arm in CHOOSING}
    chosen = {(arm, seed): runs[arm, rates[arm], seed] for arm in CHOOSING for seed in DEVELOPMENT_SEEDS}
    step_seconds = statistics.median(chosen[STANDARD, seed]["step_seconds"] for seed in DEVELOPMENT_SEEDS)
    curves = {key: curve_of(result, step_seconds) for key, result in chosen.items()}
    goal = statistics.median(_loss_at(chosen[STANDARD, seed], size.goal_step) for seed in DEVELOPMENT_SEEDS)
    dearest = max(curve.cost for curve in curves.values())
    ratio = statistics.fmean(
        math.log(_counted(curves[CONTROL, seed], goal, size) / _counted(curves[STANDARD, seed], goal, size))
        for seed in DEVELOPMENT_SEEDS
    )
    gate = {"gain": unigram - goal, "contrast": abs(math.expm1(ratio))}
    return {
        "rates": rates,
        "losses": {f"{arm} at {rate:g}": loss for (arm, rate), loss in losses.items()},
        "goal": goal,
        "unigram_loss": unigram,
        "gate": gate,
        "passed": bool(gate["gain"] >= size.gain and gate["contrast"] > size.contrast),
        "step_seconds": step_seconds,
        "cost": {arm: max(curves[arm, seed].cost for seed in DEVELOPMENT_SEEDS) for arm in CHOOSING},
        "more_steps": math.ceil(dearest / size.every) * size.every,
    }


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
