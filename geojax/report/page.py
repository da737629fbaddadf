"""Writes `report.html`: the verdict, its evidence, and every figure and table in one file.

The page loads nothing: figures and their numbers are embedded, and the content policy allows only the page's own style
and script, each by its hash. Without the script the page says the same; its tables cannot be sorted, its colours are
those of the system, and figures are saved from their context menu.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from geojax.analysis import score_table
from geojax.report import figures, forecasts, grids, layers, remarks, spaces, verdict
from geojax.report.figures import Figure
from geojax.report.grids import Grid
from geojax.report.verdict import Evidence
from geojax.report.words import number
from geojax.runtime import folders, records
from geojax.version import __version__

HERE = Path(__file__).parent
NAME = "report.html"


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, a remark, figures, tables."""

    name: str  # its anchor
    heading: str
    note: str = ""
    figures: Sequence[Figure] = ()
    grids: Sequence[Grid] = ()
    wide: bool = False  # figures that need the whole width

    @property
    def style(self) -> str:
        """The CSS class: "wide" for wide figures, "across" for a section of tables alone with one for the long side."""
        if self.wide:
            return "wide"
        return "across" if not self.figures and any(one.across for one in self.grids) else ""


def write(
    workdir: Path,
    *,
    title: str,
    table: score_table.ScoreTable,
    lines: Mapping[str, Sequence[Mapping[str, Any]]],
    facts: Mapping[str, Any],
    sources: Mapping[str, Any],
    commands: Sequence[str] = (),
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    warnings: Sequence[str] = (),
    label: str = "GLUE average",
    level: float = 0.9,
) -> Path:
    """Writes the report of a study or a regression and returns its path.

    Args:
      workdir: Folder of `report.html`; measurements of several layers in it or its subfolders are shown too.
      title: Heading of the page.
      table: One row a model; its task scores are shown beside the score.
      lines: Rows by the name of their file, as `write` and `write_predictions` of `experiments.regress` return them.
      facts: Settings of the run in order: a label, and a text, a number or a list of them.
      sources: Data and seeds for a repetition, in the form of `facts`; the versions are added.
      commands: Command lines that repeat the run.
      profiles: For some models, `{"spectrum": eigenvalues, "counts": {quantizer: points in each cell}}`.
      warnings: Sentences that the reader must see, beside the remarks on the tables.
      label: Name of the score.
      level: Nominal coverage of the intervals in `lines`.
    """
    evidence = Evidence(table, lines, label, level)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((HERE / name).read_text() for name in ("page.css", "page.js"))
    page = environment.get_template("page.html.jinja").render(
        title=title,
        verdict=verdict.verdict(evidence),
        asked=verdict.asked(evidence),
        findings=verdict.findings(evidence),
        warnings=[*warnings, *remarks.of(table, lines)],
        sections=sections(evidence, profiles or {}, layers.found(folders.path(workdir))),
        facts=texts(facts),
        sources=texts({**sources, "Versions": [f"{name} {version}" for name, version in records.versions().items()]}),
        commands=commands,
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        hashes={"style": fingerprint(style), "script": fingerprint(script)},
    )
    path = folders.path(workdir) / NAME
    records.write_atomic(path, page.encode())
    return path


def sections(
    evidence: Evidence, profiles: Mapping[str, Mapping[str, Any]], depths: Mapping[str, Mapping[str, layers.Profile]]
) -> list[Section]:
    """The sections of the page between the findings and the commands; empty sections are left out."""
    label = evidence.label
    chosen, drawn = spaces.profiles(evidence, profiles)
    found = [
        Section("questions", "Questions of the plan", "Those that count; findings.csv has every number.",
                (), grids.questions(evidence)),
        Section("validation", "Models left out of the fit", "What a measure is worth is how well it predicts models "
                "that its fit has not seen, beside predictors that know nothing of geometry.",
                forecasts.validation(evidence), grids.validation(evidence)),
        Section("choice", "Choosing a checkpoint", "", (), grids.choice(evidence)),
        Section("new", "New models", "", forecasts.new_models(evidence), grids.new_models(evidence)),
        Section("level", f"Patchiness, noise level and {label}", "Grey lines: least squares.",
                figures.patchiness_and_level(evidence)),
        Section("measured", f"Each measure against the {label}", "Grey lines: least squares. Where there are noise "
                "levels they are the colour: where one end of the line is dark and the other light, the noise may "
                "explain both measure and score.", figures.measures(evidence)),
        Section("fits", "The fits", "", (), grids.fits(evidence)),
        Section("doses", "What the dose explains", "The dose, such as the noise level, was set by whoever made the "
                "models. What it explains, no measure needs to.", (), grids.doses(evidence)),
        Section("spread", "Measures of spread along the noise ladder", "", figures.spread(evidence)),
        Section("matrix", "Correlations between the measures", "", figures.correlations(evidence), wide=True),
        Section("spaces", "Eigenvalues and cells", chosen, drawn),
        Section("layers", "Layer by layer", "", spaces.layers(depths)),
        Section("models", "All models", "", (), grids.models(evidence)),
    ]  # fmt: skip
    return [section for section in found if section.figures or section.grids]


def texts(facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """Facts as lists of texts; empty lists are left out."""
    lists = {name: value if isinstance(value, (list, tuple)) else [value] for name, value in facts.items()}
    return {name: [number(item) for item in values] for name, values in lists.items() if values}


def fingerprint(text: str) -> str:
    """The source expression, sha256, of a text in a content policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
