"""The ranking of checkpoints for a task before any of them is fine-tuned."""

from experiments.rank.command import costs, run, sweep

__all__ = ["costs", "run", "sweep"]
