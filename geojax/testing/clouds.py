"""The clouds on which the claims of a row are tested: generic, transformed and degenerate clouds."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

N, D = 96, 8
CLASSES = 3
_ARMS = (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6)


def generic(seed: int = 0) -> Float[np.ndarray, "n d"]:
    """Two correlated groups [96, 8] on a grid of 1/64: sums, shifts and powers of two are exact in float32."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((N, D)) * (1 + np.arange(D)) + 6 * (rng.random((N, 1)) < 0.3)
    points[:, 1] += points[:, 0] ** 2 / 2
    return (np.round(points * 64) / 64).astype(np.float32)


def labels(seed: int = 0) -> Int[np.ndarray, "n"]:
    """Classes 0, 1, 2 of the points of a generic cloud, with noise; the first two points have classes 0 and 1."""
    noise = 4 * np.random.default_rng((seed, 1)).standard_normal(N)
    found = np.digitize(generic(seed)[:, 1] + noise, [-1, 5])
    found[:2] = 0, 1
    return found.astype(np.int32)


def partner(seed: int = 0) -> Float[np.ndarray, "n 5"]:
    """Another cloud [96, 5] of the inputs of a generic cloud, on its grid: functions of its points, with noise."""
    rng = np.random.default_rng((seed, 2))
    mixed = generic(seed) @ rng.standard_normal((D, 5)) / 8
    points = 6 * np.tanh(mixed) * (1 + np.arange(5)) + 2 * rng.standard_normal((N, 5))
    return (np.round(points * 64) / 64).astype(np.float32)


def _rotation(d: int) -> Float[np.ndarray, "d d"]:
    return np.linalg.qr(np.random.default_rng(9).standard_normal((d, d)))[0].astype(np.float32)


def _over_axes(*numbers: float) -> Callable:
    """As many of the numbers as a cloud has axes."""
    return lambda points: np.float32(numbers)[: points.shape[1]]


_SHIFT = _over_axes(100, -50, 3, 0, 7, 1, 1, 20)
_SIGNS = _over_axes(1, -1, 1, 1, -1, 1, -1, 1)
_STRETCH = _over_axes(8, 1, 1, 1, 1, 1, 1, 2)

# The transformation of each of `INVARIANCES`.
TRANSFORMATIONS: dict[str, Callable] = {
    "permutation": lambda points: points[np.random.default_rng(1).permutation(len(points))],
    "translation": lambda points: points + _SHIFT(points),
    "reflection": lambda points: points * _SIGNS(points),
    "rotation": lambda points: points @ _rotation(points.shape[1]),
    "scaling": lambda points: points * np.float32(4),
    "axis scaling": lambda points: points * _STRETCH(points),
}

# Degenerate clouds as functions of a generic cloud.
DEGENERATE: dict[str, Callable] = {
    "equal": lambda points: np.full_like(points, 0.1),
    "duplicates": lambda points: np.repeat(points[:6], N // 6, axis=0),
    "line": lambda points: points[:, :1] * np.arange(1, points.shape[1] + 1, dtype=np.float32),
    "lattice": np.sign,
    "cross": lambda points: np.concatenate([size * np.eye(D, points.shape[1], dtype=np.float32) for size in _ARMS]),
    "centre": lambda points: np.concatenate([points[2::2], -points[2::2], 0 * points[:2]]),
    "offset": lambda points: points + np.float32(1e4),
    "tiny": lambda points: points * np.float32(2.0**-83),
    "huge": lambda points: points * np.float32(2.0**83),
    "few": np.copy,
    "two": np.copy,
    "one": np.copy,
}
# Number of leading rows that are not masked, by default all.
_KEPT = {"centre": N - 1, "few": 5, "two": 2, "one": 1}


def degenerate(
    name: str, seed: int = 0, cloud: Callable = generic
) -> tuple[Float[np.ndarray, "n d"], Bool[np.ndarray, "n"]]:
    """A degenerate cloud, with NaN in masked rows, and its mask."""
    points = DEGENERATE[name](cloud(seed))
    mask = np.arange(N) < _KEPT.get(name, N)
    points[~mask] = np.nan
    return points, mask
