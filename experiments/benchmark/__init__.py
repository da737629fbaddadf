"""Speed beside named peers."""

from experiments.benchmark.command import run

__all__ = ["run"]
