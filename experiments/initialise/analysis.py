"""The analysis, fixed before the first confirmatory run: pure functions of the runs' curves.

The outcome is the number of steps to the goal, a held-out loss; the unit is a seed, and the statistic the log ratio of
an arm to another of the same seed. "Charged" adds what the start of the arm took, in steps.

| word | the 95 % interval of the log ratio |
|---|---|
| fewer | below log .95 |
| some | below 0 |
| none | two one-sided tests at 5 % find it between log .95 and log 1.05 |
| slower | above 0 |
| unclear | anything else |

The first word that holds is told. Primary: geometry against standard (C1) and against displaced (C2), two exact
sign-flip tests, corrected by Holm; beside each a rank test, in which a run that never reaches the goal is larger than
any that does. The other arms against standard: exact sign flips of the largest |t|. Some arms stand beside their
placebos too, without a correction.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from geojax.errors import InputError
from geojax.regression import paired

MARGIN = 0.05  # of the steps: a saving that is worth having
LOSS = 0.10  # share of the steps lost in every early seed, at which the experiment stops
PLACEBOS = (("mimetic", "rotated"), ("held", "held_mirrored"), ("geometry", "mirrored"), ("geometry", "bad_target"))
PRIMARY = {"C1": ("geometry", "standard"), "C2": ("geometry", "displaced")}
COLUMNS = (
    *("claim", "arm", "base", "charged", "seeds", "saving", "lower", "upper", "word", "p", "p_corrected", "p_rank"),
    *("deviation", "never_arm", "never_base"),
)


class Curve(NamedTuple):
    """The held-out loss of a run over its steps.

    Attributes:
      steps, losses: of the evaluations, the first at step 0.
      cost: what its start took, in steps.
    """

    steps: Sequence[int]
    losses: Sequence[float]
    cost: float = 0.0


Curves = Mapping[tuple[str, int], Curve]  # by arm and seed


def curve_of(result: Mapping[str, Any], step_seconds: float) -> Curve:
    """The curve of a run's result; its start is charged at so many seconds a step."""
    steps, losses = zip(*result["losses"], strict=True)
    return Curve(steps, losses, result["start"]["seconds"] / step_seconds)


def steps_to(curve: Curve, goal: float, length: float) -> float:
    """Steps to a loss, interpolated between the evaluations around its first crossing; infinity if not within `length`.

    A run that ended early, or whose loss is not finite, never reaches a goal that it had not reached before.
    """
    steps, losses = np.asarray(curve.steps, float), np.asarray(curve.losses, float)
    below = np.flatnonzero(losses <= goal)
    if not len(below):
        return math.inf
    place = below[0]
    if place == 0:
        return 0.0
    (left, right), (high, low) = steps[place - 1 : place + 1], losses[place - 1 : place + 1]
    found = left + (right - left) * (high - goal) / (high - low)
    return float(found) if found <= length else math.inf


