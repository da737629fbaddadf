"""Progress and results of a run as text: durations, the time left, progress bars, tables."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tqdm import tqdm

LOG_SECONDS = 30.0  # between the lines of a log


def duration(seconds: float) -> str:
    """A duration as text in suitable units: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


class Clock:
    """Estimates the time left of `total` items, `missing` of which are not done at the start.

    It assumes that the speed stays the same as since the start.
    """

    def __init__(self, total: int, missing: int):
        self.total, self.missing, self.start = total, missing, time.monotonic()

    def __call__(self, missing: int, ahead: float | None = None) -> str:
        """The progress as text when `missing` items are not done: "7/12, about 5 min left".

        `ahead` is the work of the missing items divided by the work done since the start; None: every item is the same
        amount of work.
        """
        done = f"{self.total - missing}/{self.total}"
        if missing == 0 or missing == self.missing:
            return done
        ahead = missing / (self.missing - missing) if ahead is None else ahead
        return f"{done}, about {duration((time.monotonic() - self.start) * ahead)} left"


class ProgressBar:
    """A progress bar on a terminal, or a log line at most every `LOG_SECONDS`.

    As a context manager it gives the function to call with (done, total).
    """

    def __init__(self, description: str, unit: str):
        self.bar = tqdm(desc=description, unit=f" {unit}", disable=None, leave=False)
        self.description, self.unit, self.clock, self.logged = description, unit, None, time.monotonic()

    def __enter__(self) -> Callable[[int, int], None]:
        return self.update

    def __exit__(self, *exception: Any) -> None:
        self.bar.close()

    def update(self, done: int, total: int) -> None:
        """Shows that `done` of `total` items are done."""
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        self.clock = self.clock or Clock(total, total - done)
        if self.bar.disable and time.monotonic() - self.logged > LOG_SECONDS:
            logging.info("%s, %s: %s", self.description, self.unit, self.clock(total - done))
            self.logged = time.monotonic()


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a text table: floats with four significant digits, numbers aligned right, empty cells for None."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    left = [any(isinstance(row.get(name), str) for row in rows) for name in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
