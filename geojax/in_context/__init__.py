"""In-context learning with and without a latent bottleneck: tasks, models, training, errors (arXiv 2405.19162)."""

from geojax.in_context.own import latent_audit

__all__ = ["latent_audit"]
