"""JAX's persistent cache of compiled programs, in a folder that several processes share."""

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
    """Makes this process and its child processes keep compiled programs; must be called before JAX is imported.

    Without `named`, JAX_COMPILATION_CACHE_DIR in the environment takes precedence, and nothing is changed. JAX's limits
    on compilation time and size of kept programs stay as the environment sets them; by default all programs are kept.
    They are kept in a subfolder for each kind of processor, which is first pruned to `MOST_BYTES`. If the folder cannot
    be made, a warning is logged, and nothing is kept. A program with an unfinished file is compiled again, without a
    warning.

    Args:
      named: a folder, or "off"; None: $GEOJAX_COMPILATION_CACHE or, if that is not set, `geojax/compiled` in the user's
        cache folder ($XDG_CACHE_HOME or ~/.cache).
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ and not named:
        return
    own = folder(named or os.environ.get(VARIABLE, ""))
    os.environ[VARIABLE] = str(own or OFF)  # for child processes
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
    """The folder `named`, or the folder in the user's cache folder if `named` is empty; None for "off"."""
    if named == OFF:
        return None
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "geojax" / "compiled"


def machine() -> str:
    """A short name of the kind of processor, because a program compiled for another kind may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts = sorted({line for line in lines if line.split(":")[0].strip() in ("model name", "flags", "Features")})
    except OSError:
        facts = [platform.processor(), platform.platform()]
    return f"{platform.machine()}-{hashlib.sha256(' '.join(facts).encode()).hexdigest()[:8]}"


def prune(own: Path, most: int) -> None:
    """Removes the oldest files of a folder until it holds at most `most` bytes."""
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
