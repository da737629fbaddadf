"""Speed beside public packages."""

from experiments.benchmark.command import run

__all__ = ["run"]
