"""Regression of scores on measures: fits, robust errors, validation, intervals; in float64."""

from geojax.regression.correlation import pearson, ranks, spearman, weighted_tau
from geojax.regression.least_squares import REASONS, Regression, ordinary_least_squares, regress, regress_each

__all__ = [
    "REASONS",
    "Regression",
    "ordinary_least_squares",
    "pearson",
    "ranks",
    "regress",
    "regress_each",
    "spearman",
    "weighted_tau",
]
