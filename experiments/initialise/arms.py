"""The arms: a start, the arm whose rate it takes, and whether a measure stays in the loss.

| arm | start |
|---|---|
| standard | `initialise.standard` |
| geometry | moved until EEE, IsoScore and VRM of every layer are those of a trained encoder |
| displaced | standard, every tensor moved as far as in geometry, in a random direction |
| mimetic | attention near the identity |
| held | geometry, and the distance to the same measures as a term of the loss at first |
| rotated | mimetic with every factor turned |
| spectrum | the trained encoder's singular values in random bases |
| mirrored | as geometry, as far on the other side of the start |
| held_mirrored | mirrored, and the distance to the same measures as a term of the loss at first |
| patchiness | as geometry, with soft patchiness alone |
| bad_target | as geometry, with the measures of an encoder that learned random labels |
| scale | dense layers with outputs of unit variance |
| frequency | standard, with the log frequencies of the tokens as output bias |
| warm | the trained encoder's embeddings, the rest standard |
| standard_slow, geometry_slow | standard and geometry with a warm-up five times as long |

In every arm a seed stands for the same draw, order of batches and masks.
"""

from dataclasses import dataclass

STANDARD, CONTROL = "standard", "mimetic"
SLOWER = 5  # times the warm-up


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
      name: as in the table.
      rate_of: the arm whose chosen rate it takes: a placebo has the rate of what it mirrors.
      start: the arm whose start it takes; empty: its own.
      held: whether the distance to the start's targets is a term of the loss for `Size.held` steps.
      slow: whether the warm-up is longer.
    """

    name: str
    rate_of: str
    start: str = ""
    held: bool = False
    slow: bool = False

    @property
    def begins(self) -> str:
        """The arm whose start it takes."""
        return self.start or self.name


CHOOSING = (STANDARD, CONTROL, "geometry", "spectrum")
"""Arms that choose a rate on the development seeds; the first two then run to the end, for the goal and the gate."""

ARMS = (
    Arm(STANDARD, STANDARD),
    Arm("geometry", "geometry"),
    Arm("displaced", "geometry"),
    Arm(CONTROL, CONTROL),
)
OTHERS = (
    Arm("held", "geometry", start="geometry", held=True),
    Arm("rotated", CONTROL),
    Arm("spectrum", "spectrum"),
    Arm("mirrored", "geometry"),
    Arm("held_mirrored", "geometry", start="mirrored", held=True),
    Arm("patchiness", "geometry"),
    Arm("bad_target", "geometry"),
    Arm("scale", STANDARD),
    Arm("frequency", STANDARD),
    Arm("warm", STANDARD),
    Arm("standard_slow", STANDARD, start=STANDARD, slow=True),
    Arm("geometry_slow", "geometry", start="geometry", slow=True),
)
BY_NAME = {arm.name: arm for arm in (*ARMS, *OTHERS)}
