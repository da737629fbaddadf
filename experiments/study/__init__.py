"""The study of one pool of perturbed models."""

from experiments.study.command import costs, run, sweep

__all__ = ["costs", "run", "sweep"]
