"""Geometry in one call: what `geojax.measure` and its like take, do and give back."""
