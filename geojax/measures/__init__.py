"""Measures: pure functions of a cloud, and the catalogue that declares what each of them claims."""

from geojax.measures.catalogue import CATALOGUE
from geojax.measures.conventions import CONVENTIONS, check_convention
from geojax.measures.row import INVARIANCES, Measure
from geojax.measures.selection import select
from geojax.measures.tables import family_table, markdown_table

__all__ = [
    "CATALOGUE",
    "CONVENTIONS",
    "INVARIANCES",
    "Measure",
    "check_convention",
    "family_table",
    "markdown_table",
    "select",
]
