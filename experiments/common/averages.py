"""Averages of scores, of which some are undefined."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def mean(values: Iterable[float]) -> float:
    """The mean of the values that are no NaN; NaN without one."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def said(result: Mapping[str, Any]) -> str:
    """The score of a fine-tuning as words, with the reason for each metric that is undefined."""
    score = "undefined" if math.isnan(result["score"]) else f"{result['score']:.4f}"
    reasons = [f"{name} is undefined, because {reason}" for name, reason in result.get("undefined", {}).items()]
    return f"score {score}" + (f" ({'; '.join(reasons)})" if reasons else "")
