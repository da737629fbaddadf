"""The spaces of a translation: a layer of a model with the vectors of the texts, encoded once and kept."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from configs import schema
from configs.lists import names
from experiments.translate.texts import Texts, joined
from geojax import models
from geojax.api import sources, trial
from geojax.api.bridges import Space
from geojax.data.glue.examples import Examples
from geojax.errors import InputError
from geojax.representations import Cloud, parse_layers, sentence_transformers, task_examples
from geojax.runtime.progress import ProgressLine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A layer of a model, and its name in tables; `family` is the model's short name."""

    model: str
    family: str
    layer: int

    @property
    def name(self) -> str:
        """The name in tables."""
        return f"{self.family}:{self.layer}"

    @property
    def file(self) -> str:
        """The name in the names of files."""
        return f"{self.family}_{self.layer:02d}"


def places(config: schema.Translate) -> tuple[Place, ...]:
    """The places that a config names; reads the models' configurations alone.

    Raises:
      InputError: a model that does not exist, a layer that it lacks, lists of layers for another number of models.
    """
    given, lists = names(config.models), config.layers.split("/")
    if len(lists) == 1:
        lists = lists * len(given)
    if len(lists) != len(given):
        raise InputError(
            f"layers {config.layers!r} are {len(lists)} lists, and there are {len(given)} models: give one list for "
            "all models, or one for each with / between them"
        )
    found = []
    for name, family, layers in zip(given, sources.short_names(given), lists, strict=True):
        depth = models.read_config(models.resolve(name).folder).num_hidden_layers
        found += [Place(name, family, layer) for layer in parse_layers(layers, depth)]
    return tuple(dict.fromkeys(found))


def width(place: Place, pooling: str) -> int:
    """The number of coordinates of a text's vector at a place."""
    folder = models.resolve(place.model).folder
    if pooling == "sentence_transformers":
        return sentence_transformers.read(folder).width
    return models.read_config(folder).hidden_size


def load(config: schema.Translate, wanted: Sequence[Place], texts: Texts, parts: PurePath) -> list[Space]:
    """The spaces of places, from the files in `parts` that are there and whole; other models encode all texts once.

    Raises:
      InputError: a model that cannot be read, vectors that are not finite or all equal, or vectors in `parts` of other
        texts.
    """
    files = {place: parts / f"{place.file}.safetensors" for place in wanted}
    clouds = {place: cloud for place, path in files.items() if (cloud := sources.cloud_in(path)) is not None}
    for model in dict.fromkeys(place.model for place in wanted if place not in clouds):
        missing = [place for place in wanted if place.model == model and place not in clouds]
        layers = tuple(place.layer for place in missing)
        for place, cloud in zip(missing, encoded(config, model, layers, texts), strict=True):
            cloud.save(files[place])
            clouds[place] = cloud
        log.info("%s: %d texts encoded, layers %s", missing[0].family, len(cloud.points), ",".join(map(str, layers)))
    for place, cloud in clouds.items():
        if cloud.provenance.get("texts_sha256") != texts.digest:
            raise InputError(
                f"{files[place]} holds vectors of other texts, or of these in another order: delete the file"
            )
    found = []
    for place in wanted:
        space, said = trial.space(place.name, clouds[place].points, len(texts.train), config.normalise)
        found.append(space)
        for sentence in said:
            log.warning("%s", sentence)
    return found


def encoded(config: schema.Translate, name: str, layers: tuple[int, ...], texts: Texts) -> tuple[Cloud, ...]:
    """The clouds of all texts, those of training first, at some layers of a model."""
    model, facts = sources.load_perturbed(name, "", 0.0, 0)
    both = joined(texts.train, texts.held_out)
    facts = {name: facts[name] for name in ("model", "revision")} | {"texts_sha256": texts.digest}
    if both.text_b is None:
        listed = ",".join(map(str, layers))
        options = {"allow_unknown": config.allow_unknown}
        return sources.sample(model, list(both.text_a), listed, config.pooling, facts, **options)
    return of_pairs(config, model, both, layers, facts)


def of_pairs(
    config: schema.Translate, model: models.Model, examples: Examples, layers: tuple[int, ...], facts: dict
) -> tuple[Cloud, ...]:
    """The clouds of pairs of texts, which a model reads together."""
    with ProgressLine("sampling", "examples") as moved:
        options = {"tokens": config.pooling, "allow_unknown": config.allow_unknown, "progress": moved}
        return task_examples.clouds(model, examples, layers=layers, provenance=facts, **options)
