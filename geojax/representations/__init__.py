"""Clouds of points from texts and a model: forward pass, token policies, provenance, files."""

from geojax.representations.cloud import Cloud, check_finite, common_points, read_cloud
from geojax.representations.sampling import parse_layers, read_sequences, sample

__all__ = ["Cloud", "check_finite", "common_points", "parse_layers", "read_cloud", "read_sequences", "sample"]
