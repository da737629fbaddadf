"""The replication: encoders trained in many ways, their geometry and their scores."""

from experiments.replication.command import run, sweep

__all__ = ["run", "sweep"]
