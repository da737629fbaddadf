"""The texts of a translation: those that anchors are drawn from, and those held out, with labels or without."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from configs import schema
from configs.lists import integers, names
from geojax.api.trial import SPARE, Trial
from geojax.data import glue, labelled
from geojax.data.glue.examples import Examples
from geojax.data.task_data import digest
from geojax.errors import InputError
from geojax.representations import read_sequences

log = logging.getLogger(__name__)


class Texts(NamedTuple):
    """Different texts; `classes` is empty where they have no labels."""

    train: Examples
    held_out: Examples
    classes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of all texts and labels in their order."""
        return digest(joined(self.train, self.held_out))


def trial_of(config: schema.Translate) -> Trial:
    """How bridges are tried: of a text file also by the method of the bridge that is saved."""
    methods = names(config.methods)
    own = (config.method,) if config.text and config.method not in methods else ()
    settings = (config.seeds, config.test_examples, config.resamples, config.level, config.seed)
    return Trial((*own, *methods), integers(config.anchors), *settings)


def joined(first: Examples, second: Examples) -> Examples:
    """Examples one after another."""
    pairs = first.text_b is not None
    labels = np.concatenate([first.labels, second.labels])
    return Examples(first.text_a + second.text_a, first.text_b + second.text_b if pairs else None, labels)


def load(config: schema.Translate) -> Texts:
    """The texts of a config.

    Raises:
      InputError: data that cannot be read, are no classification, repeat a text, or are too few for the anchors.
    """
    return of_file(config) if config.text else of_task(config)


def of_task(config: schema.Translate) -> Texts:
    """The texts of a task; of the training texts of GLUE only those that are new and not held out, as many as set."""
    if config.task.endswith(".tsv"):
        data = labelled.load(config.task, config.test_examples, config.seed)
        train, held_out = data.train, data.dev["dev"]
    else:
        if glue.find(config.task).regression:
            raise InputError(f"task {config.task} is a regression: heads are trained on classes, choose another task")
        data = glue.load(config.task, config.data_dir, config.hub)
        held_out = glue.subset(next(iter(data.dev.values())), config.test_examples, config.seed)
        train = without(data.train, held_out)
        if gone := len(data.train) - len(train):
            log.info("%s: %d training texts repeat others or are held out; they are left out", config.task, gone)
    train = glue.subset(train, config.train_examples, config.seed)
    if len(present := np.unique(train.labels)) < 2:
        raise InputError(f"all {len(train)} training labels of {config.task} are {data.task.label_names[present[0]]!r}")
    return Texts(train, held_out, data.task.label_names)


def of_file(config: schema.Translate) -> Texts:
    """The texts of a file, of which random ones are held out."""
    texts = read_sequences(config.text)
    labelled.check_distinct(texts, config.text)
    train, held_out = trial_of(config).split(len(texts), f"{config.text} has {len(texts)} texts")
    examples = Examples(tuple(texts), None, np.zeros(len(texts), np.int32))
    return Texts(rows(examples, train), rows(examples, held_out), ())


def without(examples: Examples, others: Examples) -> Examples:
    """The first of every distinct example whose text is none of the others."""
    seen, kept = set(keys(others)), []
    for row, text in enumerate(keys(examples)):
        if text not in seen:
            seen.add(text)
            kept.append(row)
    return rows(examples, kept)


def keys(examples: Examples) -> Sequence[tuple[str, str]]:
    """What a model reads of every example, without spaces at the ends."""
    seconds = examples.text_b or ("",) * len(examples)
    return [(a.strip(), b.strip()) for a, b in zip(examples.text_a, seconds, strict=True)]


def rows(examples: Examples, chosen: Sequence[int]) -> Examples:
    """Some examples."""
    text_b = None if examples.text_b is None else tuple(examples.text_b[row] for row in chosen)
    labels = examples.labels[np.asarray(chosen, int)]
    return replace(examples, text_a=tuple(examples.text_a[row] for row in chosen), text_b=text_b, labels=labels)


def sizes(config: schema.Translate, texts: Texts) -> tuple[int, ...]:
    """The numbers of anchors, ascending; for a text file those that it has, and all of its texts.

    Raises:
      InputError: a task with fewer training texts than the largest number of anchors and `SPARE` others.
    """
    trial, count = trial_of(config), len(texts.train)
    if not texts.classes:
        found, said = trial.sizes(count, config.text)
        for sentence in said:
            log.warning("%s", sentence)
        return found
    if count < max(trial.anchors) + SPARE:
        raise InputError(
            f"{max(trial.anchors)} anchors need {max(trial.anchors) + SPARE} training texts, and {config.task} has "
            f"{count}: give fewer by --config.anchors"
        )
    return tuple(sorted(trial.anchors))