def log_ratios(
    curves: Curves, arm: str, base: str, goal: float, length: int, *, charged: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log ratios of the steps of two arms, a seed each; the differences that are ranked; which runs never arrive.

    A run that never reaches the goal counts at its length. Charged, the arm's steps grow by its cost, while the base
    has that many steps more, if its curve has them, to reach the goal in.

    Raises:
      InputError: no seed has both arms.
    """
    seeds = sorted(seed for name, seed in curves if name == arm and (base, seed) in curves)
    if not seeds:
        raise InputError(f"no seed has runs of both {arm} and {base}")
    ratios, ranked, never = [], [], []
    for seed in seeds:
        own, other = curves[arm, seed], curves[base, seed]
        cost = own.cost if charged else 0.0
        reached = steps_to(own, goal, length) + cost, steps_to(other, goal, length + cost)
        counted = [min(steps, length + cost) for steps in reached]
        ratios.append(math.log(max(counted[0], 1.0) / max(counted[1], 1.0)))
        never.append([math.isinf(steps) for steps in reached])
        missed = float(never[-1][0]) - float(never[-1][1])  # 1 where the arm alone never arrives
        ranked.append(missed * math.inf if missed else 0.0 if all(never[-1]) else ratios[-1])
    return np.array(ratios), np.array(ranked), np.array(never)


def word_of(ratios: np.ndarray) -> str:
    """The word for log ratios, as the table above has it; "unclear" for fewer than two."""
    found = paired.mean(ratios)
    if found.units < 2:
        return "unclear"
    if found.upper < math.log(1 - MARGIN):
        return "fewer"
    if found.upper < 0:
        return "some"
    if paired.within(ratios, math.log(1 - MARGIN), math.log(1 + MARGIN)):
        return "none"
    return "slower" if found.lower > 0 else "unclear"


def compare(
    curves: Curves, arm: str, base: str, goal: float, length: int, *, charged: bool, claim: str = ""
) -> dict[str, Any]:
    """One row of the table: the saving, its interval, the word and the tests without correction.

    `saving` is 1 - exp(mean log ratio), with the ends of the interval in the same unit.
    """
    ratios, ranked, never = log_ratios(curves, arm, base, goal, length, charged=charged)
    found = paired.mean(ratios)
    row = {"claim": claim, "arm": arm, "base": base, "charged": charged, "seeds": found.units}
    row |= {"saving": -math.expm1(found.value), "lower": -math.expm1(found.upper), "upper": -math.expm1(found.lower)}
    row |= {"word": word_of(ratios), "p": paired.sign_flip_p(ratios), "p_rank": paired.signed_rank_p(ranked)}
    lost = never.sum(0)
    return row | {"deviation": found.deviation, "never_arm": int(lost[0]), "never_base": int(lost[1])}


def primary(curves: Curves, goal: float, length: int) -> list[dict[str, Any]]:
    """The rows of C1 and C2, without and with the cost of the start, each pair corrected by Holm."""
    rows = []
    for charged in (False, True):
        pair = [
            compare(curves, arm, base, goal, length, charged=charged, claim=claim)
            for claim, (arm, base) in PRIMARY.items()
        ]
        corrected = paired.holm([row["p"] for row in pair])
        rows += [row | {"p_corrected": float(p)} for row, p in zip(pair, corrected, strict=True)]
    return rows


def kept(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the idea is kept: both claims hold after the cost is charged, by interval and by corrected test."""
    charged = [row for row in rows if row["charged"] and row["claim"] in PRIMARY]
    return len(charged) == len(PRIMARY) and all(
        row["word"] == "fewer" and row["p_corrected"] <= 0.05 for row in charged
    )


def others(curves: Curves, arms: Sequence[str], goal: float, length: int, *, charged: bool) -> list[dict[str, Any]]:
    """The rows of other arms against standard, p corrected by the largest |t| over them; arms with all seeds only.

    Raises:
      InputError: the arms do not have the same seeds.
    """
    if not arms:
        return []
    rows = [compare(curves, arm, "standard", goal, length, charged=charged) for arm in arms]
    seeds = {arm: {seed for name, seed in curves if name == arm} for arm in arms}
    if len({*map(frozenset, seeds.values())}) > 1:
        raise InputError(
            f"the arms have different seeds: {', '.join(f'{arm} {len(own)}' for arm, own in seeds.items())}"
        )
    ratios = [log_ratios(curves, arm, "standard", goal, length, charged=charged)[0] for arm in arms]
    corrected = paired.max_t_p(np.stack(ratios))
    return [row | {"p_corrected": float(p)} for row, p in zip(rows, corrected, strict=True)]


def beside_placebos(curves: Curves, goal: float, length: int, *, charged: bool) -> list[dict[str, Any]]:
    """The rows of arms against their placebos, where both have runs; p without correction."""
    arms = {arm for arm, _ in curves}
    pairs = [pair for pair in PLACEBOS if {*pair} <= arms]
    return [compare(curves, arm, base, goal, length, charged=charged) for arm, base in pairs]


def futile(curves: Curves, goal: float, length: int) -> bool:
    """Whether geometry loses more than 10 % of the steps against standard in every seed so far."""
    ratios, *_ = log_ratios(curves, *PRIMARY["C1"], goal, length, charged=False)
    return bool((ratios > math.log1p(LOSS)).all())
