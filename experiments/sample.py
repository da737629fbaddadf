"""Samples the latent space of a model into files, one a layer."""

import logging
from pathlib import Path

from configs.schema import Sample
from experiments.common import measuring


def run(config: Sample, workdir: Path) -> None:
    """Writes `layer_NN.safetensors` for every layer asked for."""
    texts = measuring.sequences(config.sequences)
    model, facts = measuring.load_perturbed(config.model, config.revision, config.alpha, config.noise_seed)
    for cloud in measuring.sample(model, texts, config.layers, config.tokens, facts):
        path = workdir / f"layer_{cloud.layer:02d}.safetensors"
        cloud.save(path)
        logging.info("%s: %d points of width %d", path, *cloud.points.shape)
