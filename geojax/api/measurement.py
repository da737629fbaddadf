"""The geometry of the layers of one model, or of one cloud, as an object: a table, a figure, text and HTML."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from geojax.api import layout, remarks, values
from geojax.evaluation.results import Result
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.runtime import records
from geojax.runtime.progress import through


@dataclass(frozen=True)
class Layer:
    """The measures of one layer.

    Attributes:
      layer: index of the hidden state, 0 the embeddings; None for points that are no layer's.
      width: d, the number of coordinates.
      provenance: the origin of the points, as in `Cloud`.
      results: one for each measure.
      seconds: that the measurement took.
    """

    layer: int | None
    width: int
    provenance: Mapping[str, Any]
    results: tuple[Result, ...]
    seconds: float

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Layer":
        """The layer that `dataclasses.asdict` made a record of."""
        return cls(**{**record, "results": values.results_of(record)})


@dataclass(frozen=True)
class Measurement:
    """What `geojax.measure` gives back. Printed, it is a table with the warnings below it; a notebook shows the same.

    Attributes:
      name: of the model, the file or the array.
      layers: the measures of every layer, in the order asked for.
    """

    name: str
    layers: tuple[Layer, ...]

    @property
    def table(self) -> "pandas.DataFrame":
        """A row a layer and measure, with the columns of `measures.csv`."""
        import pandas  # takes a second to import

        frame = pandas.DataFrame(self._rows(), columns=list(values.COLUMNS))
        floats = ("value", "std_error", "se_sampling", "se_quantizer", "bias", "quantizer_std")
        return frame.astype({name: "float64" for name in floats} | {"layer": "Int64"})

    @property
    def warnings(self) -> list[str]:
        """What weakens the numbers: every sentence once, with the measures and layers that it concerns."""
        return remarks.sentences({layer.layer: layer.results for layer in self.layers})

    def to_csv(self, path: str | PurePath) -> None:
        """Writes the table as CSV, atomically: the `measures.csv` of `configs/measure.py`."""
        records.write_table(path, self._rows(), values.COLUMNS)

    def plot(self) -> "matplotlib.figure.Figure":
        """A figure: every measure against depth, a panel each; of one layer a line a measure; with 90 % intervals."""
        from geojax import plots  # imports matplotlib

        if len(self.layers) == 1:
            ends = [(result, result.interval() or (math.nan, math.nan)) for result in self.layers[0].results]
            rows = [
                {"name": plots.measure_name(result.measure), "kind": "", "value": result.value}
                | {"lower": low, "upper": high}
                for result, (low, high) in ends
            ]
            return plots.intervals_figure(rows, "value")
        panels: dict[str, dict[str, list[tuple]]] = {}
        for layer in self.layers:
            for result in layer.results:
                ends = result.interval() or (math.nan, math.nan)
                lines = panels.setdefault(plots.measure_name(result.measure), {"": []})
                lines[""].append((layer.layer, result.value, *ends))
        return plots.curves_figure(panels, "layer (0: embeddings)")

    def __str__(self) -> str:
        return layout.text(self._title(), self._cells(), self.warnings)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return layout.as_html(self._title(), self._cells(), self.warnings)

    def _rows(self) -> list[dict[str, Any]]:
        return [row for layer in self.layers for row in values.rows(layer.results, layer.layer)]

    def _title(self) -> str:
        first, only = self.layers[0], self.layers[0].layer if len(self.layers) == 1 else None
        result = max(first.results, key=lambda one: one.n)  # the others may be of a sample
        of = f" of {result.n_sequences} sequences" if result.n_sequences < result.n else ""
        where = "" if only is None else f", layer {only}"
        return f"{self.name}{where}: {result.n} points{of}, width {first.width}"

    def _cells(self) -> list[dict[str, Any]]:
        """Layers as rows and measures as columns; of one layer the measures as rows."""
        amounts = [[(result.value, result.std_error) for result in layer.results] for layer in self.layers]
        names = [result.measure for result in self.layers[0].results]
        head = "value ± error" if any(error is not None for row in amounts for _, error in row) else "value"
        if len(self.layers) == 1:
            cells = zip(names, layout.column(amounts[0]), strict=True)
            return [{"measure": name, head: cell} for name, cell in cells]
        columns = [layout.column(column) for column in zip(*amounts, strict=True)]
        return [
            {"layer": layer.layer} | {name: column[place] for name, column in zip(names, columns, strict=True)}
            for place, layer in enumerate(self.layers)
        ]


def measured(
    spaces: Sequence[Any],
    measures: tuple[Measure, ...],
    name: str,
    *,
    labels: Any = None,
    keep: Callable[[int, Callable[[], Layer]], Layer] = lambda place, make: make(),
    **options: Any,
) -> Measurement:
    """Measures spaces one after another.

    Args:
      spaces: each a `Cloud`, an array of NumPy or JAX, or a `Stream`.
      measures: rows of the catalogue.
      name: of what is measured.
      labels: of the points, for measures that read them.
      keep: given the place of a space and the function that measures it, it returns the layer: by calling that
        function, or from what an earlier run has kept.
      options: `seed` and the options of `evaluate`.

    Raises:
      InputError: as `evaluate`; the message begins with the name and the layer.
    """

    def layer_of(space: Any) -> Layer:
        start = time.perf_counter()
        cloud = getattr(space, "sample", space)  # the points that a `Stream` has kept
        whole = isinstance(cloud, Cloud)
        layer = cloud.layer if whole and cloud.layer >= 0 else None
        where = name if layer is None else f"{name}, layer {layer}"
        results = values.evaluated(space, measures, where, labels=labels, **options).results
        width = (cloud.points if whole else cloud).shape[1]
        return Layer(layer, width, cloud.provenance if whole else {}, results, time.perf_counter() - start)

    spaces = through(list(enumerate(spaces)), "measuring", "layers")
    layers = tuple(keep(place, partial(layer_of, space)) for place, space in spaces)
    return Measurement(name, layers)
