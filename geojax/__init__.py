"""geojax: the geometry of a transformer's latent space, and what it says about fine-tuning."""

__version__ = "0.1.0"
