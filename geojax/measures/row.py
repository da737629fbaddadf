"""One row of the catalogue: what a measure is and what it claims."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from geojax.measures import replicates

# The transformations of a cloud under which a measure may claim not to change. A reflection changes the signs of
# axes, axis scaling stretches every axis by its own factor. A quantized measure claims the permutation of points for
# the statistic given their codes (k-means itself depends on their order), the others for fit and statistic together.
INVARIANCES = ("permutation", "translation", "reflection", "rotation", "scaling", "axis scaling")


@dataclass(frozen=True)
class Measure:
    """One row of the catalogue: a pure function and what it claims.

    `function(points | cells, *, mask=None, convention="standard", key=None) -> Scalar`; the mask of cells is in them.
    One that reads a pair of clouds is `function(points, other, *, mask=None, convention="standard", key=None)`, row i
    of both the same input: it claims permutation of both together, every other invariance for either cloud alone.
    One that reads labels is `function(points, labels, *, mask=None, convention="standard", key=None, classes=None)`;
    one of points with `once` also takes `twins=None`, as `conventions.once` does, and one with `neighbours` what
    `neighbourhoods.find` gives, `neighbours=None`: one search then serves all such rows.
    """

    name: str
    function: Callable
    reads: Literal["points", "cells", "labels", "pair"]
    quantizer: Literal["pq", "lsq"] | None  # what makes the cells
    family: str
    symbol: str  # as papers write it, in LaTeX
    invariances: tuple[str, ...]  # of INVARIANCES; under the others it changes on some cloud
    value_range: tuple[float, float]  # in the convention "standard"
    differentiable: bool  # finite gradients with respect to the points, wherever the value is defined
    cost: str
    reference: str
    conventions: tuple[str, ...]  # those that differ on generic clouds; ("standard",) where both give one value
    undefined: str  # when the value is NaN
    study: bool = False  # one of the nineteen of arXiv 2406.12159, which are the default selection
    quadratic: bool = False  # in the number of points: nothing for a training loop, unless asked for by name
    symmetric: bool = True  # of those that read a pair: both orders of the clouds have one value
    regression: bool = False  # of those that read labels: they may be real numbers too
    from_moments: bool = False  # second moments say all: it also takes `ops.scatter.Moments` in place of the points
    once: tuple[str, ...] = ()  # conventions in which equal points are taken once; in the others every one counts
    neighbours: int = 0  # so many nearest neighbours of each distinct point it takes, where equal points are taken once
    replicates: Callable = replicates.by_mask  # its values without each group of points in turn, for standard errors
    by_host: Callable = lambda points: False  # whether of this cloud, outside of a program, the host does some work
    about_origin: bool = False  # in the convention "paper" a translation changes it, although it is declared
    sign_range: Callable | None = None  # (points, mask=) -> least and largest value over the signs of principal axes
    of_normal: Callable | None = None  # as `function`: its value for a normal sample of the same size and spectrum
    caution: str = ""  # when not to use it and why, beside what the other claims say: "to ...: ..."

    def allows(self, convention: str) -> tuple[bool, bool]:
        """Whether, before it is taken in this convention, a cloud may be moved, and whether it may be scaled."""
        moved = self.about_origin and convention == "paper"
        return "translation" in self.invariances and not moved, "scaling" in self.invariances

    @property
    def summary(self) -> str:
        """One line that defines the measure."""
        return self.function.__doc__.split("\n")[0].removesuffix(".")
