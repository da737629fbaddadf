"""Regression of scores on measures: fits, robust errors, validation, intervals; in float64."""

from geojax.regression.correlation import pearson, ranks, spearman, weighted_tau
from geojax.regression.least_squares import LeastSquares, fit_each, ordinary_least_squares

__all__ = ["LeastSquares", "fit_each", "ordinary_least_squares", "pearson", "ranks", "spearman", "weighted_tau"]
