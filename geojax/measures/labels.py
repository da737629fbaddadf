"""What measures of labelled points share: targets from labels, whether they say anything, shares of right answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geojax.errors import InputError
from geojax.measures.row import Measure
from geojax.ops.arrays import as_numbers
from geojax.ops.moments import Centred, as_mask, centre
from geojax.ops.safe import ratio
from geojax.typing import Mask, Points, Scalar, Targets

# Share of their standard deviation that labels may lose by rounding to float32.
LOST = 1e-3
LIMITS = {"i": (-(2**31), 2**31 - 1), "u": (0, 2**31 - 1)}


class Labelled(NamedTuple):
    """A labelled cloud.

    Attributes:
      cloud: the points about their mean.
      mask: rows that count.
      targets: a column for each class, 1 in its points; for a regression the one column of labels. 0 in masked rows.
      counts: points of each class; of a regression, all points.
      defined: whether the labels say something: two classes or two values, points that differ, all of it finite.
    """

    cloud: Centred
    mask: Mask
    targets: Float[Array, "n columns"]
    counts: Float[Array, "columns"]
    defined: Bool[Array, ""]

    def centred_targets(self) -> Float[Array, "n columns"]:
        """The targets about their mean, 0 in masked rows."""
        return jnp.where(self.mask[:, None], self.targets - jnp.sum(self.targets, 0) / self.cloud.count, 0)


def labelled(
    points: Points, labels: Targets, mask: Mask | None, classes: int | None, name: str, *, regression: bool = False
) -> Labelled:
    """Reads points and labels for the measure of this name.

    Args:
      points: Float[n, d].
      labels: Int[n], classes from 0 on, or with `regression` Float[n] as well; anything in masked rows.
      mask: Bool[n], rows that count.
      classes: number of classes; None for real labels, and where the labels are at hand: one more than the largest.
      regression: whether the measure takes real labels.

    Raises:
      InputError: labels of another number or type, or integers without `classes` inside a transformation.
    """
    cloud = centre(points, mask)
    n = points.shape[0]
    mask, labels = as_mask(mask, n), as_labels(labels)
    if labels.shape != (n,):
        raise InputError(
            f"the labels of {name} have shape {labels.shape}: the cloud needs one for each of its {n} points"
        )
    finite = jnp.all(jnp.isfinite(cloud.scale)) & jnp.any(cloud.points != 0)
    if jnp.issubdtype(labels.dtype, jnp.floating):
        if not regression:
            raise InputError(
                f"{name} reads classes, but the labels are {labels.dtype}: logme and ridge_probe take real labels"
            )
        targets = jnp.where(mask, labels, 0).astype(jnp.float32)
        low, high = (end(jnp.where(mask, labels, labels[jnp.argmax(mask)])) for end in (jnp.min, jnp.max))
        defined = finite & jnp.isfinite(jnp.sum(targets)) & (low < high)
        return Labelled(cloud, mask, targets[:, None], cloud.count.astype(jnp.float32)[None], defined)
    if classes is None:
        try:
            classes = number_of_classes(labels, mask)
        except jax.errors.ConcretizationTypeError as error:
            raise InputError(f"{name} takes the number of classes, classes=, inside jit and vmap") from error
    own = (labels[:, None] == jnp.arange(classes)) & mask[:, None]
    counts = jnp.sum(own, 0).astype(jnp.float32)
    defined = finite & (jnp.sum(counts > 0) > 1) & (jnp.sum(own) == cloud.count)
    return Labelled(cloud, mask, own.astype(jnp.float32), counts, defined)


def as_labels(labels: Any) -> Array:
    """Labels of any array library as int32 or float32; integers beyond 32 bits become the nearest, not a class.

    Raises:
      InputError: as in `as_numbers`; booleans keep their type.
    """
    labels = as_numbers(labels, "the array of labels")
    if isinstance(labels, jax.Array):
        return labels.astype(jnp.float32) if jnp.issubdtype(labels.dtype, jnp.floating) else labels
    if labels.dtype.kind in "iu":
        return jnp.asarray(np.clip(labels, *LIMITS[labels.dtype.kind]).astype(np.int32))
    with np.errstate(over="ignore"):  # reported by the caller
        return jnp.asarray(labels if labels.dtype == bool else labels.astype(np.float32))


def number_of_classes(labels: Targets, mask: Mask) -> int:
    """One more than the largest label of an unmasked row.

    Raises:
      InputError: a negative label, or one so large that most classes would be empty.
    """
    low, high = (int(end(jnp.where(mask, labels, labels[jnp.argmax(mask)]))) for end in (jnp.min, jnp.max))
    if low < 0 or high >= max(2, len(labels)):
        raise InputError(
            f"the labels go from {low} to {high}: number the classes from 0 on, fewer than the {len(labels)} points"
        )
    return high + 1


def check_labels(
    labels: Any, mask: Mask, rows: Sequence[Measure], *, centred: bool = False
) -> tuple[Targets | None, int | None]:
    """Labels that are at hand as an array, and the number of their classes; None for a regression.

    Args:
      labels: of every point, or None.
      mask: rows that count.
      rows: of the catalogue, which are to read them.
      centred: whether an offset of real labels changes no value: those of 64 bits then lose it before they are cast.

    Raises:
      InputError: none, where a row reads them; labels of another number or type, a NaN or infinite one, one that is out
        of float32's range, classes that are not numbered from 0 on, or real numbers where a row reads classes.
    """
    if labels is None:
        without_labels(rows, "give labels=, one for each point")
        return None, None
    labels, given = as_labels(labels), labels
    real = jnp.issubdtype(labels.dtype, jnp.floating)
    if labels.shape != mask.shape or not (real or jnp.issubdtype(labels.dtype, jnp.integer)):
        raise InputError(
            f"the labels have shape {labels.shape} and type {labels.dtype}, but the cloud needs {len(mask)} integer "
            "classes or real numbers"
        )
    if not real:
        return labels, number_of_classes(labels, mask)
    need_classes(rows)
    host, kept = np.asarray(as_numbers(given, "the array of labels")), np.asarray(mask)
    if bad := int(np.sum(kept & ~np.isfinite(host))):
        raise InputError(f"{bad} of {len(mask)} labels are NaN or infinite: mask or remove their points")
    if host.dtype.itemsize <= 4:
        return labels.astype(jnp.float32), None
    if centred:
        host = host - np.mean(host[kept], dtype=np.float64)
    counted = host[kept]
    largest = np.max(np.abs(counted))
    if largest and not 2.0**-64 <= largest <= 2.0**64:  # float32 holds it, and its square
        about = " about their mean" if centred else ""
        raise InputError(f"the largest of the labels{about} is {largest:.3g}: rescale them to about 1")
    if np.abs(counted.astype(np.float32) - counted).max() > LOST * counted.std() > 0:
        raise InputError(
            f"the labels go from {counted.min()} to {counted.max()}, of which float32 loses the differences: subtract "
            "their mean"
        )
    return jnp.asarray(np.where(kept, host, 0).astype(np.float32)), None


def without_labels(rows: Sequence[Measure], remedy: str) -> None:
    """Raises an InputError where a row reads labels, which there are none of."""
    if reading := [row.name for row in rows if row.reads == "labels"]:
        raise InputError(f"{', '.join(reading)} read labels beside the points: {remedy}")


def need_classes(rows: Sequence[Measure]) -> None:
    """Raises an InputError where a row reads classes, and the labels are real numbers."""
    if reading := [row.name for row in rows if row.reads == "labels" and not row.regression]:
        raise InputError(
            f"{', '.join(reading)} read classes, but the labels are real numbers: logme and ridge_probe take such"
        )


def accuracy(scores: Float[Array, "n columns"], labels: Labelled, slack: float = 0.0) -> Scalar:
    """Share of the points whose own class has the highest score.

    Where several classes have it, within `slack`, a point counts as what guessing among them would get.
    """
    won = scores >= jnp.max(scores, 1, keepdims=True) - slack
    right = jnp.sum(won * labels.targets, 1) / jnp.maximum(jnp.sum(won, 1), 1)
    return jnp.where(labels.defined, ratio(jnp.sum(right), labels.cloud.count.astype(jnp.float32)), jnp.nan)
