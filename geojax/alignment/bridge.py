"""A bridge between two spaces, fitted on the same inputs in both."""

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geojax.alignment import maps
from geojax.alignment.anchors import farthest_anchors
from geojax.alignment.checks import as_rows, need_anchors, parallel, remarks
from geojax.alignment.inverse import in_subspaces, inverse_relative, mean_norm
from geojax.alignment.maps import Scaling
from geojax.alignment.relative import hat, mean_of
from geojax.errors import InputError
from geojax.ops.arrays import as_places, check_places
from geojax.ops.pseudo_inverse import LeastSquares, polar_factor
from geojax.ops.safe import matmul
from geojax.ops.threads import one_blas_thread
from geojax.typing import Key

METHODS = ("irp", "ortho", "linear", "l-ortho", "affine", "ridge", "random", "none")
CONVENTIONS = ("standard", "paper")


class AlignmentWarning(UserWarning):
    """A bridge that there is reason to distrust."""


@dataclass(frozen=True)
class How:
    """The static settings of a fit, as `fit_bridge` explains them."""

    method: str = "irp"
    rcond: float = 0.1
    subspaces: int = 1
    max_anchors: int | None = None
    delta: float = 0.0
    penalty: float = 0.1
    convention: str = "standard"

    @property
    def by_adam(self) -> bool:
        """Whether steps of Adam fit the map."""
        return self.method == "affine" and self.convention == "paper"

    def check(self, source: int, target: int, key: Key | None) -> None:
        """Raises an InputError where spaces of so many dimensions cannot be bridged so."""
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r} is unknown: choose one of {', '.join(METHODS)}")
        if self.convention not in CONVENTIONS:
            raise InputError(f"convention {self.convention!r} is unknown: choose one of {', '.join(CONVENTIONS)}")
        if not 0 <= self.rcond < 1:
            raise InputError(f"rcond is {self.rcond}: give a share from 0 to below 1, since at 1 no direction is left")
        if not self.penalty > 0:
            raise InputError(f'penalty is {self.penalty}: give more than 0, or method "linear", which has none')
        if self.subspaces < 1:
            raise InputError(f"subspaces is {self.subspaces}: give 1 or more")
        if self.max_anchors is not None and self.max_anchors < 2:
            raise InputError(f"max_anchors is {self.max_anchors}: give 2 or more")
        if not self.delta >= 0:
            raise InputError(f"delta is {self.delta}: give 0 or more")
        if self.method == "none" and source != target:
            raise InputError(
                f'the spaces have {source} and {target} dimensions: method "none" leaves vectors as they are, and '
                "needs equal ones"
            )
        if key is None and (self.method == "random" or self.by_adam):
            raise InputError(f"method {self.method!r} of convention {self.convention!r} draws numbers: give a key")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bridge:
    """A map from one space to another: y = (x - source_mean) matrix + target_mean; a pytree.

    Attributes:
      source_mean: Float[d_X].
      matrix: Float[d_X, d_Y].
      target_mean: Float[d_Y].
      rank: directions of the anchors that the map uses; of several sets of anchors the fewest.
      condition: the largest singular value of the anchors over the smallest that is used; of several sets the largest.
      directions: whether x - source_mean is given unit norm first, as in inverse relative projection.

    `fit_bridges`, and a `vmap` over fits, put an axis of fits in front of every array.
    """

    source_mean: Float[Array, "*fits d"]
    matrix: Float[Array, "*fits d e"]
    target_mean: Float[Array, "*fits e"]
    rank: Int[Array, "*fits"]
    condition: Float[Array, "*fits"]
    directions: bool = field(default=False, metadata={"static": True})

    def __call__(self, x: Any) -> Float[Array, "n e"]:
        """Float[n, d_X] in the target space, Float[n, d_Y]. Where directions count, the mean goes to the mean.

        Raises:
          InputError: another width, or not a matrix of floats.

        Cost: O(n d_X d_Y).
        """
        x = as_rows(x, "the vectors")
        if x.shape[1] != self.matrix.shape[-2]:
            raise InputError(f"the vectors have {x.shape[1]} coordinates, but the bridge takes {self.matrix.shape[-2]}")
        return _cross(self, jnp.asarray(x))


@jax.jit
def _cross(bridge: Bridge, x: Float[Array, "n d"]) -> Float[Array, "n e"]:
    x = x - bridge.source_mean
    return matmul(hat(x) if bridge.directions else x, bridge.matrix) + bridge.target_mean


