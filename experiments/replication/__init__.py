"""The replication: encoders trained in many ways, their geometry and their scores."""

from experiments.replication.command import run, sweep
from experiments.replication.estimates import costs

__all__ = ["costs", "run", "sweep"]
