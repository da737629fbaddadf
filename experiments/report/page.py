"""Writes `report.html`: the verdict, what was run, the tables, the figures and the warnings, in one file.

The page needs no script and no network: figures are embedded, and a content policy forbids loading anything.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jinja2
import numpy as np
import pandas as pd

import geojax
from experiments import regress
from geojax import plots, records, regression, tables
from geojax.glue import TASKS

FEW_MODELS = 20
MOST_PROFILES = 8
SPREAD = ("eee", "vrm", "isoscore")
REGRESSION_COLUMNS = tuple(
    "measure terms spearman pearson r2 adjusted_r2 p_value slope std_error intercept n n_dropped reason".split()
)
HEADINGS = {
    "alpha": "α (%)", "noise_seed": "noise seed", "collapsed": "collapsed runs", "spearman": "Spearman",
    "pearson": "Pearson", "r2": "R²", "adjusted_r2": "adjusted R²", "p_value": "p", "std_error": "standard error",
    "n_dropped": "left out",
}  # fmt: skip
DIGITS = {
    "spearman": ".4f", "pearson": ".4f", "r2": ".4f", "adjusted_r2": ".4f",
    "slope": ".5g", "std_error": ".5g", "intercept": ".5g", "p_value": ".2g",
}  # fmt: skip
REGRESSION_NOTE = (
    "Least squares of the score on one measure, closest by rank first; with a family term the intercept is that of the "
    "first family. p is two-sided for the slope and takes the models as independent, which the models of one noise "
    "ladder are not; nor does it allow for looking at several measures."
)


def write(
    workdir: Path,
    *,
    title: str,
    table: pd.DataFrame,
    regressions: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    commands: Sequence[str] = (),
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    warnings: Sequence[str] = (),
    target: str = "glue_average",
    target_label: str = "GLUE average",
) -> Path:
    """Writes the report of a study and returns its path.

    Args:
      workdir: Folder of `report.html`.
      title: Heading of the page.
      table: One row a model, as `geojax.tables.from_frame` takes it; task scores in it are shown beside the score.
      regressions: Rows of `experiments.regress.regressions`.
      facts: What was run, in order: a label and a text, a number, or a list of them.
      commands: Command lines that repeat the run.
      profiles: For some models, `{"spectrum": eigenvalues, "counts": {quantizer: points in each cell}}`.
      warnings: Sentences that the reader must see, beside those found in the tables.
      target: Column of the score.
      target_label: What the score is called.
    """
    scores = tables.from_frame(table, target=target, measures=list(_plain(regressions)))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja").render(
        title=title,
        verdict=verdict(scores, regressions, target_label),
        facts={label: _texts(value) for label, value in facts.items()},
        commands=commands,
        warnings=[*warnings, *found_warnings(scores, regressions)],
        tables=_tables(scores, regressions, target_label),
        sections=[*_score_figures(scores, regressions, target_label), _profile_figures(scores, profiles or {})],
        version=geojax.__version__,
    )
    path = Path(workdir) / "report.html"
    records.write_atomic(path, page.encode())
    return path


def verdict(table: tables.ScoreTable, rows: Iterable[Mapping[str, Any]], label: str) -> str:
    """The outcome in one sentence: the measure closest to the score by rank, beside the noise level's own closeness."""
    plain = _plain(rows).values()
    ranked = [row for row in plain if np.isfinite(row["spearman"])]
    models = _count(len(table.frame), "model")
    if table.families:
        models += f" of {_count(len(table.families), 'family')}"
    if not ranked:
        reasons = ", ".join(sorted({row["reason"] for row in plain}))
        return f"No measure can be compared with the {label} on {models}: {reasons}."
    best = max(ranked, key=lambda row: abs(row["spearman"]))
    sentence = (
        f"Among {_count(len(plain), 'measure')} on {models}, {best['measure']} follows the {label} most closely by "
        f"rank (Spearman {_cell(best['spearman'], '.3f')}, n = {best['n']})"
    )
    level = level_correlation(table)
    if np.isnan(level):
        return f"{sentence}: a correlation within the models that were fitted, not a prediction for new ones."
    comparison = "more closely still" if abs(level) > abs(best["spearman"]) else "no more closely"
    return (
        f"{sentence}; the noise level α alone, which was set and not measured, follows it {comparison} "
        f"(Spearman {_cell(level, '.3f')}): correlations within a noise ladder, no predictions for new models."
    )


