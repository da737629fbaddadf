"""Tables of scores and measures, one row a model: reading, names, and every check before a regression.

With `measures="all"` the measures are the columns named in the catalogue or among the 19 measures of the published
study; any other numeric column is a measure only where it is selected by name.
"""

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geojax.data.tables import MISSING, read_table
from geojax.errors import InputError

_STATISTICS = {
    "error": "reconstruction_error",
    "iqr": "reconstruction_iqr",
    "skew": "reconstruction_skew",
    "centroids": "centroid_spread",
    "count_var": "count_variance",
    "count_kl": "count_kl",
    "patchiness": "patchiness",
    "point_dist": "cell_eee",
}
PUBLISHED = {
    **{f"p-{column}": f"pq_{name}" for column, name in _STATISTICS.items()},
    **{f"a-{column}": f"lsq_{name}" for column, name in _STATISTICS.items()},
    "EEE": "eee",
    "VRM": "vrm",
    "IsoScore": "isoscore",
}
"""Column names of the published results (arXiv 2406.12159) and the catalogue's names for them."""

TEXT_COLUMNS = ("model", "base", "family", "recipe", "tasks", "dose_kind")
AVERAGES = ("glue_average", "glue_average_with_wnli", "miniature_average", "task_average", "task_average_with_wnli")
COVARIATES = ("alpha", "noise_seed", "seed", "dose", "collapsed", "undefined", *AVERAGES)
LABEL_FREE = ("parameters", "mlm_loss", "rankme", "alpha_req", "weight_distance")
LABEL_BASED = tuple("logme h_score transrate parc gbc n_leep knn_accuracy class_mean_accuracy ridge_probe".split())
"""Columns that stand beside the measures as baselines, without and with knowledge of a task's labels."""


@dataclass(frozen=True)
class ScoreTable:
    """A checked table: `frame` has the rows with a score and columns under the catalogue's names."""

    frame: "pandas.DataFrame"
    measures: tuple[str, ...]  # in the order of the table
    target: str
    without_score: tuple[str, ...]  # models left out because their score is missing
    passed_over: tuple[str, ...]  # numeric columns that are neither known measures nor selected
    baselines: tuple[str, ...] = ()  # columns to compare the measures with
    undefined: tuple[str, ...] = ()  # models left out because their average lacks a task whose score is undefined

    @property
    def families(self) -> tuple[str, ...]:
        """The families of the models, alphabetically; empty without such a column."""
        return tuple(sorted(set(self.frame["family"]))) if "family" in self.frame else ()

    @property
    def scores(self) -> np.ndarray:
        """The target of every row, float64 [n]; NaN only in a table that was read with `scored=False`."""
        return self.frame[self.target].to_numpy(float)

    def dropped(self, n: int) -> int:
        """Number of rows of the table as it was read less n."""
        return len(self.frame) + len(self.without_score) - n


def known_measures() -> tuple[str, ...]:
    """Names of the measures of `measures="all"`: the catalogue's of one space, then the published study's."""
    from geojax.measures import CATALOGUE

    of_one = (measure.name for measure in CATALOGUE if measure.reads != "pair")
    return tuple(dict.fromkeys([*of_one, *PUBLISHED.values()]))


def catalogue_name(column: str) -> str:
    """A column's name in the catalogue; names outside `PUBLISHED` stay as they are."""
    return PUBLISHED.get(column.strip(), column.strip())


def read(path: str | Path, **options: Any) -> ScoreTable:
    """Reads a table with a header line; options and errors as in `load` and `from_frame`."""
    return from_frame(load(path), **options)


def load(path: str | Path) -> "pandas.DataFrame":
    """The cells of a table as texts, in columns named by the header line, read by `read_table`.

    Raises:
      InputError: no such file, or no table.
    """
    import pandas

    path = Path(path)
    if not path.is_file():
        raise InputError(f"no table at {path}: give a CSV file with model, score and measure columns")
    header, rows = read_table(path, TEXT_COLUMNS)
    return pandas.DataFrame(rows, columns=header)


