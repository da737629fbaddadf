"""Locks of work folders: at a time one process, or one group of processes, and always one set of settings."""

import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import PurePath
from typing import Any

from geojax.errors import InputError
from geojax.runtime import folders, records
from geojax.runtime.processes import leads, together

BEAT_SECONDS = 20.0  # time between the heartbeats of the owner of a folder in a store
POLL_SECONDS = 1.0  # time between the attempts of a waiting process
DEAD_SECONDS = 120.0  # time without a heartbeat after which another process takes the folder over
SETTINGS = "settings.json"
BEFORE_WORK = {SETTINGS, "environment.json", ".lock", ".owners"}  # files that exist before any work is done


class InUse(InputError):
    """Another process holds the folder."""


@contextmanager
def claim(folder: str | PurePath, settings: Mapping[str, Any] | None = None, *, wait: bool = False) -> Iterator[None]:
    """Locks a work folder while the block runs, and binds it to `settings`, which its `settings.json` records.

    If the block raises InputError before any work is done, the folder stays free for other settings. If several
    processes run one computation, each calls this function, and the first holds the lock for all.

    Args:
      folder: the work folder; made if absent.
      settings: the settings that the results depend on, as plain values; None binds the folder to no settings.
      wait: whether to wait until another process releases the folder, instead of raising InUse.

    Raises:
      InUse: another process holds the folder.
      InputError: the folder was started with other settings, which the message names; its file system has no locks; or
        a process of the run does not see the folder.
    """
    folder, begun = folders.path(folder), False
    path = folder / SETTINGS
    with ExitStack() as held:
        with together(InputError):
            if leads():
                folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(_owned(folder, wait) if folders.is_remote(folder) else _locked(folder, wait))
                if settings is not None:
                    refuse_others(folder, settings)
                if settings is not None and not path.exists():
                    records.write_json(path, settings)
                    begun = True
        with together(InputError):
            if settings is not None and not path.exists():
                raise InputError(f"a process on {socket.gethostname()} does not see {folder}: take a folder that all "
                                 "hosts share")  # fmt: skip
        try:
            yield
        except InputError:
            if begun and BEFORE_WORK.issuperset(folders.names(folder)):
                path.unlink()
            raise


def refuse_others(folder: PurePath, settings: Mapping[str, Any]) -> None:
    """Raises InputError if a work folder was begun with other settings, or its record of them is damaged."""
    path = folders.path(folder) / SETTINGS
    if not path.exists():
        return
    old, new = records.read_json(path), records.plain(settings)
    changed = [
        f"{name} was {old.get(name)!r} and is now {new.get(name)!r}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise InputError(f"{folder} was begun with other settings: {', '.join(changed)}; choose another folder")


@contextmanager
def _locked(folder: PurePath, wait: bool) -> Iterator[None]:
    """Locks a local folder while the block runs."""
    with open(folder / ".lock", "w") as file:
        try:  # the kernel releases the lock when the process ends, in whatever way
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"another process works in {folder}: wait for it, or choose another folder") from error
        except OSError as error:
            raise InputError(
                f"{folder} cannot be locked ({error.strerror}): choose a file system with locks (flock)"
            ) from error
        yield


@contextmanager
def _owned(folder: PurePath, wait: bool) -> Iterator[None]:
    """Locks a folder in a store while the block runs; the owner is who creates the next numbered object in `.owners/`.

    An object can be created only once, so two processes that find a dead owner cannot both take the folder over. The
    owner rewrites its object every `BEAT_SECONDS`. An owner that stalled until another process took over exits.
    """
    owners = folder / ".owners"
    record = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
    while True:
        try:
            number = _follow(folder, owners, record)
            break
        except InUse:
            if not wait:
                raise
            time.sleep(POLL_SECONDS)
    own = owners / str(number)

    def holds() -> bool:
        newest = max((int(name) for name in folders.names(owners)), default=0)
        return newest == number and (_read(own) or {}).items() >= record.items()

    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            try:
                if not holds():
                    logging.error("%s was taken over by another process: this one ends", folder)
                    os._exit(1)  # only this ends the main thread for certain; nothing is lost by it
                records.write_json(own, record | {"alive": time.time()})
            except Exception as error:  # the network fails; if that lasts, another process takes the folder over
                logging.warning("%s cannot be reached: %s", folder, error)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if holds():
            own.unlink(missing_ok=True)


def _follow(folder: PurePath, owners: PurePath, record: Mapping[str, Any]) -> int:
    """Becomes the next owner of a folder if the last owner is gone or dead; returns the number of the new owner.

    Raises:
      InUse: the last owner is alive, or another process became the next owner.
    """
    found = sorted(int(name) for name in folders.names(owners))
    last = _read(owners / str(found[-1])) if found else None
    if last:
        silent = time.time() - last["alive"]
        if silent < DEAD_SECONDS:
            raise InUse(
                f"another process works in {folder}: {last['pid']} on {last['host']}, seen {silent:.0f} s ago; wait "
                f"for it, or choose another folder; if it was killed, try again when {DEAD_SECONDS:.0f} s are over"
            )
        logging.warning("%s is taken over from %s on %s", folder, last["pid"], last["host"])
    number = found[-1] + 1 if found else 1
    if not folders.create(owners / str(number), json.dumps({**record, "alive": time.time()}).encode()):
        raise InUse(f"another process has just begun in {folder}: wait for it, or choose another folder")
    for old in found:
        (owners / str(old)).unlink(missing_ok=True)
    return number


def _read(owner: PurePath) -> dict[str, Any] | None:
    """The record of an owner; None if its object is gone."""
    try:
        return records.read_json(owner)
    except FileNotFoundError:
        return None
