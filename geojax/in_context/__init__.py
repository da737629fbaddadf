"""In-context learning with and without a latent bottleneck: tasks, models, training, errors (arXiv 2405.19162)."""
