"""Compiled programs that outlive their process, in a folder that several processes share."""

import hashlib
import logging
import os
import platform
import warnings
from pathlib import Path

VARIABLE = "GEOJAX_COMPILATION_CACHE"
OFF = "off"
MOST_BYTES = 1 << 30

log = logging.getLogger(__name__)


def switch_on(named: str | None = None) -> None:
    """Lets this process, and those that it starts, keep compiled programs; to be called before JAX is imported.

    What the environment says already of JAX's own settings stays. A file that another process is writing, or was killed
    over, is compiled anew, without a word.

    Args:
      named: a folder, or "off"; by default $GEOJAX_COMPILATION_CACHE or, failing that, `geojax/compiled` in the user's
        cache folder ($XDG_CACHE_HOME or ~/.cache).
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ and not named:
        return
    own = folder(named or os.environ.get(VARIABLE, ""))
    os.environ[VARIABLE] = str(own or OFF)  # of the processes that this one starts
    if own is None:
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return
    own = own / machine()
    try:
        own.mkdir(parents=True, exist_ok=True)
        prune(own, MOST_BYTES)
    except OSError as error:
        log.warning("compiled programs are not kept: %s (%s)", own, error.strerror)
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(own)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def folder(named: str) -> Path | None:
    """The folder of compiled programs by its name, the user's where there is none; None for "off"."""
    if named == OFF:
        return None
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "geojax" / "compiled"


def machine() -> str:
    """A short name of this kind of processor: a program that was compiled for another one may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts = sorted({line for line in lines if line.split(":")[0].strip() in ("model name", "flags", "Features")})
    except OSError:
        facts = [platform.processor(), platform.platform()]
    return f"{platform.machine()}-{hashlib.sha256(' '.join(facts).encode()).hexdigest()[:8]}"


def prune(own: Path, most: int) -> None:
    """Removes the oldest files of a folder until it holds at most so many bytes."""
    found = []
    for entry in os.scandir(own):
        try:
            found.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
        except FileNotFoundError:  # another process removed it
            continue
    size = sum(bytes for _, bytes, _ in found)
    for _, bytes, path in sorted(found):
        if size <= most:
            return
        Path(path).unlink(missing_ok=True)
        size -= bytes