def fit_bridge(
    A_X: Any,
    A_Y: Any,
    *,
    method: str = "irp",
    rcond: float = 0.1,
    subspaces: int = 1,
    max_anchors: int | None = None,
    delta: float = 0.0,
    penalty: float = 0.1,
    convention: str = "standard",
    key: Key | None = None,
) -> Bridge:
    """A bridge from the anchors in one space to the same inputs in another.

    Methods, P and Q being the anchors with mean 0 and deviation 1 on every axis that varies:

    * "irp", inverse relative projection: the cosines to the anchors in the source, taken back to a vector in the
      target; it needs no anchor in both spaces at once, and loses norms.
    * "ortho": the matrix with orthonormal rows or columns nearest to P'Q. "l-ortho": that nearest to the linear map.
    * "linear": argmin |P M - Q|. "affine": with an intercept, the same for centred anchors; convention "paper" fits it
      by 300 steps of Adam. "ridge": (P'P + penalty k I)^-1 P'Q.
    * "random": an orthogonal matrix drawn at random, a control. "none": vectors as they are.

    The fit is in float64 on any backend; the bridge is float32, or float64 where JAX has it enabled and anchors are.
    Inside a `jit` or `vmap` of the caller anchors are not checked, and the fit has their type.

    Args:
      A_X, A_Y: Float[k, d_X] and Float[k, d_Y], row i of both the same input; or two clouds, whose texts are compared.
      rcond: of "irp": singular values of the target's anchors of at most this share of the largest are dropped. A layer
        that ends in LayerNorm leaves a direction without variance: at rcond = 0 the bridge goes through its rounding.
      subspaces: of "irp": the mean of so many maps, each from anchors far from one another (`farthest_anchors` of the
        target's), from starts at equal steps, or drawn with `key`.
      max_anchors: of "irp": the most of such anchors; None for all, or d_Y / 4 with several subspaces.
      delta: of "irp": anchors nearer than this to those before them, by 1 - |cosine|, are left out.
      penalty: of "ridge", above 0.
      convention: "standard" or "paper".
      key: of what is drawn: "random", the start of "affine" by convention "paper", the starts of subspaces.

    Raises:
      InputError: a method or number that cannot be; anchors that are not parallel, fewer than 2, not finite, or all
        equal; for "irp" one that equals their mean; for "none" different widths.

    Warns:
      AlignmentWarning: a sentence of `remarks`.

    Cost: O(k d_X d_Y + k d q + q^3), q = min(k, d), d the width that is inverted; "ortho" O(k d_X d_Y) and a singular
    value decomposition of a matrix d_X x d_Y.

    References: arXiv 2406.15057 (irp), 2311.00664 (ortho, linear, l-ortho, affine); Schönemann 1966, "A generalized
    solution of the orthogonal Procrustes problem".
    """
    how = How(method, rcond, subspaces, max_anchors, delta, penalty, convention)
    source, target = parallel(A_X, A_Y)
    how.check(source.shape[1], target.shape[1], key)
    dtype = np.result_type(source, target)
    if any(isinstance(each, jax.core.Tracer) for each in (source, target)):
        return _fit(source, target, key, how, dtype)
    source, target = np.asarray(source), np.asarray(target)
    need_anchors(source, "the source", method == "irp")
    need_anchors(target, "the target", method == "irp")
    for remark in remarks(source, target, method, rcond):
        warnings.warn(remark, AlignmentWarning, stacklevel=2)
    with one_blas_thread(), jax.enable_x64(True):
        return _need_finite(_fit(source, target, key, how, dtype))


