"""Anchors of a caller: what cannot be aligned raises, what deserves a sentence gets one."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geojax.errors import InputError
from geojax.ops.arrays import as_numbers
from geojax.representations import Cloud

# Numbers of anchors, in units of the width, about which an exact fit is at its worst.
NEAR = (0.8, 1.25)
# Size of a row about the mean, in units of the largest, that is rounding of float32.
ROUNDING = 1e-6
BLOCK = 4096  # rows that exist a second time at once


def as_rows(value: Any, what: str) -> Float[Array, "n d"] | Float[np.ndarray, "n d"]:
    """A matrix of any library of float32, or of float64 where JAX has it enabled; on the host if it was there.

    Raises:
      InputError: another shape, no rows or columns, or no floats.
    """
    array = as_numbers(value, what)
    if array.ndim != 2 or 0 in array.shape or not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"{what} are {array.dtype}{list(array.shape)}: a matrix of vectors by coordinates is needed")
    wide = jax.config.jax_enable_x64 and array.dtype == np.float64
    with np.errstate(over="ignore"):  # infinite, which is reported
        return array.astype(np.float64 if wide else np.float32, copy=False)


def parallel(source: Any, target: Any) -> tuple[Any, Any]:
    """The anchors in both spaces, row i of each the same input.

    Args:
      source, target: matrices of any library, or clouds, whose texts are compared.

    Raises:
      InputError: different numbers, fewer than 2, clouds of different texts or of different tokens, or as `as_rows`.
    """
    if isinstance(source, Cloud) and isinstance(target, Cloud):
        _need_same_inputs(source, target)
    rows = [each.points if isinstance(each, Cloud) else each for each in (source, target)]
    source, target = as_rows(rows[0], "the source's anchors"), as_rows(rows[1], "the target's anchors")
    if source.shape[0] != target.shape[0]:
        raise InputError(
            f"there are {source.shape[0]} anchors in the source and {target.shape[0]} in the target: row i of both "
            "must be the same input"
        )
    if source.shape[0] < 2:
        raise InputError("there is 1 anchor: a bridge needs at least 2")
    return source, target


def _need_same_inputs(source: Cloud, target: Cloud) -> None:
    digests = [cloud.provenance.get("sequences_sha256") for cloud in (source, target)]
    if digests[0] != digests[1]:
        raise InputError(
            f"the two clouds are of different texts, or in another order: digests {digests[0]}, {digests[1]}"
        )
    if not np.array_equal(source.sequence_index, target.sequence_index):
        raise InputError("the points of the two clouds are of different sequences: take the mean of every one")


def need_anchors(rows: Float[np.ndarray, "k d"], what: str, directions: bool) -> None:
    """Raises an InputError for the first anchor that is not finite or, where directions are read, is the mean."""
    if not (finite := np.isfinite(rows).all(1)).all():
        raise InputError(
            f"{what}: anchor {int(np.argmin(finite))} has NaN or infinite coordinates, as {int((~finite).sum())} of "
            f"{len(rows)} have: leave such rows out of both spaces"
        )
    mean = rows.mean(0, dtype=np.float64).astype(rows.dtype)
    blocks = (rows[start : start + BLOCK] - mean for start in range(0, len(rows), BLOCK))
    lengths = np.concatenate([np.abs(block).max(1) for block in blocks])
    if not lengths.max() > ROUNDING * max(rows.max(), -rows.min()):
        raise InputError(f"{what}: all {len(rows)} anchors are equal, so that they span no direction")
    if directions and (middle := lengths <= ROUNDING * lengths.max()).any():
        raise InputError(
            f"{what}: anchor {int(np.argmax(middle))} equals the mean of the anchors, and has no direction from it: "
            "leave it out of both spaces"
        )


def remarks(source: Any, target: Any, method: str = "irp", rcond: float = 0.1) -> list[str]:
    """What deserves a sentence about anchors that a bridge can be fitted on.

    Fewer anchors than dimensions, about as many as dimensions without truncation, repeated anchors, constant
    coordinates.

    Args:
      source, target: Float[k, d_X] and Float[k, d_Y], or clouds.
      method, rcond: as in `fit_bridge`.
    """
    source, target = map(np.asarray, parallel(source, target))
    return [
        *remarks_on_numbers(len(source), source.shape[1], target.shape[1], method, rcond),
        *_of_rows(source, target),
    ]


def remarks_on_numbers(k: int, source: int, target: int, method: str, rcond: float) -> Iterator[str]:
    """Of k anchors; the space that a fit inverts is the target's for inverse projection, and else the source's."""
    if method in ("none", "random"):
        return
    d = target if method == "irp" else source
    exact = method in ("linear", "l-ortho", "affine") or method == "irp" and rcond == 0
    if exact and NEAR[0] * d <= k <= NEAR[1] * d:
        remedy = "rcond = 0.1 or more anchors" if method == "irp" else 'method "ridge" or more anchors'
        yield (
            f"{k} anchors are about as many as the {d} dimensions, where an exact fit is at its worst (the dip of "
            f"double descent): {remedy} avoids it"
        )
    elif k <= d:
        yield f"{k} anchors span at most {k - 1} of {d} dimensions: what lies in the others is lost"


def _of_rows(source: Float[np.ndarray, "k d"], target: Float[np.ndarray, "k e"]) -> Iterator[str]:
    for name, rows in (("source", source), ("target", target)):
        if repeated := len(rows) - len({hash(row.tobytes()) for row in rows}):
            yield f"{repeated} of {len(rows)} anchors of the {name} repeat an earlier one: they add no direction"
        extent = rows.max(0) - rows.min(0)
        if constant := int((extent <= ROUNDING * extent.max()).sum()):
            yield f"{constant} of {rows.shape[1]} coordinates of the {name} are constant, and stay unscaled"
