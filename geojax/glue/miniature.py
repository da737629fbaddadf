"""Four miniature tasks in the shapes of GLUE, generated from a small grammar. They are not GLUE.

Sentences are clauses of an agent with an adjective, an action, a patient and a place: "the old king found the boat
near the river". The label is a relation between words, or their order: no word gives it away by being there.

| task | input | label | score |
|---|---|---|---|
| mini_acceptability | sentence | whether it is grammatical | Matthews correlation |
| mini_paraphrase | pair | whether both mean the same | accuracy and F1 |
| mini_entailment | pair | entailment, neutral or contradiction | accuracy |
| mini_similarity | pair | 0 to 5: how many of the five parts agree in meaning | Pearson and Spearman correlation |
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import numpy as np

from geojax.errors import InputError
from geojax.glue.data import Examples, TaskData
from geojax.glue.tasks import Task

TRAIN, DEV = 512, 256  # examples of a task

Meaning = tuple[str, ...]  # the words for one thing
Example = tuple[str, str | None, int | float]  # one text or two, and the label


def _meanings(text: str) -> tuple[Meaning, ...]:
    return tuple(tuple(entry.split("/")) for entry in text.split())


PEOPLE = _meanings(
    "king queen doctor teacher friend captain priest judge prince boy girl man woman/lady servant mother father "
    "brother sister daughter son student writer"
)
THINGS = _meanings(
    "book letter ship/boat house/home table sword picture stone/rock box bed hat cup map ring horse dog cat bird gun "
    "car coat bell lamp rope chair"
)
PLACES = _meanings(
    "garden river city/town church hill road/street island sea mountain bridge school valley field forest/wood station"
)
PREPOSITIONS = ("near", "in", "behind", "before", "beyond")
ON_THINGS = _meanings("found/discovered lost sold carried took kept moved received destroyed burned saved broke")
ON_PEOPLE = _meanings("saw loved followed called met heard killed led left")
OPPOSITES = tuple(
    _meanings(pair.replace("-", " "))
    for pair in (
        "old-young big/large-small/little happy/glad-sad rich-poor good-bad strong-weak black-white quick/fast-slow"
    ).split()
)
ADJECTIVES = tuple(adjective for pair in OPPOSITES for adjective in pair)
PARTICIPLES = {"took": "taken", "broke": "broken", "saw": "seen"}  # the others equal their past tense
PLURALS = {"man": "men", "woman": "women", "lady": "ladies", "box": "boxes"}  # the others take -s


class Clause(NamedTuple):
    """Who did what to whom, and where."""

    adjective: Meaning
    agent: Meaning
    action: Meaning
    patient: Meaning
    place: Meaning
    preposition: str

    @classmethod
    def draw(cls, random: Random) -> "Clause":
        """A clause whose agent and patient differ."""
        actions, patients = random.choice(((ON_THINGS, THINGS), (ON_PEOPLE, PEOPLE)))
        agent = random.choice(PEOPLE)
        return cls(
            random.choice(ADJECTIVES),
            agent,
            random.choice(actions),
            _other(patients, agent, random),
            random.choice(PLACES),
            random.choice(PREPOSITIONS),
        )


PARTS = Clause._fields[:5]


def _other(meanings: tuple[Meaning, ...], meaning: Meaning, random: Random) -> Meaning:
    return random.choice([candidate for candidate in meanings if candidate != meaning])


def _replace(clause: Clause, part: str, random: Random) -> Clause:
    """The clause with another meaning of the same kind in one part."""
    kinds = {"adjective": (ADJECTIVES,), "agent": (PEOPLE,), "place": (PLACES,)}
    kinds |= {"action": (ON_THINGS, ON_PEOPLE), "patient": (THINGS, PEOPLE)}
    meaning = getattr(clause, part)
    kind = next(kind for kind in kinds[part] if meaning in kind)
    return clause._replace(**{part: _other(kind, meaning, random)})


def active(clause: Clause, random: Random) -> str:
    """ "the old king found the boat near the river"."""
    adjective, agent, action, patient, place = (random.choice(meaning) for meaning in clause[:5])
    return f"the {adjective} {agent} {action} the {patient} {clause.preposition} the {place}"


def fronted(clause: Clause, random: Random) -> str:
    """ "near the river the old king found the boat"."""
    adjective, agent, action, patient, place = (random.choice(meaning) for meaning in clause[:5])
    return f"{clause.preposition} the {place} the {adjective} {agent} {action} the {patient}"


def passive(clause: Clause, random: Random, verb: str = "was", plural: bool = False) -> str:
    """ "the boat was found by the old king near the river"."""
    adjective, agent, action, patient, place = (random.choice(meaning) for meaning in clause[:5])
    action = PARTICIPLES.get(action, action)
    patient = PLURALS.get(patient, f"{patient}s") if plural else patient
    return f"the {patient} {verb} {action} by the {adjective} {agent} {clause.preposition} the {place}"


FORMS = (active, fronted, passive)


def acceptability(random: Random) -> Example:
    """A sentence, or one with two neighbours swapped or the verb in the wrong number: the words are the same."""
    clause, label = Clause.draw(random), random.randrange(2)
    form, plural, agreement = random.choice(FORMS), random.random() < 0.5, random.random() < 0.5
    if form is passive:
        right = plural if label or not agreement else not plural
        words = passive(clause, random, "were" if right else "was", plural).split()
    else:
        words = form(clause, random).split()
    if not label and not (form is passive and agreement):
        index = random.randrange(len(words) - 1)
        words[index : index + 2] = reversed(words[index : index + 2])
    return " ".join(words), None, label


def paraphrase(random: Random) -> Example:
    """Two forms of one clause, with synonyms; or the second of a clause with two parts changed."""
    clause, label = Clause.draw(random), random.randrange(2)
    first, second = random.sample(FORMS, 2)
    changed = clause
    for part in random.sample(PARTS, 0 if label else 2):
        changed = _replace(changed, part, random)
    return first(clause, random), second(changed, random), label


def entailment(random: Random) -> Example:
    """A clause, and a sentence that ascribes its agent the same adjective, another, or the opposite one."""
    clause, label = Clause.draw(random), random.randrange(3)
    pair = next(pair for pair in OPPOSITES if clause.adjective in pair)
    opposite = pair[1 - pair.index(clause.adjective)]
    others = [adjective for adjective in ADJECTIVES if adjective not in pair]
    adjective = (clause.adjective, random.choice(others), opposite)[label]
    premise = random.choice((active, fronted))(clause, random)
    agent = next(word for word in clause.agent if word in premise.split())
    return premise, f"the {agent} was {random.choice(adjective)}", label


def similarity(random: Random) -> Example:
    """Two clauses and the number of parts, of five, in which they agree."""
    clause, label = Clause.draw(random), random.randrange(len(PARTS) + 1)
    changed = clause
    for part in random.sample(PARTS, len(PARTS) - label):
        changed = _replace(changed, part, random)
    return active(clause, random), active(changed, random), float(label)


SINGLE, PAIR = ("sentence", None), ("sentence1", "sentence2")
TASKS = {
    task.name: task
    for task in (
        Task("mini_acceptability", "", SINGLE, "label", ("0", "1"), ("matthews",)),
        Task("mini_paraphrase", "", PAIR, "label", ("0", "1"), ("accuracy", "f1")),
        Task("mini_entailment", "", PAIR, "label", ("entailment", "neutral", "contradiction"), ("accuracy",)),
        Task("mini_similarity", "", PAIR, "label", (), ("pearson", "spearman"), label_range=(0.0, 5.0)),
    )
}
DRAW: dict[str, Callable[[Random], Example]] = {
    "mini_acceptability": acceptability,
    "mini_paraphrase": paraphrase,
    "mini_entailment": entailment,
    "mini_similarity": similarity,
}


def load(name: str, *, train: int = TRAIN, dev: int = DEV, seed: int = 0) -> TaskData:
    """The data of a miniature task: a function of its arguments.

    Args:
      name: one of `TASKS`.
      train: examples to train on.
      dev: examples to score, none of them among the former.
      seed: another one gives other examples.

    Raises:
      InputError: a split without examples.
    """
    if train < 1 or dev < 1:
        raise InputError(f"{train} examples to train on and {dev} to score: there must be at least one of each")
    random, found = Random(f"{name} {seed}"), {}
    while len(found) < train + dev:
        text_a, text_b, label = DRAW[name](random)
        found[text_a, text_b] = label
    rows = [(*texts, label) for texts, label in found.items()]
    source = {"generator": "geojax.glue.miniature", "seed": seed}
    return TaskData(TASKS[name], _examples(name, rows[:train]), {"dev": _examples(name, rows[train:])}, source)


def _examples(name: str, rows: list[Example]) -> Examples:
    text_a, text_b, labels = zip(*rows, strict=True)
    dtype = np.float32 if TASKS[name].regression else np.int32
    return Examples(text_a, None if text_b[0] is None else text_b, np.array(labels, dtype))


def sequences(n: int, seed: int = 0) -> tuple[str, ...]:
    """`n` distinct sentences of 4 to 19 words: statements, clauses in any form, and pairs of them."""
    random, found = Random(f"sequences {seed}"), {}
    while len(found) < n:
        clause, other = Clause.draw(random), Clause.draw(random)
        statement = f"the {random.choice(clause.agent)} was {random.choice(clause.adjective)}"
        sentence = random.choice(FORMS)(clause, random)
        both = f"{active(clause, random)} and {active(other, random)}"
        found[random.choice((statement, sentence, sentence, both))] = None
    return tuple(found)