def fit_bridges(A_X: Any, A_Y: Any, rows: Any, *, key: Key | None = None, **settings: Any) -> Bridge:
    """A bridge for every draw of anchors, in one program.

    Args:
      A_X, A_Y: Float[n, d_X] and Float[n, d_Y], as in `fit_bridge`.
      rows: Int[draws, k], the anchors of every draw.
      key: split into one for every draw.
      settings: the other arguments of `fit_bridge`.

    Returns:
      A bridge whose arrays have an axis of draws in front: `jax.vmap(lambda bridge, x: bridge(x), (0, None))(found, x)`
      translates with every one, `jax.tree.map(lambda leaf: leaf[i], found)` is the i-th.

    Raises:
      InputError: as in `fit_bridge`; an index that is no row. Remarks are not given.

    Cost: draws times that of `fit_bridge`, memory for all draws of anchors in float64.
    """
    how = How(**settings)
    source, target = map(np.asarray, parallel(A_X, A_Y))
    how.check(source.shape[1], target.shape[1], key)
    rows = as_places(rows, "the rows of the anchors")
    check_places(rows, len(source), "row of an anchor", "the space")
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InputError(f"the rows of the anchors are {list(rows.shape)}: draws by at least 2 anchors are needed")
    for draw in rows:
        need_anchors(source[draw], "the source", how.method == "irp")
        need_anchors(target[draw], "the target", how.method == "irp")
    keys = None if key is None else jax.random.split(key, len(rows))
    used, places = np.unique(rows, return_inverse=True)
    dtype = np.result_type(source, target)
    with one_blas_thread(), jax.enable_x64(True):
        return _need_finite(_fit_each(source[used], target[used], places.reshape(rows.shape), keys, how, dtype))


def _as(bridge: Bridge, dtype: Any) -> Bridge:
    """A bridge of numbers of another type."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype if leaf.dtype.kind == "f" else jnp.int32), bridge)


def _need_finite(bridge: Bridge) -> Bridge:
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(bridge)):
        raise InputError("the bridge is not finite: rescale the anchors of both spaces, or give more of them")
    return bridge


@partial(jax.jit, static_argnames=("how", "dtype"))
def _fit_each(
    source: Float[Array, "n d"],
    target: Float[Array, "n e"],
    rows: Int[Array, "draws k"],
    keys: Array | None,
    how: How,
    dtype: Any,
) -> Bridge:
    def one(rows: Int[Array, "k"], key: Key | None) -> Bridge:
        return _fit(source[rows], target[rows], key, how, dtype)

    return jax.vmap(one, (0, None if keys is None else 0))(rows, keys)


@partial(jax.jit, static_argnames=("how", "dtype"))
def _fit(source: Float[Array, "k d"], target: Float[Array, "k e"], key: Key | None, how: How, dtype: Any) -> Bridge:
    if how.method == "irp":
        found = _inverse_relative(source, target, key, how)
        return _as(Bridge(mean_of(source), found.matrix, mean_of(target), *found[1:], directions=True), dtype)
    if how.method == "none":
        d = source.shape[1]
        zero = jnp.zeros(d, source.dtype)
        return _as(Bridge(zero, jnp.eye(d, dtype=source.dtype), zero, jnp.array(d), jnp.ones(())), dtype)
    x, y = Scaling.of(source), Scaling.of(target)
    p, q, bias = x(source), y(target), 0.0
    if how.method == "random":
        found = polar_factor(jax.random.normal(key, (p.shape[1], q.shape[1]), p.dtype))
        found = found._replace(condition=jnp.ones(()))  # of the map, which reads no anchor's direction
    elif how.by_adam:
        matrix, bias = maps.affine_by_adam(p, q, key)
        found = maps.linear(p, q)._replace(matrix=matrix)
    elif how.method == "ridge":
        found = maps.ridge(p, q, how.penalty)
    else:
        found = MAPS[how.method](p, q)
    # ((x - mean) / deviation) M deviation' + mean' as one product.
    matrix = found.matrix * y.deviation / x.deviation[:, None]
    return _as(Bridge(x.mean, matrix, y.mean + bias * y.deviation, *found[1:]), dtype)


MAPS = {"ortho": maps.orthogonal, "linear": maps.linear, "l-ortho": maps.linear_orthogonal, "affine": maps.linear}


def _inverse_relative(
    source: Float[Array, "k d"], target: Float[Array, "k e"], key: Key | None, how: How
) -> LeastSquares:
    """The matrix of inverse relative projection, with the mean norm of the target."""
    k, d = target.shape
    source, target = source - mean_of(source), target - mean_of(target)
    if how.subspaces == 1 and how.max_anchors is None and how.delta == 0:
        found = inverse_relative(source, target, how.rcond)
    else:
        starts = jnp.arange(how.subspaces) * k // how.subspaces
        if key is not None:
            starts = jax.random.permutation(key, k)[: how.subspaces]
        most = how.max_anchors or (k if how.subspaces == 1 else max(d // 4, 2))
        chosen = jax.vmap(lambda start: farthest_anchors(target, min(most, k), start, how.delta))(starts)
        found = in_subspaces(source, target, how.rcond, *chosen)
    return found._replace(matrix=mean_norm(target) * found.matrix)
