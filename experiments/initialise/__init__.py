"""Geometry-informed initialisation: whether a start with a trained encoder's geometry saves steps."""

from experiments.initialise.command import run, sweep

__all__ = ["run", "sweep"]
