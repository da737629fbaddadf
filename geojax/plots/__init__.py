"""Figures as functions of tables: each returns the bytes of one SVG (or PNG), the same bytes for the same table.
`NAME_figure` returns the figure itself, which a notebook shows.

Noise levels are coloured by viridis, families by a colour-blind-safe set, always with a marker or a dash as well. Every
figure is legible on a phone; small multiples are several figures.
"""

from geojax.plots.evidence import iid_against_wide, intervals, intervals_figure
from geojax.plots.models import (
    correlation_matrix,
    level_against_score,
    measure_against_score,
    median_by_level,
    predicted_against_actual,
)
from geojax.plots.spaces import (
    cell_counts,
    cumulative_eigenvalues,
    cumulative_shares,
    curves,
    curves_figure,
    dimension_scans,
    similarity,
    similarity_figure,
    spread_by_distribution,
)
from geojax.plots.style import measure_name

__all__ = [
    "cell_counts",
    "correlation_matrix",
    "cumulative_eigenvalues",
    "cumulative_shares",
    "curves",
    "curves_figure",
    "dimension_scans",
    "iid_against_wide",
    "intervals",
    "intervals_figure",
    "level_against_score",
    "measure_against_score",
    "measure_name",
    "median_by_level",
    "predicted_against_actual",
    "similarity",
    "similarity_figure",
    "spread_by_distribution",
]
