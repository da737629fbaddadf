"""How alike the layers of models are: a matrix of every layer beside every other one, as a table and a figure."""

import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

from configs import schema
from experiments.common.spaces import Space, kept_layers
from geojax.api import comparison
from geojax.errors import InputError
from geojax.measures import Measure
from geojax.representations import Cloud
from geojax.runtime import records
from geojax.runtime.progress import through
from geojax.runtime.run_once import PARTS, kept

TABLE, FIGURE = "similarity.csv", "similarity.svg"


def make(
    config: schema.Compare,
    models: Sequence[str],
    measures: Sequence[Measure],
    texts: Sequence[str],
    workdir: PurePath,
    leave_out: Callable[[str, InputError], None],
) -> None:
    """Samples the layers and measures the pairs of them that are missing, and writes the table and the figure.

    Raises:
      InputError: models whose points do not stand beside each other, or a single layer.
    """
    parts, spaces, table = workdir / PARTS, [], []
    for place, name in enumerate(models):
        try:
            layers = kept_layers(parts, place, name, texts, config)
        except InputError as error:
            leave_out(name, error)
            continue
        if spaces:
            ends = ((space.model, Cloud.load(space.path)) for space in (spaces[0], layers[0]))
            comparison.check_beside(*itertools.chain(*ends))
        spaces += layers
    if len(models) == len(spaces) == 1:
        raise InputError("one layer of one model stands beside no other: name more --config.models or --config.layers")
    if len(spaces) < 2:
        return  # the models that were left out are named at the end
    for a, b in through(list(itertools.combinations(spaces, 2)), "measuring", "pairs"):
        path = parts / f"{a.stem}_beside_{b.stem}.json"
        record = kept(path, partial(_beside, a, b, measures, config), ("a_b", "b_a"))
        table += comparison.similarity_rows((a.model, a.layer), (b.model, b.layer), record)
    records.write_table(workdir / TABLE, table, comparison.SIMILARITIES)
    from geojax import plots  # imports matplotlib, which nothing else here needs

    records.write_atomic(workdir / FIGURE, plots.similarity(*comparison.matrices(table)))


def _beside(a: Space, b: Space, measures: Sequence[Measure], config: schema.Compare) -> dict[str, Any]:
    """The results of a pair of spaces, and of measures that are not symmetric those of the other order."""
    options = {"seed": config.seed, "convention": config.convention, "groups": config.groups}
    found = comparison.beside(Cloud.load(a.path), Cloud.load(b.path), measures, **options)
    logging.info("%s layer %d and %s layer %d measured", a.model, a.layer, b.model, b.layer)
    return found
