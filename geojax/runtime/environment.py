"""The software and the machine of a run, which determine the last bits of its numbers."""

import logging
from pathlib import PurePath
from typing import Any

import jax

from geojax.ops.threads import usable_cores
from geojax.runtime import records


def environment(shard_parameters: bool = False) -> dict[str, Any]:
    """The facts about software and machine that must be equal for results to be equal bit for bit."""
    versions = records.versions()
    return {
        "device": versions.pop("device"),
        "processes": jax.process_count(),
        "shard_parameters": shard_parameters,
        "cores": usable_cores(),
        "versions": versions,
    }


def warn_of_other_machine(workdir: PurePath, shard_parameters: bool = False) -> None:
    """Logs a warning that names the differences if a run continues with other software or on another machine.

    The first call writes the environment to `environment.json` in `workdir`; later calls compare with that file.
    """
    path, now = workdir / "environment.json", environment(shard_parameters)
    begun = records.whole(path)
    if begun is None:
        records.write_json(path, now)
        return
    begun, now = ({**found, **dict(found.get("versions") or {}), "versions": None} for found in (begun, now))
    changed = [
        f"{name} was {begun.get(name)} and is now {now.get(name)}"
        for name in dict.fromkeys((*begun, *now))
        if begun.get(name) != now.get(name)
    ]
    if changed:
        logging.warning("%s goes on elsewhere than it began: %s; the last bits may differ", workdir, ", ".join(changed))
