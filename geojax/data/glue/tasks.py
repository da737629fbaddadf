"""The table of the nine GLUE tasks (Wang et al. 2019, arXiv 1804.07461): columns, labels, metrics, splits."""

import difflib
from dataclasses import dataclass
from typing import ClassVar

from geojax.errors import InputError


@dataclass(frozen=True)
class Split:
    """A development split: its name in results, its file, and its name on the HuggingFace hub."""

    name: str
    file: str
    hub: str


DEV = (Split("dev", "dev.tsv", "validation"),)
MNLI_DEV = (
    Split("dev_matched", "dev_matched.tsv", "validation_matched"),
    Split("dev_mismatched", "dev_mismatched.tsv", "validation_mismatched"),
)
ENTAILMENT = ("entailment", "not_entailment")
ACCEPTABLE = ("unacceptable", "acceptable")
EQUIVALENT = ("not_equivalent", "equivalent")


@dataclass(frozen=True)
class Task:
    """A sentence or sentence-pair task with one label per row.

    `columns` and `label_column` name columns of the TSV files. `hub_columns` name the text columns of the hub's data
    set; its label column is always `label`. The score of a task is the mean of its `metrics`.
    """

    name: str
    folder: str
    columns: tuple[str, str | None]
    label_column: str
    label_names: tuple[str, ...]  # the name of class i at index i, as on the hub; empty: a regression
    metrics: tuple[str, ...]  # names in `geojax.data.glue.metrics.METRICS`
    hub_columns: tuple[str, str | None] = ("sentence", None)
    header: tuple[str, ...] = ()  # the columns of files that have no header line
    label_range: tuple[float, float] = (-float("inf"), float("inf"))  # of a regression
    dev: tuple[Split, ...] = DEV  # the first gives the score; the metrics of the others, if present, are reported too
    defects: bool = False  # the official file has broken rows (dropped and counted) and empty texts (kept)
    head: ClassVar[str] = "classification"

    @property
    def regression(self) -> bool:
        """Whether the label is a number instead of a class."""
        return not self.label_names

    @property
    def num_labels(self) -> int:
        """Outputs of the head: one for a regression."""
        return max(1, len(self.label_names))


PAIR = ("sentence1", "sentence2")
GLUE = (
    Task("cola", "CoLA", ("sentence", None), "label", ACCEPTABLE, ("matthews",),
         header=("source", "label", "original_mark", "sentence")),
    Task("sst2", "SST-2", ("sentence", None), "label", ("negative", "positive"), ("accuracy",)),
    Task("mrpc", "MRPC", ("#1 String", "#2 String"), "Quality", EQUIVALENT,
         ("accuracy", "f1"), PAIR),
    Task("stsb", "STS-B", PAIR, "score", (), ("pearson", "spearman"), PAIR, label_range=(0.0, 5.0)),
    Task("qqp", "QQP", ("question1", "question2"), "is_duplicate",
         ("not_duplicate", "duplicate"), ("accuracy", "f1"), ("question1", "question2"), defects=True),
    Task("mnli", "MNLI", PAIR, "gold_label", ("entailment", "neutral", "contradiction"), ("accuracy",),
         ("premise", "hypothesis"), dev=MNLI_DEV),
    Task("qnli", "QNLI", ("question", "sentence"), "label", ENTAILMENT, ("accuracy",), ("question", "sentence")),
    Task("rte", "RTE", PAIR, "label", ENTAILMENT, ("accuracy",), PAIR),
    Task("wnli", "WNLI", PAIR, "label", ENTAILMENT[::-1], ("accuracy",), PAIR),
)  # fmt: skip
TASKS = {task.name: task for task in GLUE}


def unknown(name: str, known: tuple[str, ...]) -> InputError:
    """The error for a task name that is not in `known`; its message names the similar names."""
    near = difflib.get_close_matches(name.lower().replace("-", ""), known, n=3)
    hint = f"did you mean {' or '.join(near)}? The tasks are" if near else "choose one of"
    return InputError(f"task {name!r} is unknown: {hint} {', '.join(known)}")
