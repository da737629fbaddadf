"""A miniature task of entities, generated from the grammar of the miniature terms: people, places, numbers of things.

A fifth of the people, places and things never stand in training.
"""

from itertools import chain
from random import Random

from geojax.data.task_data import TaskData
from geojax.data.terms.miniature import OTHER_SERVICES, SERVICES, draw
from geojax.data.token_classification.examples import MINIATURE, Sentences, Task
from geojax.data.token_classification.schemes import label_names


def load(*, train: int = 400, dev: int = 100, seed: int = 0) -> TaskData:
    """The task with `train` training and `dev` development sentences, a pure function of the arguments."""
    random = Random(f"{MINIATURE} {seed}")
    splits = {"train": _sentences(random, train, False), "dev": _sentences(random, dev, True)}
    names = label_names(list(chain.from_iterable(chain(*(split.tags for split in splits.values())))))
    source = {"generator": __name__, "seed": seed}
    return TaskData(Task(MINIATURE, names), splits["train"], {"dev": splits["dev"]}, source)


def _sentences(random: Random, count: int, held_out: bool) -> Sentences:
    words, tags = [], []
    for _, pieces in draw(random, SERVICES | OTHER_SERVICES, count, held_out):
        words.append(tuple(word for piece, _ in pieces for word in piece))
        tags.append(tuple(
            f"{'I' if place else 'B'}-{kind}" if kind else "O" for piece, kind in pieces for place in range(len(piece))
        ))  # fmt: skip
    return Sentences(tuple(words), tuple(tags))
