"""Geometry-informed initialisation: whether a start with a trained encoder's geometry saves steps."""

from experiments.initialise.command import run, sweep
from experiments.initialise.estimates import costs

__all__ = ["costs", "run", "sweep"]
