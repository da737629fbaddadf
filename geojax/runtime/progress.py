"""ProgressLine and results of a run as text: durations, the time left, lines of a log, tables."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

LOG_SECONDS = 5.0  # before the first line of a log, and at least between lines


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


class ProgressLine:
    """What is being done, as a line in the log now and then.

        with ProgressLine("measure"), ProgressLine("measuring", "layers") as moved:
            for done, layer in enumerate(layers):
                moved(done, len(layers))

    logs "measure · measuring, layers: 2/7, about 40 s left". As a context manager it gives the function to call with
    (done, total). A line names all blocks that are open, the outermost first. A thread writes it, also while one item
    takes long: the first line after `LOG_SECONDS`, the next ones a fifth of the time so far apart, but not less
    than `LOG_SECONDS` and not more than six times that.
    """

    blocks: ClassVar[list["ProgressLine"]] = []

    def __init__(self, description: str, unit: str = ""):
        self.name, self.items = description, f"{description}, {unit}" if unit else description
        self.clock: Clock | None = None
        self.state: tuple[int, float | None, str] = (0, None, "")
        self.start, self.ended = time.monotonic(), threading.Event()

    def __enter__(self) -> Callable[..., None]:
        self.blocks.append(self)
        if self.blocks[0] is self:
            threading.Thread(target=self._write, daemon=True).start()
        return self.update

    def __exit__(self, *exception: Any) -> None:
        if self in self.blocks:
            del self.blocks[self.blocks.index(self) :]
        self.ended.set()

    def update(self, done: int, total: int, note: str = "", ahead: float | None = None) -> None:
        """Notes that `done` of `total` items are done; a line ends with the note. `ahead` is that of a `Clock`."""
        self.clock = self.clock or Clock(total, total - done)
        self.state = (total - done, ahead, note)

    def __str__(self) -> str:
        if self.clock is None:
            return self.name
        missing, ahead, note = self.state
        return ", ".join(filter(None, (f"{self.items}: {self.clock(missing, ahead)}", note)))

    def _write(self) -> None:
        while not self.ended.wait(min(max(LOG_SECONDS, (time.monotonic() - self.start) / 5), 6 * LOG_SECONDS)):
            line = " · ".join(map(str, self.blocks))
            logging.info("%s" if " left" in line else f"%s, {duration(time.monotonic() - self.start)} so far", line)


Item = TypeVar("Item")


def through(items: Sequence[Item], description: str, unit: str, known: int = 0) -> Iterator[Item]:
    """The items one by one, inside a `ProgressLine` of them; the first `known` have their results and take no time."""
    with ProgressLine(description, unit) as moved:
        for place, item in enumerate(items):
            moved(max(place, known), len(items))
            yield item


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a text table: floats with four significant digits, numbers aligned right, empty cells for None."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    left = [any(isinstance(row.get(name), str) for row in rows) for name in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in cells
    )


def cell(value: Any) -> str:
    """A cell of such a table."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
