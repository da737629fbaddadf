"""Clouds of models on the same sequences, kept in a work folder until the work is done."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from configs import schema
from geojax import representations
from geojax.api import sources
from geojax.representations import Cloud
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
    if (cloud := sources.cloud_in(path)) is not None:
        return cloud
    (cloud,), _ = _sampled(name, texts, "last", config)
    cloud.save(path)
    return cloud


def kept_layers(
    parts: PurePath, place: int, name: str, texts: Sequence[str], config: schema.Compare
) -> tuple[Space, ...]:
    """The layers of a model that a config names, sampled in one pass unless their files are there and whole.

    The file of the last layer is that of `kept_cloud`.
    """

    def spaces(layers: Sequence[int], last: int) -> tuple[Space, ...]:
        stems = [f"{place:02d}" + ("" if layer == last else f"_layer_{layer:02d}") for layer in layers]
        paths = [parts / f"{stem}.safetensors" for stem in stems]
        return tuple(Space(place, name, *found) for found in zip(layers, paths, strict=True))

    def sampled() -> dict[str, Any]:
        clouds, last = _sampled(name, texts, config.layers, config)
        found = {"layers": [cloud.layer for cloud in clouds], "last": last}
        for cloud, space in zip(clouds, spaces(**found), strict=True):
            cloud.save(space.path)
        return found

    record = kept(parts / f"{place:02d}_layers.json", sampled, ("layers", "last"))
    found = spaces(record["layers"], record["last"])
    if any([sources.cloud_in(space.path) is None for space in found]):
        sampled()
    return found


def _sampled(name: str, texts: Sequence[str], layers: str, config: schema.Compare) -> tuple[tuple[Cloud, ...], int]:
    """The clouds of layers, and the index of the model's last one."""
    model, facts = sources.load_perturbed(name, "", 0.0, 0, parameters=config.parameters, backend=config.backend)
    last = model.config.num_hidden_layers
    indices = ",".join(map(str, dict.fromkeys(representations.parse_layers(layers, last))))
    options = {"allow_unknown": config.allow_unknown}
    return sources.sample(model, list(texts), indices, config.tokens, facts, **options), last
