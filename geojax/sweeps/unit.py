"""A work unit: its name, its folder, and the state that the files of the folder tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from geojax.errors import InputError
from geojax.runtime import records

RESULT, FAILURE = "result.json", "failure.json"


class Unit(NamedTuple):
    """One piece of work.

    Attributes:
      name: a relative path, unique in its sweep: the argument of `--unit`.
      folder: the unit's own folder.
      settings: plain values that the result depends on beside the sweep's settings. The result records them; a result
        with other settings counts as missing.
      kind: units of one kind take about the same time.
      needs: entries without which a result is damaged.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    kind: str = ""
    needs: tuple[str, ...] = ()

    def read(self) -> dict[str, Any]:
        """What `result.json` holds, of whatever settings.

        Raises:
          InputError: it is damaged.
          FileNotFoundError: it is missing.
        """
        return records.read_json(self.folder / RESULT, self.entries)

    def result(self) -> dict[str, Any] | None:
        """The result of the unit; None while the result is missing, also if it is damaged or has other settings."""
        try:
            found = self.read()
        except (InputError, FileNotFoundError):
            return None
        return found if self.accepts(found) else None

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries that a whole result has."""
        return ("settings", "seconds", *self.needs)

    def accepts(self, found: Any) -> bool:
        """Whether a value is a whole result of this unit with these settings."""
        whole = isinstance(found, dict) and all(name in found for name in self.entries)
        return whole and found["settings"] == records.plain(self.settings)

    def damage(self) -> InputError | None:
        """Why `result.json` cannot be read; None if it can, or is missing."""
        try:
            self.read()
        except FileNotFoundError:
            return None
        except InputError as error:
            return error

    def failure(self) -> str | None:
        """The reason of the unit's last failure; None if the unit has not failed."""
        try:
            return str(records.read_json(self.folder / FAILURE, ("error",))["error"])
        except FileNotFoundError:
            return None
        except InputError as error:
            return str(error)

    def settled(self) -> bool:
        """Whether the unit has a result or has failed."""
        return (self.folder / FAILURE).exists() or self.result() is not None

    def set_aside_damage(self) -> None:
        """Renames a damaged `result.json`, and says so, before the unit gets a new one; for the holder of the unit."""
        if error := self.damage():
            records.set_aside(self.folder / RESULT, error)
