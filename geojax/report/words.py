"""Texts of numbers, intervals, counts and names in the report."""

import math
from collections.abc import Sequence
from typing import Any

NAMES = {
    "alpha": "the noise level alone",
    "dose": "the dose alone",
    "family_mean": "the mean of the model's family",
    "training_mean": "the mean of the training models",
    "parameters": "the number of parameters",
    "mlm_loss": "the held-out masked-LM loss",
    "rankme": "RankMe",
    "alpha_req": "α-ReQ",
    "weight_distance": "the distance of the weights from the base model",
    "selected": "the best single measure",
    "best_subset": "the best few measures",
    "ridge": "all measures by ridge",
}
"""Predictors that are no measure, as they are said in a sentence."""

UNITS = {
    "leave_one_recipe_out": ("recipe", "models of recipes that the fit has not seen"),
    "leave_one_family_out": ("family", "model families that the fit has not seen"),
    "leave_one_level_out": ("level", "levels of the dose that the fit has not seen"),
    "leave_one_out": ("model", "models that the fit has not seen"),
}
"""What each scheme leaves out, and what it therefore speaks of; the hardest promise first."""


def number(value: Any, digits: str = "g") -> str:
    """The text of a value: numbers with a minus sign, "–" for None and NaN, yes or no, texts as they are."""
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    text = f"{value:{digits}}"
    return text.replace("-", "−") if text.strip("-0.%") else text.removeprefix("-")


def interval(lower: float, upper: float, digits: str) -> str:
    """The text of an interval, `0.10 to 0.20`; empty where an end is missing."""
    if lower is None or upper is None or math.isnan(lower) or math.isnan(upper):
        return ""
    return f"{number(lower, digits)} to {number(upper, digits)}"


def with_interval(value: float, lower: float, upper: float, digits: str) -> str:
    """The text of a value with its interval, `0.15 (0.10 to 0.20)`."""
    between = interval(lower, upper, digits)
    return number(value, digits) + (f" ({between})" if between else "")


def count(how_many: int, noun: str) -> str:
    """A number with its noun: `1 family`, `2 families`, `3 models`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{how_many} {noun if how_many == 1 else plural}"


def some(noun: str, names: Sequence[str], most: int = 5) -> str:
    """A number of names with up to `most` of them: `3 rows (a, b, c)`."""
    shown = ", ".join(names[:most]) + (", …" if len(names) > most else "")
    return f"{count(len(names), noun)} ({shown})"
