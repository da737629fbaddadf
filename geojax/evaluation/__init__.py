"""Values of measures with their errors, bias, and warnings in words."""

from geojax.evaluation.engine import evaluate
from geojax.evaluation.pairs import evaluate_pair
from geojax.evaluation.results import Evaluation, Result, difference

__all__ = ["Evaluation", "Result", "difference", "evaluate", "evaluate_pair"]
