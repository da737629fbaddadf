"""A miniature corpus of tagged utterances, generated from a small grammar with the words of the miniature tasks.

Utterances of two services ask for people and for places, which are terms: "could the old king come to the river ?". A
fifth of the people and of the places never stand in training. Utterances of a third service, which training never
shows, ask for numbers of things: "we need three boats today". In the utterances of the other services things are no
terms.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from geojax.data.glue.miniature import ADJECTIVES, NUMBERS, PEOPLE, PLACES, THINGS
from geojax.data.terms.files import B, I, O, Utterances

Services = dict[str, tuple[str, ...]]
Piece = tuple[list[str], str]  # words, and the kind of the term that they are

HELD_OUT = 5  # one of 5 fillers of a slot never stands in training
SERVICES = {  # slots in braces are terms, things elsewhere are not
    "visits": (
        "could the {person} come to the {place} ?",
        "the {person} was at the {place} with a THING",
        "the THING of the {person} is ready",
        "please take a THING to the {place}",
    ),
    "meetings": (
        "we wait for the {person} near the {place}",
        "is the {place} far ? yes , very far",
        "the {person} and the {person} have a THING",
        "thank you , the THING is good",
    ),
}
OTHER_SERVICES = {
    "orders": (
        "we need {number} today",
        "please send {number} to us",
        "there are {number} in the shop",
        "yes , that is all",
    )
}


class Corpus(NamedTuple):
    """The sets of the miniature: of training, of the same services, of the service that training never shows."""

    train: Utterances
    same_services: Utterances
    other_services: Utterances


def load(*, train: int = 150, test: int = 80, seed: int = 0) -> Corpus:
    """The corpus with `train` training utterances and `test` in each other set, a pure function of the arguments."""
    random = Random(f"terms {seed}")
    learnt = _draw(random, SERVICES, train, held_out=False)
    return Corpus(learnt, _draw(random, SERVICES, test), _draw(random, OTHER_SERVICES, test))


def _draw(random: Random, services: Services, count: int, *, held_out: bool = True) -> Utterances:
    words, tags, groups = [], [], []
    for group, pieces in draw(random, services, count, held_out):
        words.append([word for piece, _ in pieces for word in piece])
        tags += [B if kind and not place else I if kind else O for piece, kind in pieces for place in range(len(piece))]
        groups.append(group)
    return Utterances(words, np.array(tags, np.int8), groups)


def draw(random: Random, services: Services, count: int, held_out: bool) -> Iterator[tuple[str, list[Piece]]]:
    """`count` random utterances: the service and the pieces of each; without `held_out` some fillers never stand."""
    for _ in range(count):
        group = random.choice(list(services))
        yield group, [_piece(random, word, held_out) for word in random.choice(services[group]).split()]


def _piece(random: Random, word: str, held_out: bool) -> Piece:
    """The words that stand for a word of a template, and the kind of the term that they are; empty for no term."""
    match word:
        case "{person}":
            return [random.choice(ADJECTIVES), _filler(random, PEOPLE, held_out)], "person"
        case "{place}":
            return [_filler(random, PLACES, held_out)], "place"
        case "{number}":
            return [random.choice(NUMBERS), f"{_filler(random, THINGS, held_out)}s"], "number"
        case "THING":
            return [_filler(random, THINGS, held_out)], ""
    return [word], ""


def _filler(random: Random, fillers: Sequence[str], held_out: bool) -> str:
    return random.choice([filler for place, filler in enumerate(fillers) if held_out or (place + 1) % HELD_OUT])
