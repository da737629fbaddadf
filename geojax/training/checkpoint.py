"""Checkpoints of a training's state; the only module that uses orbax."""

import logging
import zlib
from pathlib import PurePath
from typing import Any, TypeVar

import jax
import numpy as np

from geojax.errors import InputError
from geojax.parallel.layout import fetch
from geojax.runtime import folders

State = TypeVar("State")


def save(folder: str | PurePath, step: int, state: Any, keep: int = 2) -> None:
    """Writes `state`, a pytree of arrays, as the checkpoint of `step`, atomically; returns once it is on disk.

    Only the newest `keep` checkpoints stay in the folder.
    """
    with _manager(folder, keep) as manager:
        items = {"state": _args().StandardSave(state), "checksum": _args().JsonSave({"crc32": checksum(state)})}
        manager.save(step, args=_args().Composite(**items))


def restore(folder: str | PurePath, like: State) -> tuple[int, State] | None:
    """Returns the newest intact checkpoint as (step, state), or None if there is no checkpoint.

    Damaged checkpoints are logged, and deleted once an older checkpoint is found intact.

    Args:
      folder: the folder that `save` wrote to.
      like: a pytree of arrays or `jax.ShapeDtypeStruct`s with the structure to restore. An array is restored with the
        sharding of its leaf, if that has one, whatever its sharding was when it was saved.

    Raises:
      InputError: every checkpoint in the folder is damaged.
    """
    if not folders.path(folder).is_dir():
        return None
    items = {"state": _args().StandardRestore(jax.tree.map(_abstract, like)), "checksum": _args().JsonRestore()}
    damaged = []
    with _manager(folder) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                found = manager.restore(step, args=_args().Composite(**items))
                if checksum(found.state) != found.checksum["crc32"]:
                    raise ValueError("the checksum of the arrays differs")
            except Exception as error:  # orbax reports damage by errors of many types: JSON, zarr, file system
                reason = str(error).partition("\n")[0]
                logging.warning("checkpoint %s/%d is damaged (%s): trying the one before", folder, step, reason)
                damaged.append(step)
                continue
            for old in damaged:  # orbax refuses to save a step that is older than a listed step
                manager.delete(old)
            return step, found.state
    if damaged:
        raise InputError(f"every checkpoint in {folder} is damaged ({len(damaged)}): delete the folder to start again")
    return None


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None))


def checksum(state: Any) -> int:
    """The CRC-32 of the bytes of all leaves, because orbax does not detect flipped bits."""
    value = 0
    for leaf in jax.tree.leaves(state):
        value = zlib.crc32(np.ascontiguousarray(fetch(leaf)), value)
    return value


def _args() -> Any:
    import orbax.checkpoint as ocp

    return ocp.args


def _manager(folder: str | PurePath, keep: int = 2) -> Any:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep, enable_async_checkpointing=False, cleanup_tmp_directories=True
    )
    return ocp.CheckpointManager(folders.resolved(folders.path(folder)), options=options)
