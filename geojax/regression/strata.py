"""Fits of designs that divide the rows into strata, such as families, each with a constant of its own.

The constants are eliminated by subtracting the means of the strata from the other columns: a fit of f strata and k
columns costs O(f·k² + k³), not O((f + k)³). A design with a plain intercept has one stratum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geojax.regression.correlation import Column, negligible
from geojax.regression.least_squares import orthonormal
from geojax.regression.robust import sums_by
from geojax.typing import Mask


class Divided(NamedTuple):
    """A design as the strata of its rows and its other columns; stacked designs have a leading axis."""

    member: Float[Array, "n f"]  # 1 where the row is of the stratum, 0 elsewhere and in masked rows
    columns: Float[Array, "n k"]


class Products(NamedTuple):
    """Weighted sums over rows of the products of strata, columns and score."""

    rows: Float[Array, "*batch f"]
    between: Float[Array, "*batch f k"]
    gram: Float[Array, "*batch k k"]
    stratum: Float[Array, "*batch f"]  # score
    cross: Float[Array, "*batch k"]  # score


class Eliminated(NamedTuple):
    """Normal equations of the columns without the strata, and what gives the constants of the strata."""

    gram: Float[Array, "*batch k k"]
    cross: Float[Array, "*batch k"]
    inverse: Float[Array, "*batch f"]  # of the number of rows; 0 for a stratum without rows


def divide(designs: Float[np.ndarray, "m n k"], masks: Bool[np.ndarray, "m n"]) -> Divided:
    """Finds the strata of designs: the intercept and columns of 0 and 1 that never are 1 in the same row.

    Of the columns of 0 and 1 in a design those are taken, from the first on or from the last on, that make more strata.
    All are padded to one shape with strata and columns of 0.

    Raises:
      ValueError: the first column of a design is no intercept.
    """
    found = [_divide(np.where(mask[:, None], design, 0.0), mask) for design, mask in zip(designs, masks, strict=True)]
    widths = [max(1, *(each[part].shape[1] for each in found)) for part in (0, 1)]
    pairs = zip(*found, strict=True)
    return Divided(*(np.stack([_widened(one, to) for one in part]) for part, to in zip(pairs, widths, strict=True)))


def _divide(design: Float[np.ndarray, "n k"], mask: Bool[np.ndarray, "n"]) -> tuple[np.ndarray, np.ndarray]:
    if not np.array_equal(design[:, 0], mask):
        raise ValueError("the first column of a design must be its intercept, 1 in every row that is used")
    used = design.any(0)
    others = [column for column in range(1, design.shape[1]) if used[column]]
    binary = [column for column in others if np.isin(design[:, column], (0, 1)).all()]
    most: list[int] = []
    for order in (binary, binary[::-1]):
        taken, free = [], mask.copy()
        for column in order:
            if not (design[:, column] > free).any():
                taken.append(column)
                free &= design[:, column] == 0
        most = sorted(max(most, taken, key=len))
    rest = [column for column in others if column not in most]
    member = design[:, most]
    return np.column_stack([design[:, 0] - member.sum(1), member]), design[:, rest]


def _widened(columns: Float[np.ndarray, "n k"], to: int) -> Float[np.ndarray, "n {to}"]:
    return np.pad(columns, ((0, 0), (0, to - columns.shape[1])))


def within(design: Divided, mask: Mask) -> Divided:
    """The design with columns that are orthonormal and have mean 0 in every stratum; 0 for a direction they lack."""
    rows = design.member.sum(0)
    means = design.member.T @ design.columns / jnp.where(rows > 0, rows, 1.0)[:, None]
    rest = design.columns - design.member @ means
    nothing = jax.vmap(negligible, 1)(rest, design.columns)
    return design._replace(columns=orthonormal(jnp.where(nothing, 0.0, rest), mask).columns)


def products(design: Divided, target: Column, weights: Column) -> Products:
    """The sums over the rows of one set of weights, 0 in masked rows. O(n·k·(f + k))."""
    member, columns = design.member * weights[:, None], design.columns * weights[:, None]
    return Products(
        member.sum(0), member.T @ design.columns, columns.T @ design.columns, member.T @ target, columns.T @ target
    )


def products_by(design: Divided, target: Column, ids: Int[Array, "n"], count: int) -> Products:
    """The sums over the rows of each id, 0 … count − 1; rows of other ids are left out. O(n·k·(f + k))."""
    member, columns = design
    each = Products(
        member,
        member[:, :, None] * columns[:, None, :],
        columns[:, :, None] * columns[:, None, :],
        member * target[:, None],
        columns * target[:, None],
    )
    return jax.tree.map(lambda values: sums_by(ids, values, count), each)


def eliminate(sums: Products) -> Eliminated:
    """Eliminates the constants of the strata from the normal equations. O(f·k²)."""
    inverse = jnp.where(sums.rows > 0, 1 / jnp.where(sums.rows > 0, sums.rows, 1.0), 0.0)
    means = sums.between * inverse[..., None]
    return Eliminated(
        sums.gram - jnp.einsum("...fk,...fl->...kl", means, sums.between),
        sums.cross - jnp.einsum("...fk,...f->...k", means, sums.stratum),
        inverse,
    )


def constants(sums: Products, inverse: Float[Array, "*batch f"], slopes: Float[Array, "*batch k"]) -> Array:
    """The constant of every stratum: the mean of what the columns leave of the score; 0 for a stratum without rows."""
    return inverse * (sums.stratum - jnp.einsum("...fk,...k->...f", sums.between, slopes))