def level_correlation(table: tables.ScoreTable) -> float:
    """Spearman's correlation of the noise level with the score; NaN without three models at two levels."""
    if "alpha" not in table.frame:
        return float("nan")
    level, score = (table.frame[column].to_numpy(float) for column in ("alpha", table.target))
    with jax.enable_x64(True):
        return float(regression.spearman(*map(jax.numpy.asarray, (level, score, np.isfinite(level)))))


def found_warnings(table: tables.ScoreTable, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the tables themselves say against the numbers: rows left out, collapsed runs, few models."""
    found = [*regress.left_out(table), *regress.undetermined(rows)]
    if "collapsed" in table.frame:
        collapsed = table.frame["model"][pd.to_numeric(table.frame["collapsed"], errors="coerce") > 0]
        if len(collapsed):
            models = regress.some("model", tuple(collapsed))
            found.append(f"{models} with runs that collapsed to one prediction; their scores are in the average")
    if len(table.frame) < FEW_MODELS:
        found.append(f"only {_count(len(table.frame), 'model')}: large correlations arise by chance among so few")
    return found


def _plain(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The regressions without a family term, by measure."""
    return {row["measure"]: row for row in rows if row["terms"] == regress.MEASURE}


def _tables(table: tables.ScoreTable, rows: Iterable[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
    """The three tables of the page: scores, regressions with the closest by rank first, measures."""
    models = table.frame.to_dict("records")
    tasks = [name for name in table.frame if name != table.target and (name in TASKS or name.startswith("mini_"))]
    about = [name for name in ("base", "family", "alpha", "noise_seed", "collapsed") if name in table.frame]
    # The sort is stable: rows of one measure have equal correlations and stay together.
    ranked = sorted(rows, key=lambda row: -np.nan_to_num(abs(row["spearman"]), nan=-1.0))
    digits = dict.fromkeys((table.target, *tasks), ".4f") | dict.fromkeys(table.measures, ".5g") | DIGITS
    headings = HEADINGS | {table.target: label}

    def lay_out(caption: str, note: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "caption": caption,
            "note": note,
            "headings": [headings.get(column, column) for column in columns],
            "texts": [any(isinstance(row[column], str) and row[column] for row in rows) for column in columns],
            "rows": [[_cell(row[column], digits.get(column, "g")) for column in columns] for row in rows],
        }

    return [
        lay_out("Scores", f"The {label} of each model.", ["model", *about, table.target, *tasks], models),
        lay_out("Regressions", REGRESSION_NOTE, REGRESSION_COLUMNS, ranked),
        lay_out("Measures", "Every measure of each model.", ["model", *table.measures], models),
    ]


def _score_figures(table: tables.ScoreTable, rows: Iterable[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
    """Sections of figures that come from the table of models."""
    plain = _plain(rows)
    has_levels = "alpha" in table.frame and table.frame["alpha"].notna().any()

    def panel(measure: str) -> dict[str, str]:
        row = plain[measure]
        image = plots.measure_against_score(table, measure, label, line=(row["slope"], row["intercept"]))
        spearman, r2 = _cell(row["spearman"], ".3f"), _cell(row["r2"], ".3f")
        caption = f"{measure}: Spearman {spearman}, R² {r2}, n = {row['n']}"
        return _figure(image, f"Scatter plot of {measure} against the {label}.", caption)

    patchiness = [name for name in ("lsq_patchiness", "pq_patchiness") if name in plain][:1]
    first = [panel(name) for name in patchiness]
    spread = []
    if has_levels:
        caption = f"noise level: Spearman {_cell(level_correlation(table), '.3f')}"
        first.append(_figure(plots.level_against_score(table, label), f"Noise level against the {label}.", caption))
        for name in SPREAD:
            if name in plain:
                image, caption = plots.median_by_level(table, name), f"median {name} at each noise level"
                spread.append(_figure(image, f"Lines of the {caption}, one a family.", caption))
    others = [panel(measure) for measure in plain if measure not in patchiness]
    matrix = []
    if len(plain) > 1:
        caption = "Spearman's correlation of every pair of measures"
        matrix = [_figure(plots.correlation_matrix(table), "Matrix of the measures' correlations.", caption)]
    return [
        _section(f"Patchiness, noise level and {label}", "Grey line: least squares.", first),
        _section(f"Each measure against the {label}", "Colour: noise level. Grey line: least squares.", others),
        _section("Measures of spread along the noise ladder", "Medians over the draws of the noise.", spread),
        _section("Predicted and actual", "Fitted values, not held-out models.", _fits(table, plain, label)),
        _section("Correlations between the measures", "", matrix, wide=True),
    ]


def _fits(table: tables.ScoreTable, plain: Mapping[str, Mapping[str, Any]], label: str) -> list[dict[str, str]]:
    """Predicted against actual for the measure with the largest R², with each set of terms."""
    known = [measure for measure in plain if np.isfinite(plain[measure]["r2"])]
    figures = []
    for terms in regress.terms_of(table) if known else ():
        best = max(known, key=lambda measure: plain[measure]["r2"])
        fit = regress.fit(table, terms)
        fitted, r2 = (leaf[table.measures.index(best)] for leaf in (fit.fitted, fit.r2))
        if np.isfinite(r2):
            image = plots.predicted_against_actual(table, fitted, label)
            model = terms.replace(regress.MEASURE, best).replace("+", " + ")
            figures.append(_figure(image, f"{label} predicted by {model} against actual.", f"{model}: R² {r2:.3f}"))
    return figures


def _profile_figures(table: tables.ScoreTable, profiles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Eigenvalues and cell counts of up to `MOST_PROFILES` models, evenly spaced along the noise levels."""
    order = table.frame.sort_values("alpha", kind="stable") if "alpha" in table.frame else table.frame
    models = [model for model in order["model"] if model in profiles]
    spaced = np.unique(np.linspace(0, max(len(models) - 1, 0), MOST_PROFILES).round().astype(int))
    shown = [models[index] for index in spaced[: len(models)]]
    note = f"{len(shown)} of {len(models)} models, evenly spaced by noise level." if len(shown) < len(models) else ""
    spectra = {model: profiles[model]["spectrum"] for model in shown if "spectrum" in profiles[model]}
    figures = []
    if spectra:
        caption = "cumulative eigenvalues; grey: all equal"
        figures.append(_figure(plots.cumulative_eigenvalues(spectra), "Cumulative share of the variance.", caption))
    counts = {model: profiles[model].get("counts", {}) for model in shown}
    for quantizer in dict.fromkeys(name for cells in counts.values() for name in cells):
        having = {model: cells[quantizer] for model, cells in counts.items() if quantizer in cells}
        caption = f"points in each {quantizer.upper()} cell"
        figures.append(
            _figure(plots.cell_counts(having, quantizer), f"Histograms of {quantizer} cell counts.", caption)
        )
    return _section("Eigenvalues and cells", note, figures)


def _section(heading: str, note: str, figures: Sequence[Mapping[str, str]], wide: bool = False) -> dict[str, Any]:
    return {"heading": heading, "note": note, "figures": figures, "wide": wide}


def _figure(image: bytes, alt: str, caption: str) -> dict[str, str]:
    return {"source": f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}", "alt": alt, "caption": caption}


def _texts(value: Any) -> list[str]:
    return [_cell(item, "g") for item in (value if isinstance(value, (list, tuple)) else [value])]


def _cell(value: Any, digits: str) -> str:
    """A value as it is printed: numbers with `digits`, a dash for what is missing."""
    if value is None or value != value:
        return "–"
    return f"{value:{digits}}".replace("-", "−") if isinstance(value, (int, float)) else str(value)


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
