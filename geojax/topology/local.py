"""Features of the neighbourhoods of vectors: persistent homology, density, dimension."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geojax.errors import InputError
from geojax.measures.dimension import from_log_ratios
from geojax.ops.diagrams import (
    GROUNDS,
    ImageRange,
    image_range,
    persistence_image,
    persistence_profile,
    wasserstein_norm,
)
from geojax.ops.neighbourhoods import BLOCK, map_neighbourhoods, neighbour_rows
from geojax.ops.persistence import loops, spanning_tree_lengths
from geojax.ops.shapes import padded
from geojax.topology.datastore import Datastore
from geojax.typing import Mask, Points, Scalar

# Queries in one call of a program, and the most neighbours whose loops are found.
QUERIES = 256
LARGEST = 128


class Shown(NamedTuple):
    """What images of each degree show."""

    h0: ImageRange
    h1: ImageRange


@dataclass(frozen=True)
class LocalTopology:
    """Features of every query.

    Attributes:
      names: of the columns: `codensity_K`; `hD_wasserstein_Q`; `h0_image_P` and `h1_image_B_P`, the cells of an image
        by birth and persistence; `local_dimension`.
      features: Float32[m, columns].
      shown: the ranges of the images, to be handed on for other queries of the same layer.
      equal: Bool[m], all neighbours at distance 0: the features are 0.
      overflow: Bool[m], more loops than there is room for: the features of degree 1 are NaN.
    """

    names: tuple[str, ...]
    features: Float[np.ndarray, "m columns"]
    shown: Shown
    equal: Bool[np.ndarray, "m"]
    overflow: Bool[np.ndarray, "m"]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the features should know, in words."""
        counts = {
            "neighbourhoods have more loops than there is room for: their features of degree 1 are NaN": self.overflow,
            "neighbourhoods have all distances 0: their features are 0": self.equal,
        }
        if "local_dimension" in self.names:
            undefined = np.isnan(self.columns("local_dimension")[:, 0])
            counts["neighbourhoods have no local dimension: it is NaN"] = undefined
        return tuple(f"{int(mask.sum())} of {len(mask)} {words}" for words, mask in counts.items() if mask.any())

    def columns(self, *starts: str) -> Float[np.ndarray, "m chosen"]:
        """The columns whose names begin with any of these words, such as "codensity" or "h1_image"."""
        chosen = [place for place, name in enumerate(self.names) if name.startswith(starts)]
        if not chosen:
            raise InputError(f"no feature begins with {' or '.join(starts)}: choose from {', '.join(self.names)}")
        return self.features[:, chosen]


def local_topology(
    queries: Any,
    store: Datastore,
    n: int = 50,
    degrees: tuple[int, ...] = (0, 1),
    image: int = 8,
    ks: tuple[int, ...] = (1, 2, 5, 10, 20, 40),
    local_dimension: bool = True,
    *,
    ground: str = "euclidean",
    shown: Shown | None = None,
) -> LocalTopology:
    """Persistent homology, density and dimension of the neighbourhood of each query in a datastore.

    The neighbourhood of a query is the query and the n vectors of the store nearest to it; a stored vector that equals
    the query is none of them. Its Vietoris-Rips complex has all lengths of edges as filtration.

    Args:
      queries: Float[m, d], an array of any library.
      store: the datastore.
      n: neighbours of a query, at most 128 with degree 1.
      degrees: of homology: 0, 1, both or none.
      image: cells along each axis of persistence images.
      ks: ranks of the neighbours whose distance is a feature (codensity).
      local_dimension: whether the dimension of the n neighbours by their two nearest ones is a feature.
      ground: of the Wasserstein norms, as in `geojax.ops.diagrams`.
      shown: the ranges of the images, from the queries that a model is trained on. None fits them to these queries,
        and keeps their diagrams on the host for it: 20 n bytes of each.

    Returns:
      `LocalTopology`, with distances in the unit of the vectors. Its features of one query depend on no other query
      save through `shown`: parts of a long list can be taken one by one.

    Raises:
      InputError: widths that differ, NaN, fewer than n + 2 distinct vectors in the store, n beyond 128 with degree 1,
        a degree other than 0 and 1, a k beyond n.

    Cost: O(m |store| d) time for the search, O(m (n^2 d + n^3)) for the rest: 1.2 ms of processor time a query for
    n = 50 among 22 756 vectors of 384; memory O(256 |store|) at most, beside the features.

    Reference: arXiv 2408.03706.
    """
    queries = store.read_queries(queries)
    store.need(n)
    _check(n, degrees, image, ks, ground)
    found = _diagrams(queries, store, n=n, degrees=tuple(sorted(degrees)), ks=tuple(ks), dimension=local_dimension)
    if shown is None:
        found = list(found)
        shown = _fit(found, len(queries), store.scale)
    parts = [_features(each, shown, jnp.float32(store.scale), size=image, ground=ground) for each in found]
    features, equal, overflow = (np.concatenate(part)[: len(queries)] for part in zip(*parts, strict=True))
    return LocalTopology(_names(degrees, image, ks, local_dimension), features, shown, equal, overflow)


def _names(degrees: tuple[int, ...], size: int, ks: tuple[int, ...], dimension: bool) -> tuple[str, ...]:
    """The columns of `_features`."""
    names = [f"codensity_{k}" for k in ks]
    names += [f"h{degree}_wasserstein_{q}" for degree in sorted(degrees) for q in (1, 2)]
    if 0 in degrees:
        names += [f"h0_image_{p}" for p in range(size)]
    if 1 in degrees:
        names += [f"h1_image_{b}_{p}" for b in range(size) for p in range(size)]
    return (*names, "local_dimension") if dimension else tuple(names)


