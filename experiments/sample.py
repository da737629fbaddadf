"""Samples the latent space of a model into files, one a layer."""

import logging
from functools import partial
from pathlib import PurePath

from configs.schema import Sample
from experiments.common import sampling
from experiments.common.identity import identity
from geojax.api import sources
from geojax.runtime import folders, records
from geojax.runtime.run_once import once


def run(config: Sample, workdir: PurePath) -> None:
    """Writes `layer_NN.safetensors` for every layer that the config names, and `clouds.json`, which lists the files.

    A run that is started again does nothing when all exist.

    Raises:
      InputError: settings that cannot work or that differ from those of the folder; files that cannot be read.
    """
    workdir = folders.path(workdir)
    once(workdir, identity(config), partial(make, config, workdir), "clouds.json")
    for name, (n, d) in records.read_json(workdir / "clouds.json")["points"].items():
        logging.info("%s: %d points of width %d", workdir / name, n, d)


def make(config: Sample, workdir: PurePath) -> None:
    """Samples all layers in one pass and writes the files."""
    texts = sources.sequences(config.sequences)
    model, facts = sampling.named(config)
    shapes = {}
    options = {"allow_unknown": config.allow_unknown}
    for cloud in sources.sample(model, texts, config.layers, config.tokens, facts, **options):
        path = workdir / f"layer_{cloud.layer:02d}.safetensors"
        cloud.save(path)
        shapes[path.name] = cloud.points.shape
    records.write_json(workdir / "clouds.json", {"points": shapes})
