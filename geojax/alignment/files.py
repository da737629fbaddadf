"""A bridge as a file, and a file of vectors across a bridge."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geojax.alignment.bridge import Bridge
from geojax.alignment.checks import as_rows
from geojax.errors import InputError
from geojax.ops.shapes import padded
from geojax.runtime import folders
from geojax.runtime.progress import ProgressLine
from geojax.runtime.tensors import read_tensors, write_tensors
from geojax.version import __version__

FORMAT = "geojax bridge 1"
ARRAYS = tuple(field.name for field in fields(Bridge) if field.name != "directions")
BLOCK = 8192  # vectors in memory at a time


class Saved(NamedTuple):
    """What a file of a bridge holds.

    Attributes:
      bridge: the map.
      about: what its writer told of it, such as the models, the digest of the texts, the method.
    """

    bridge: Bridge
    about: dict[str, Any]


class Translated(NamedTuple):
    """What was done to a file of vectors.

    Attributes:
      rows: their number.
      not_finite: of them those with NaN or infinite coordinates, which stay so.
    """

    rows: int
    not_finite: int


def save_bridge(path: str | PurePath, bridge: Bridge, about: Mapping[str, Any] | None = None) -> None:
    """Writes a bridge as one safetensors file, atomically; equal bridges give equal bytes.

    Args:
      path: of the file.
      bridge: one, not several of `fit_bridges`.
      about: facts that JSON holds, for whoever loads it: the models, the digest of the texts, the method.

    Raises:
      InputError: several bridges.
    """
    if bridge.matrix.ndim != 2:
        raise InputError(f"there are {bridge.matrix.shape[0]} bridges: save one, such as that of the first draw")
    tensors = {name: np.asarray(getattr(bridge, name)) for name in ARRAYS}
    facts = {"format": FORMAT, "geojax": __version__, "directions": json.dumps(bridge.directions)}
    write_tensors(path, tensors, facts | {"about": json.dumps(dict(about or {}), sort_keys=True)})


def load_bridge(path: str | PurePath) -> Saved:
    """Reads a file that `save_bridge` wrote.

    Raises:
      InputError: the file is absent or damaged, no bridge, or of arrays that do not fit each other.
    """
    tensors, facts = read_tensors(path, "bridge")
    if facts.get("format") != FORMAT or sorted(tensors) != sorted(ARRAYS):
        raise InputError(f"{path} is no bridge: it has the format {facts.get('format')!r} and the arrays {[*tensors]}")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    d, e = shapes["matrix"] if tensors["matrix"].ndim == 2 else (0, 0)
    fitting = {"source_mean": (d,), "matrix": (d, e), "target_mean": (e,), "rank": (), "condition": ()}
    if shapes != fitting or not d * e or not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(f"{path} is a damaged bridge: its arrays have the shapes {shapes}, or are not finite")
    try:
        directions, about = json.loads(facts["directions"]), json.loads(facts["about"])
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is a damaged bridge: its metadata are {facts}") from error
    if not isinstance(directions, bool) or not isinstance(about, dict):
        raise InputError(f"{path} is a damaged bridge: its metadata are {facts}")
    return Saved(Bridge(**{name: jnp.asarray(tensors[name]) for name in ARRAYS}, directions=directions), about)


def translate_file(
    bridge: Bridge,
    source: str | PurePath,
    target: str | PurePath,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Translated:
    """Takes the vectors of one .npy file across a bridge into another, in blocks of 8 192.

    The new file appears whole or not at all, and replaces an older one.

    Args:
      bridge: of the width of the vectors.
      source: .npy file, floats [n, d_X] of any type.
      target: .npy file to write, float32 [n, d_Y].
      progress: called with the numbers of vectors done and of all.

    Raises:
      InputError: no whole .npy file of floats, another width, or one file for both.

    Cost: O(n d_X d_Y) time; memory for a block, whatever n is.
    """
    source, target = folders.local(source), folders.local(target)
    if source.resolve() == target.resolve():
        raise InputError(f"{source} cannot be read and written at once: give another file to write")
    n, e = len(opened(source, bridge.matrix.shape[0])), bridge.matrix.shape[1]
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, e)}
    done = bad = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for rows in blocks(source, bridge.matrix.shape[0]):
                bad += int((~np.isfinite(rows).all(1)).sum())
                file.write(np.ascontiguousarray(across(bridge, rows), "<f4").data)
                done += len(rows)
                progress(done, n)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return Translated(n, bad)


def across(bridge: Bridge, rows: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "b e"]:
    """A block of at most 8 192 vectors across a bridge; blocks of all sizes share one program."""
    return np.asarray(bridge(padded(rows, BLOCK)))[: len(rows)]


def moved(bridge: Bridge, vectors: PurePath | Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
    """The vectors of an array or of a .npy file across a bridge, in memory, float32.

    Raises:
      InputError: as in `blocks`.

    Cost: O(n d_X d_Y) time.
    """
    width, count = bridge.matrix.shape[0], len(vectors) if isinstance(vectors, np.ndarray) else len(opened(vectors))
    found, done = np.empty((count, bridge.matrix.shape[1]), np.float32), 0
    with ProgressLine("translating", "vectors") as told:
        for rows in blocks(vectors, width):
            found[done : done + len(rows)] = across(bridge, rows)
            done += len(rows)
            told(done, count)
    return found


def blocks(vectors: PurePath | Float[np.ndarray, "n d"], width: int) -> Iterator[Float[np.ndarray, "b d"]]:
    """The vectors of an array or of a .npy file in blocks; what was read of a file leaves memory with its block.

    Raises:
      InputError: no whole .npy file, no vectors, of another width or no floats.
    """
    if isinstance(vectors, np.ndarray):
        check(vectors, "the vectors", width)
        for start in range(0, len(vectors), BLOCK):
            yield vectors[start : start + BLOCK]
        return
    for start in range(0, len(opened(vectors, width)), BLOCK):
        yield as_rows(np.array(opened(vectors)[start : start + BLOCK]), f"the vectors of {vectors}")


def mean_length(vectors: PurePath | Float[np.ndarray, "n d"], width: int) -> float:
    """The mean length of the vectors of an array or of a .npy file, all of which are read.

    Raises:
      InputError: as in `blocks`, or vectors that are not finite.
    """
    total, bad, count, first = 0.0, 0, 0, -1
    for rows in blocks(vectors, width):
        finite = np.isfinite(rows).all(1)
        if not finite.all() and first < 0:
            first = count + int(np.argmin(finite))
        bad += int((~finite).sum())
        total += float(np.linalg.norm(rows, axis=1).sum())
        count += len(rows)
    if bad:
        what = "the vectors" if isinstance(vectors, np.ndarray) else vectors
        raise InputError(f"{what}: row {first} has NaN or infinite numbers, as {bad} of {count} have: leave them out")
    return total / count


def opened(path: Path, width: int = 0) -> np.memmap:
    """The array of a .npy file, which stays on disk until it is read; what was read leaves memory with it.

    Raises:
      InputError: no whole .npy file; with a `width`, anything but vectors of floats of this width.
    """
    try:
        found = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is not a whole .npy array, as numpy.save writes: {error}") from error
    if width:
        check(found, str(path), width)
    return found


def check(vectors: np.ndarray, what: str, width: int) -> None:
    """Raises an InputError for anything but vectors of floats of a width."""
    said = f"{what} is {vectors.dtype}{list(vectors.shape)}"
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != width:
        raise InputError(f"{said}: vectors of the bridge's width, {width}, are needed")
    if vectors.dtype.kind not in "fV":  # V: bfloat16
        raise InputError(f"{said}: vectors of floats are needed")
