"""Local topology in experiments: vectors of words, and the features of their neighbourhoods in a datastore."""

import logging
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from configs.lists import integers
from geojax.api import sources
from geojax.errors import InputError
from geojax.models import Model
from geojax.representations import Cloud, parse_layers
from geojax.representations.words import sample_words
from geojax.runtime.progress import ProgressLine
from geojax.topology import Datastore, LocalTopology, local_topology
from geojax.topology.local import LARGEST

BLOCKS = {
    "codensity": "codensity_",
    "wasserstein": "_wasserstein_",
    "images": "_image_",
    "dimension": "local_dimension",
}

log = logging.getLogger(__name__)


def check(config: Any) -> None:
    """Raises an InputError for settings of local topology that cannot work, before any slow step."""
    degrees, ranks = integers(config.degrees), integers(config.ranks)
    if config.neighbours < 1:
        raise InputError(f"neighbours is {config.neighbours}: it must be at least 1")
    if not degrees or not set(degrees) <= {0, 1} or len(set(degrees)) < len(degrees):
        raise InputError(f"degrees {config.degrees!r}: choose the degrees of homology from 0, 1 and 0,1")
    if 1 in degrees and config.neighbours > LARGEST:
        raise InputError(f"neighbours is {config.neighbours}: with degree 1 it must be at most {LARGEST}")
    if config.image < 1:
        raise InputError(f"image is {config.image}: it must be at least 1")
    if not ranks or not all(1 <= rank <= config.neighbours for rank in ranks):
        raise InputError(f"ranks {config.ranks!r}: give ranks from 1 to neighbours = {config.neighbours}")


def block_of(feature: str) -> str:
    """The block of a feature of `local_topology`: codensity, wasserstein, images or dimension."""
    return next(block for block, part in BLOCKS.items() if part in feature)


def topology_of(queries: Any, store: Datastore, config: Any, what: str, **options: Any) -> LocalTopology:
    """The features of queries with the settings of a config; logs their warnings, which begin with `what`."""
    settings = {"degrees": integers(config.degrees), "image": config.image, "ks": integers(config.ranks)}
    found = local_topology(queries, store, config.neighbours, **settings, **options)
    for warning in found.warnings:
        log.warning("%s: %s", what, warning)
    return found


def cloud_of_words(model: Model, words: Sequence[Sequence[str]], config: Any, what: str, path: PurePath) -> Cloud:
    """The cloud of words in the layer of a config, from the file at `path` if it is there and whole.

    Raises:
      InputError: `layer` names several hidden states; as `sample_words`.
    """
    layers = parse_layers(config.layer, model.config.num_hidden_layers)
    if len(layers) > 1:
        raise InputError(f"layer {config.layer!r}: name one hidden state, such as last or {layers[-1]}")
    if (cloud := sources.cloud_in(path)) is not None:
        return cloud
    with ProgressLine(what, "sequences") as moved:
        options = {"masked": config.masked, "allow_unknown": config.allow_unknown, "progress": moved}
        (cloud,) = sample_words(*model[:3], words, layers=layers, **options)
    cloud.save(path)
    return cloud