def _check(n: int, degrees: tuple[int, ...], image: int, ks: tuple[int, ...], ground: str) -> None:
    if not set(degrees) <= {0, 1} or len(set(degrees)) < len(degrees):
        raise InputError(f"degrees is {degrees}: choose from 0 and 1")
    if 1 in degrees and n > LARGEST:
        raise InputError(f"loops (degree 1) are found in neighbourhoods of at most {LARGEST} vectors, but n is {n}")
    if image < 1:
        raise InputError(f"image is {image}: an image has at least one cell")
    if any(k < 1 or k > n for k in ks):
        raise InputError(f"ks is {ks}: ranks of neighbours are from 1 to n = {n}")
    if ground not in GROUNDS:
        raise InputError(f"ground {ground!r} is unknown: choose from {', '.join(GROUNDS)}")
    if not (degrees or ks):
        raise InputError("no feature is asked for: give degrees or ks")


def _diagrams(queries: Float[np.ndarray, "m d"], store: Datastore, **settings: Any) -> Iterator[dict[str, np.ndarray]]:
    """What `_measure` gives for blocks of queries, of one size, the last one filled up."""
    size = min(QUERIES, -(-len(queries) // BLOCK) * BLOCK)
    for start in range(0, len(queries), size):
        block = padded(store.placed(queries[start : start + size]), size)
        yield jax.tree.map(np.asarray, _measure(store.points, store.mask, block, **settings))


@partial(jax.jit, static_argnames=("n", "degrees", "ks", "dimension"))
def _measure(
    points: Points,
    mask: Mask,
    queries: Float[Array, "b d"],
    *,
    n: int,
    degrees: tuple[int, ...],
    ks: tuple[int, ...],
    dimension: bool,
) -> dict[str, Array]:
    """Codensity, diagrams and dimension of a block of queries, in the units of the store."""

    def read(distances: Float[Array, "p p"], kept: Bool[Array, "p"]) -> dict[str, Array]:
        found = {"codensity": distances[0, jnp.array(ks, int)], "equal": jnp.all(distances == 0)}
        if 0 in degrees:
            found["h0"] = spanning_tree_lengths(distances, kept)
        if 1 in degrees:
            found["h1"] = loops(distances, kept)
        if dimension:
            found["dimension"] = _dimension(distances[1:, 1:], kept[1:])
        return found

    rows = neighbour_rows(points, mask, queries, n)
    return map_neighbourhoods(read, queries, points, rows, jnp.ones(rows.shape, bool))


def _dimension(distances: Float[Array, "k k"], kept: Bool[Array, "k"]) -> Scalar:
    """The dimension of `two_nn` in its published form, from the distances; of points at distance 0 from no other."""
    apart = kept[:, None] & kept & ~jnp.eye(len(kept), dtype=bool)
    second, first = -jax.lax.top_k(jnp.where(apart, -distances, -jnp.inf), 2)[0].T[::-1]
    counted = kept & (first > 0) & (second < jnp.inf)
    return from_log_ratios(jnp.log(second / jnp.where(counted, first, 1)), counted, "paper")


def _fit(found: list[dict[str, np.ndarray]], count: int, scale: float) -> Shown:
    """The ranges of the diagrams of the first `count` queries, in the unit of the vectors."""

    def joined(read: Callable) -> np.ndarray:
        return np.concatenate([read(each) for each in found])[:count].astype(np.float64) * scale

    nothing = ImageRange(0.0, 0.0, 0.0)
    h0, h1 = nothing, nothing
    if "h0" in found[0]:
        deaths = joined(lambda each: each["h0"])
        h0 = image_range(np.zeros_like(deaths), deaths)
    if "h1" in found[0]:
        h1 = image_range(joined(lambda each: each["h1"].births), joined(lambda each: each["h1"].deaths))
    return Shown(h0, h1)


@partial(jax.jit, static_argnames=("size", "ground"))
def _features(
    found: dict[str, Any], shown: Shown, scale: Scalar, *, size: int, ground: str
) -> tuple[Float[Array, "b columns"], Bool[Array, "b"], Bool[Array, "b"]]:
    """The features of a block, in the unit of the vectors; and where all distances are 0, and where loops overflow."""
    columns, images, overflow = [found["codensity"] * scale], [], jnp.zeros_like(found["equal"])
    if "h0" in found:
        deaths = found["h0"]
        births = jnp.zeros_like(deaths)
        columns += [scale * wasserstein_norm(births, deaths, q=q, ground=ground)[:, None] for q in (1, 2)]
        images.append(persistence_profile(deaths, shown.h0.longest / scale, size=size))
    if "h1" in found:
        births, deaths, overflow = found["h1"]
        columns += [scale * wasserstein_norm(births, deaths, q=q, ground=ground)[:, None] for q in (1, 2)]
        near = ImageRange(*(end / scale for end in shown.h1))
        images.append(persistence_image(births, deaths, near, size=size).reshape(-1, size * size))
    if "dimension" in found:
        images.append(found["dimension"][:, None])
    features = jnp.concatenate([*columns, *images], 1)
    return jnp.where(found["equal"][:, None], 0, features), found["equal"], overflow
