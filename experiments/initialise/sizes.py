"""The sizes of the experiment: what a run trains, how long, and what it is judged on."""

import difflib
from dataclasses import dataclass

from geojax.errors import InputError

RATES = (0.75e-3, 1.5e-3, 3e-3)  # 0.5, 1 and 2 times the rate of geojax-bert-tiny
DEVELOPMENT_SEEDS = (2, 3)  # 0 and 1 were spent on a pilot
FIRST_SEED = 10  # of the confirmation
TARGET_SEED = 1000  # of the encoders that give targets
LOOK_SEEDS = 3  # seeds after which the one look at futility is taken


@dataclass(frozen=True)
class Size:
    """The numbers of an experiment.

    Attributes:
      layers, hidden_size, heads: the encoder, BERT with an inner width of 4 d.
      length, batch_size: tokens of a window; windows of a step.
      steps, warmup: of a run; behind the warm-up displacements are taken.
      rate_steps: steps of the runs that choose a rate and reach no goal.
      seeds: of the confirmation.
      every: steps between two evaluations.
      marks: steps at which a branch decays and is probed.
      measured: steps at which the geometry is taken.
      held: steps for which `held` keeps its term.
      verdict: step at which a loss above that of the start ends a run.
      windows, maskings: held-out windows of an evaluation, and their fixed maskings.
      moving_windows, moving_steps: windows of a step of `geometry.move`, and its most steps.
      target_steps: of the encoders that give targets, whose rate falls to 0 at the end.
      gain, contrast: the gate: least nats that the goal lies below the unigram loss, and least share by which the
        positive control's steps to it differ.
    """

    layers: int
    hidden_size: int
    heads: int
    length: int
    batch_size: int
    steps: int
    warmup: int
    rate_steps: int
    seeds: int
    every: int
    marks: tuple[int, ...]
    measured: tuple[int, ...]
    held: int
    verdict: int
    windows: int
    maskings: int
    moving_windows: int
    moving_steps: int
    target_steps: int
    gain: float
    contrast: float

    @property
    def goal_step(self) -> int:
        """The step whose loss, of development runs, is the goal."""
        return 3 * self.steps // 4

    @property
    def confirmation(self) -> tuple[int, ...]:
        """The seeds of the confirmation."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.seeds))


FEASIBLE = Size(
    layers=2, hidden_size=128, heads=2, length=64, batch_size=32, steps=3200, warmup=200, rate_steps=800, seeds=7,
    every=50, marks=(800, 1600, 3200), measured=(0, 10, 25, 50, 100, 200, 400, 800, 1600, 3200), held=400, verdict=400,
    windows=256, maskings=2, moving_windows=8, moving_steps=150, target_steps=12000, gain=0.5, contrast=0.1,
)  # fmt: skip
SIZES = {
    "tiny": Size(
        layers=1, hidden_size=16, heads=2, length=16, batch_size=8, steps=24, warmup=4, rate_steps=12, seeds=4,
        every=4, marks=(12, 24), measured=(0, 4, 12, 24), held=8, verdict=8, windows=16, maskings=2, moving_windows=8,
        moving_steps=6, target_steps=24, gain=-10.0, contrast=0.0,
    ),
    "feasible": FEASIBLE,
    "scaled": Size(
        layers=2, hidden_size=128, heads=2, length=64, batch_size=32, steps=12000, warmup=200, rate_steps=6000,
        seeds=10, every=50, marks=(3000, 6000, 12000), held=400, verdict=400, windows=256, maskings=2,
        measured=(0, 10, 25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12000), moving_windows=32, moving_steps=150,
        target_steps=12000, gain=0.5, contrast=0.1,
    ),
}  # fmt: skip


def size_of(name: str) -> Size:
    """The numbers of a size.

    Raises:
      InputError: unknown size.
    """
    if name not in SIZES:
        near = difflib.get_close_matches(name, SIZES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SIZES)}"
        raise InputError(f"size {name!r} is unknown: {hint}")
    return SIZES[name]
