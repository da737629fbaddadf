"""The files of a ranking, and what the log says of it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from configs.schema import Rank
from experiments.rank import evidence
from geojax.api import ranking
from geojax.api.ranking import By
from geojax.runtime import records
from geojax.sweeps.engine import Unit

log = logging.getLogger(__name__)


def write(
    config: Rank,
    by: By,
    units: Sequence[Unit],
    known: evidence.Evidence | None,
    workdir: Path,
    failures: Sequence[str],
) -> None:
    """Writes `rank.csv`, `rank.svg` and `evidence.csv`, and logs what they say.

    Raises:
      InputError: no checkpoint has a value.
    """
    from geojax.plots import style  # imports matplotlib

    done = {unit.name: result for unit in units if (result := unit.result()) is not None}
    found = ranking.ranked(by, done, config.level, failures)
    found.to_csv(workdir / "rank.csv")
    records.write_atomic(workdir / "rank.svg", style.render(found.plot(), "svg"))
    log.info("%s", found)
    log.info("%s", found.cost)
    if known:
        count = sum("rank" in row for row in found.rows)
        rows = list(evidence.rows(known, count, by.name, config))
        records.write_table(workdir / "evidence.csv", rows, evidence.COLUMNS)
        log.info("%s", evidence.sentence(rows))
