"""Translation between the spaces of encoders: a bridge, what it keeps, and a store of vectors moved over it."""

from experiments.translate.command import run

__all__ = ["run"]