def from_frame(
    frame: "pandas.DataFrame",
    *,
    target: str = "glue_average",
    measures: str | Sequence[str] = "all",
    baselines: Sequence[str] = (),
    numeric: Sequence[str] = (),
    scored: bool = True,
) -> ScoreTable:
    """Checks a table, maps published names to the catalogue's, and drops the rows without a score.

    Args:
      frame: One row a model. Columns `model` (unique), the target, measures; `family`, `recipe`, `alpha`, `dose`,
        `dose_kind`, `tasks`, `undefined` (tasks that an average lacks; if any, it counts as missing) are optional.
        Empty cells, NaN and NA are missing values.
      target: Column with the score to predict.
      measures: "all" the measures of the table (see the module), or the names of some columns.
      baselines: Columns to compare the measures with, beside the columns of `LABEL_FREE` and `LABEL_BASED` in the
        table.
      numeric: Further columns that must be there and hold numbers.
      scored: Whether the target is needed; if not, rows without a target stay and the column may be absent.

    Raises:
      InputError: no rows, an absent or duplicate column, no measure, a duplicate model, text or an infinite value
        where a number belongs, a row without model, family or recipe, no score where one is needed, averages over
        different tasks. Rows count from 1 below the header.
    """
    frame = frame.rename(columns=lambda column: catalogue_name(str(column))).reset_index(drop=True)
    target = catalogue_name(target)
    if not scored and target not in frame:
        frame[target] = math.nan
    _check_header(list(frame.columns), target)
    if frame.empty:
        raise InputError("the table has a header but no rows: add one row a model")
    models = _texts(frame, "model")
    first_seen: dict[str, int] = {}
    for index, model in enumerate(models, start=1):
        if first_seen.setdefault(model, index) != index:
            raise InputError(
                f"model {model!r} is in row {first_seen[model]} and again in row {index}: give each row its own name"
            )
    for column in {"family", "recipe"} & set(frame):
        frame[column] = _texts(frame, column)
    frame["model"] = models
    task_set(frame, target)
    lacking = _lacking(frame, target)

    chosen, others = _choose(frame, target, measures)
    extra = tuple(catalogue_name(name) for name in baselines)
    for name in (*extra, *numeric):
        if name not in frame:
            raise InputError(f"the table has no column {name!r}: {near(name, frame.columns)}")
    known = (name for name in (*LABEL_FREE, *LABEL_BASED) if name in frame)
    beside = tuple(name for name in dict.fromkeys([*known, *extra]) if name not in chosen)
    for column in dict.fromkeys([target, *chosen, *beside, *numeric, *({"alpha", "dose"} & set(frame))]):
        frame[column] = _numbers(column, frame[column], models)
    frame.loc[lacking, target] = math.nan
    has_score = frame[target].notna()
    if scored and lacking.all():
        raise InputError(f"{target} of every model lacks a task whose score is undefined: there is nothing to predict")
    if scored and not has_score.any():
        raise InputError(f"column {target!r} has no value in any of {len(frame)} rows: there is nothing to predict")
    return ScoreTable(
        frame=frame[has_score].reset_index(drop=True) if scored else frame,
        measures=chosen,
        target=target,
        without_score=tuple(frame["model"][~has_score]) if scored else (),
        undefined=tuple(frame["model"][lacking]) if scored else (),
        passed_over=tuple(name for name in others if name not in (*beside, *numeric)),
        baselines=beside,
    )


def task_set(frame: "pandas.DataFrame", target: str) -> frozenset[str] | None:
    """The tasks of a table's average score; None where the table names no tasks or the target is not an average.

    Averages that lack a task with an undefined score do not count.

    Raises:
      InputError: rows with different tasks.
    """
    frame = frame[~_lacking(frame, target)].reset_index(drop=True)
    if "tasks" not in frame or "average" not in target or frame.empty:
        return None
    texts = ["" if text is None or text != text else str(text) for text in frame["tasks"]]
    sets = [frozenset(re.split(r"[+,;\s]+", text.strip().lower())) for text in texts]
    for index, one in enumerate(sets):
        if one != sets[0]:
            first, other = texts[0] or "none named", texts[index] or "none named"
            raise InputError(
                f"{target} of model {frame['model'][0]!r} is over the tasks {first}, that of {frame['model'][index]!r} "
                f"over {other}: averages over different tasks do not compare; keep the rows of one set"
            )
    return sets[0]


