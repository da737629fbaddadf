"""Heads that classify the vectors of a space."""

import jax

from configs import schema
from experiments.translate.texts import Texts
from geojax.alignment import heads
from geojax.api.bridges import Space


def head_of(config: schema.Translate, space: Space, texts: Texts) -> heads.Head:
    """The head of a config, trained on all training texts of a space."""
    labels, classes = texts.train.labels, len(texts.classes)
    if config.head == "ridge":
        return heads.fit_head(space.train, labels, classes=classes)
    return heads.fit_mlp_head(jax.random.key(config.seed), space.train, labels, classes=classes)
