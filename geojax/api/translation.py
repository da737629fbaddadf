"""A bridge between two spaces as an object: what it keeps of held-out rows in words and tables, and vectors moved."""

import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Float

from geojax import alignment
from geojax.alignment import files
from geojax.alignment.checks import as_rows
from geojax.api import bridges, forecasts, layout
from geojax.api.bridges import Space
from geojax.api.trial import Trial
from geojax.runtime import folders, records

LENGTHS = 1.5  # ratio of mean lengths from which vectors are of another kind than those that a bridge was fitted on


@dataclass(frozen=True)
class Translation:
    """What `geojax.translate` gives back. Printed, it is a sentence and a table, with the warnings below them.

    Called with vectors of the source, Float[n, d_X] or the path of a `.npy` file of them, it gives them in the target.

    Attributes:
      bridge: the map, fitted on all rows that are not held out.
      about: the facts in the bridge's file: the names of the spaces, the method, what is kept of held-out rows.
      pair: the record of the spaces: their similarity, and a row a method and number of anchors.
      warnings: what weakens the numbers, each sentence once.
      vectors: Float[n, d_Y], the vectors that were given, in the target; None where none were.
    """

    bridge: alignment.Bridge
    about: Mapping[str, Any]
    pair: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    vectors: Float[np.ndarray, "n e"] | None = None

    @property
    def table(self) -> "pandas.DataFrame":
        """A row a method and number of anchors, with the columns of `translate.csv`; see docs/alignment.md."""
        import pandas  # takes a second to import

        return pandas.DataFrame(forecasts.table(self.pair))

    @property
    def forecast(self) -> str:
        """What the bridge keeps of held-out rows, in words; in a second line the method that retrieves more, if any."""
        rows = [row for row in self.pair["rows"] if row["anchors"] == self.about["texts"]]
        best = max(rows, key=lambda row: row["retrieval_1"])
        said = [forecasts.sentence(self.about)]
        if best["retrieval_1"] > self.about["kept"]["retrieval_1"]:
            name = best["method"]
            said.append(f"{name} has retrieval@1 {best['retrieval_1']:.3f}: choose it by method={name}")
        return "\n".join(said)

    def __call__(self, vectors: Any) -> Float[np.ndarray, "n e"]:
        """Vectors of the source in the target, float32.

        Raises:
          InputError: no whole `.npy` file, another width, no floats, or numbers that are not finite.

        Warns:
          AlignmentWarning: the vectors are much longer or shorter than those that the bridge was fitted on.
        """
        vectors = given(vectors)
        length = files.mean_length(vectors, self.bridge.matrix.shape[0])
        for remark in length_remarks("the vectors", length, self.about):
            warnings.warn(remark, alignment.AlignmentWarning, stacklevel=2)
        return files.moved(self.bridge, vectors)

    def to_csv(self, path: str | PurePath) -> None:
        """Writes the table as CSV, atomically: the `translate.csv` of `configs/translate.py`."""
        records.write_table(path, forecasts.table(self.pair))

    def save(self, path: str | PurePath) -> None:
        """Writes the bridge and its facts, atomically: the `bridge.safetensors` of `configs/translate.py`."""
        alignment.save_bridge(path, self.bridge, self.about)

    def plot(self) -> "matplotlib.figure.Figure":
        """A figure: retrieval@1, @10 and the cosine against the number of anchors, a line a method, with intervals."""
        from geojax import plots  # imports matplotlib

        return plots.curves_figure(forecasts.lines(forecasts.table(self.pair)), "anchors")

    def __str__(self) -> str:
        lines = [textwrap.fill(line, layout.WIDTH, break_on_hyphens=False) for line in self.forecast.split("\n")]
        return layout.text("\n".join(lines), self._cells(), self.warnings, heads=2)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return layout.as_html(self.forecast.replace("\n", "; "), self._cells(), self.warnings)

    def _cells(self) -> list[dict[str, Any]]:
        return [
            {"method": row["method"], "anchors": row["anchors"]}
            | {name.replace("_", "@"): forecasts.bounded(row, name, "–") for name in forecasts.BOUNDED}
            | {"R2": f"{row['r2']:.3f}"}
            for row in self.pair["rows"]
        ]


def bridged(
    source: Space, target: Space, pair: Mapping[str, Any], method: str, trial: Trial, about: Mapping[str, Any]
) -> Translation:
    """The bridge of a method from all rows that are not held out, with what a record says that it keeps.

    Args:
      source, target: from and to.
      pair: the record of `geojax.api.forecasts.of_pair`, with the method on all rows.
      method: of the bridge.
      trial: the settings of the record.
      about: more facts for the bridge's file.

    Raises:
      InputError: as `geojax.alignment.fit_bridge`.
    """
    row = next(row for row in pair["rows"] if (row["method"], row["anchors"]) == (method, len(source.train)))
    bridge, remarks = bridges.fit_all(method, source, target, trial.seed)
    facts = {"source": source.name, "target": target.name, "method": method, "level": trial.level}
    facts |= {"texts": len(source.train), "held_out": len(source.held_out)}
    facts["length"] = float(np.linalg.norm(source.train, axis=1).mean())
    facts["kept"] = {name: value for name, value in row.items() if name.startswith((*forecasts.BOUNDED, "r2"))}
    told = dict.fromkeys([*(row["warnings"] for row in pair["rows"] if row["warnings"]), *remarks])
    return Translation(bridge, facts | about, pair, tuple(told))


def length_remarks(what: str, length: float, about: Mapping[str, Any]) -> list[str]:
    """A sentence where vectors are much longer or shorter than those that a bridge was fitted on, by their means."""
    of_model = about.get("length", 0.0)
    if not of_model or of_model / LENGTHS < length < of_model * LENGTHS:
        return []
    unit = " (if these have length 1, fit the bridge with normalise=true)" if abs(length - 1) < 1e-2 else ""
    return [
        f"{what}: vectors of mean length {length:.3g}, those of the bridge's texts have {of_model:.3g}: they may be of "
        f"another kind{unit}"
    ]


def given(vectors: Any) -> PurePath | Float[np.ndarray, "n d"]:
    """Vectors of any library on the host, or the local path of their file."""
    if isinstance(vectors, (str, PurePath)):
        return folders.local(vectors)
    return np.asarray(as_rows(vectors, "the vectors"))