def _lacking(frame: "pandas.DataFrame", target: str) -> np.ndarray:
    """A mask of the rows whose average lacks a task with an undefined score."""
    counts = frame["undefined"] if "undefined" in frame and "average" in target else [0] * len(frame)
    return np.nan_to_num(_numbers("undefined", counts, list(frame["model"]))) > 0


def near(name: str, names: Iterable[str]) -> str:
    """A hint with the similar names, or with all names where none is similar."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else f"choose among {', '.join(map(repr, names))}"


def _check_header(columns: list[str], target: str) -> None:
    if not columns:
        raise InputError(f"the table is empty: it needs a header line with model, {target} and measure columns")
    twice = [column for index, column in enumerate(columns) if column in columns[:index]]
    if twice:
        raise InputError(f"column {twice[0]!r} is there twice (published names count as the catalogue's): keep one")
    for needed in ("model", target):
        if needed not in columns:
            raise InputError(f"the table has no column {needed!r}: {near(needed, columns)}")


def _is_measure(column: str, target: str) -> bool:
    """Whether a column may be a measure: it is no text, covariate, task score or target."""
    from geojax.data.task_names import is_score

    others = (*TEXT_COLUMNS, *COVARIATES, target)
    return column not in others and not is_score(column)


def _choose(frame: "pandas.DataFrame", target: str, measures: str | Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The measure columns, and the numeric columns that were passed over."""
    able = [column for column in frame.columns if _is_measure(column, target)]
    if measures != "all":
        wanted = dict.fromkeys(catalogue_name(name) for name in ([measures] if isinstance(measures, str) else measures))
        if not wanted:
            raise InputError("no measure is selected: name some columns of the table, or write all")
        for name in wanted:
            if name not in frame.columns:
                raise InputError(f"the table has no measure {name!r}: {near(name, able)}")
            if name not in able:
                raise InputError(f"column {name!r} is a covariate, a label or a score, never a measure: leave it out")
        return tuple(column for column in able if column in wanted), ()
    known = known_measures()
    chosen = tuple(column for column in able if column in known and column not in (*LABEL_FREE, *LABEL_BASED))
    others = tuple(column for column in able if column not in chosen and _is_numeric(frame[column]))
    if not chosen:
        found = f"select among its numeric columns {', '.join(others)}" if others else "add a column of numbers"
        raise InputError(f"the table has no column named as a measure of the catalogue: {found}")
    return chosen, others


def _number(cell: object) -> float:
    """A cell as a number, NaN for a missing value; raises ValueError for text."""
    text = str(cell).strip()
    if text.lower() in MISSING:
        return math.nan
    if "_" in text:  # Python reads 1_000 as a number, no table means that
        raise ValueError(text)
    return float(text)


def _is_numeric(cells: Iterable[object]) -> bool:
    try:
        return any(not math.isnan(_number(cell)) for cell in cells)
    except ValueError:
        return False


def _numbers(column: str, cells: Iterable[object], models: Sequence[str]) -> list[float]:
    values = []
    for index, (cell, model) in enumerate(zip(cells, models, strict=True), start=1):
        row = f"row {index} (model {model!r})"
        try:
            value = _number(cell)
        except ValueError as error:
            raise InputError(f"{row} has {str(cell)!r} in column {column!r}, where a number belongs") from error
        if math.isinf(value):
            raise InputError(f"{row} has an infinite value in column {column!r}: correct it, or leave the cell empty")
        values.append(value)
    return values


def _texts(frame: "pandas.DataFrame", column: str) -> list[str]:
    texts = ["" if cell is None or cell != cell else str(cell).strip() for cell in frame[column]]
    if "" in texts:
        raise InputError(f"row {texts.index('') + 1} has no {column}: every row needs one")
    return texts
