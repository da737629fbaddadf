"""Clouds of models on the same sequences, kept in a work folder until the work is done."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from configs import schema
from experiments.common import sampling
from geojax import representations
from geojax.errors import InputError
from geojax.representations import Cloud
from geojax.runtime import records
from geojax.runtime.run_once import kept


class Space(NamedTuple):
    """One layer of one model.

    Attributes:
      place: of the model among those named.
      model: its name.
      layer: the index of the hidden state.
      path: the file of its cloud.
    """

    place: int
    model: str
    layer: int
    path: PurePath

    @property
    def stem(self) -> str:
        """A short name for files."""
        return f"{self.place:02d}_{self.layer:02d}"


def kept_cloud(path: PurePath, name: str, texts: Sequence[str], config: schema.Compare) -> Cloud:
    """The cloud of a model's last layer, read from the file at `path`, or sampled and written there."""
    if path.exists() and _whole(path):
        return Cloud.load(path)
    (cloud,) = _sampled(name, texts, "last", config)
    cloud.save(path)
    return cloud


def kept_layers(
    parts: PurePath, place: int, name: str, texts: Sequence[str], config: schema.Compare
) -> tuple[Space, ...]:
    """The layers of a model that a config names, sampled in one pass unless their files are there and whole."""
    if config.layers == "last":
        path = parts / f"{place:02d}.safetensors"
        return (Space(place, name, kept_cloud(path, name, texts, config).layer, path),)

    def spaces(layers: Sequence[int]) -> tuple[Space, ...]:
        return tuple(
            Space(place, name, layer, parts / f"{place:02d}_layer_{layer:02d}.safetensors") for layer in layers
        )

    def sampled() -> dict[str, Any]:
        clouds = _sampled(name, texts, config.layers, config)
        layers = [cloud.layer for cloud in clouds]
        for cloud, space in zip(clouds, spaces(layers), strict=True):
            cloud.save(space.path)
        return {"layers": layers}

    found = spaces(kept(parts / f"{place:02d}_layers.json", sampled, ("layers",))["layers"])
    if not all([_whole(space.path) for space in found]):
        sampled()
    return found


def _whole(path: PurePath) -> bool:
    """Whether a file of a cloud can be read; one that cannot is set aside."""
    try:
        Cloud.load(path)
    except InputError as error:
        records.set_aside(path, error)
        return False
    return True


def _sampled(name: str, texts: Sequence[str], layers: str, config: schema.Compare) -> tuple[Cloud, ...]:
    model, facts = sampling.load_perturbed(name, "", 0.0, 0)
    indices = dict.fromkeys(representations.parse_layers(layers, model.config.num_hidden_layers))
    named = ",".join(map(str, indices))
    return sampling.sample(model, list(texts), named, config.tokens, facts, allow_unknown=config.allow_unknown)
