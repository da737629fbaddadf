"""Four miniature tasks in the format of GLUE, generated from a small grammar. They are not GLUE.

Sentences say who did what to what, and where: "the old king found the boat near the river". The label depends on the
order of words or on relations between words. A linear bag-of-words model is therefore at chance on the first three
tasks. On the last task it reaches a correlation of about 0.3, because numbers in the middle are nearer to all others.

| task | input | label | score |
|---|---|---|---|
| mini_acceptability | sentence | whether the sentence is grammatical | Matthews correlation |
| mini_paraphrase | pair | whether the active and the passive sentence name the same action | accuracy and F1 |
| mini_entailment | pair | entailment, neutral or contradiction of two descriptions | accuracy |
| mini_similarity | pair | 0 to 5: 5 less the difference of two numbers of things | Pearson and Spearman correlation |
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import numpy as np

from geojax.data.glue.examples import Examples
from geojax.data.glue.tasks import ACCEPTABLE, EQUIVALENT, Task
from geojax.data.task_data import TaskData
from geojax.errors import InputError

TRAIN, DEV = 1024, 256  # examples of a task

Meaning = tuple[str, ...]  # words with one meaning
Example = tuple[str, str | None, int | float]  # one text or two, and the label


def _meanings(text: str) -> tuple[Meaning, ...]:
    return tuple(tuple(entry.split("/")) for entry in text.split())


PEOPLE = (
    "king queen doctor teacher friend captain priest judge prince boy girl man woman servant mother father brother "
    "sister daughter son writer"
).split()
THINGS = "book letter ship house stone horse bird boat plant wall tree flower vessel animal bone wing seed line".split()
PLACES = "garden river city church hill road island sea mountain bridge school valley field forest station".split()
PREPOSITIONS = "near in behind before beyond".split()
ACTIONS = _meanings("found/discovered made/built")  # the participles equal the past tense
OPPOSITES = tuple(_meanings(pair) for pair in ("old young", "big small", "happy sad"))
NUMBERS = "two three four five six seven".split()
ADJECTIVES = [word for pair in OPPOSITES for meaning in pair for word in meaning]


class Clause(NamedTuple):
    """The words of a clause: who did what to what, and where."""

    adjective: str
    agent: str
    action: str
    patient: str
    preposition: str
    place: str

    @classmethod
    def draw(cls, random: Random) -> "Clause":
        """A random clause."""
        action = random.choice(random.choice(ACTIONS))
        return cls(*map(random.choice, (ADJECTIVES, PEOPLE, [action], THINGS, PREPOSITIONS, PLACES)))


def active(c: Clause) -> str:
    """ "the old king found the boat near the river"."""
    return f"the {c.adjective} {c.agent} {c.action} the {c.patient} {c.preposition} the {c.place}"


def fronted(c: Clause) -> str:
    """ "near the river the old king found the boat"."""
    return f"{c.preposition} the {c.place} the {c.adjective} {c.agent} {c.action} the {c.patient}"


def passive(c: Clause, patient: str = "", verb: str = "was") -> str:
    """ "the boat was found by the old king near the river"."""
    return f"the {patient or c.patient} {verb} {c.action} by the {c.adjective} {c.agent} {c.preposition} the {c.place}"


FORMS = (active, fronted, passive)


def acceptability(random: Random) -> Example:
    """A sentence: grammatical (label 1), or with two adjacent words swapped or the verb in the wrong number (0)."""
    clause, label, form = Clause.draw(random), random.randrange(2), random.choice(FORMS)
    several, wrong_verb = random.random() < 0.5, not label and random.random() < 0.5
    words = form(clause).split()
    if form is passive:
        patient = f"{clause.patient}s" if several else clause.patient
        words = passive(clause, patient, "were" if several != wrong_verb else "was").split()
    if not label and not (form is passive and wrong_verb):
        index = random.randrange(len(words) - 1)
        words[index : index + 2] = reversed(words[index : index + 2])
    return " ".join(words), None, label


def paraphrase(random: Random) -> Example:
    """An active and a passive sentence; the label is 1 if their verbs mean the same, else 0."""
    label, agent, patient = random.randrange(2), random.choice(PEOPLE), random.choice(THINGS)
    first, second = random.sample(ACTIONS, 2)
    one, other = random.choice(first), random.choice(first if label else second)
    return f"the {agent} {one} the {patient}", f"the {patient} was {other} by the {agent}", label


def entailment(random: Random) -> Example:
    """Two descriptions of a person: of one meaning (label 0), of unrelated qualities (1), or of opposite ones (2)."""
    label, agent, side = random.randrange(3), random.choice(PEOPLE), random.randrange(2)
    pair, other = random.sample(OPPOSITES, 2)
    described = (pair[side], other[random.randrange(2)], pair[1 - side])[label]
    place = f"{random.choice(PREPOSITIONS)} the {random.choice(PLACES)}"
    premise = f"the {agent} {place} was {random.choice(pair[side])}"
    return premise, f"the {agent} was {random.choice(described)}", label


def similarity(random: Random) -> Example:
    """Two sentences about numbers of the same thing; the label is 5 less the difference of the numbers."""
    counts, thing = (random.randrange(6), random.randrange(6)), f"{random.choice(THINGS)}s"
    one, other = (
        f"the {random.choice(PEOPLE)} {random.choice(random.choice(ACTIONS))} {NUMBERS[count]} {thing}"
        for count in counts
    )
    return one, other, 5.0 - abs(counts[0] - counts[1])


SINGLE, PAIR = ("sentence", None), ("sentence1", "sentence2")
TASKS = {
    task.name: task
    for task in (
        Task("mini_acceptability", "", SINGLE, "label", ACCEPTABLE, ("matthews",)),
        Task("mini_paraphrase", "", PAIR, "label", EQUIVALENT, ("accuracy", "f1")),
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
    """The data of a miniature task, a pure function of the arguments.

    Args:
      name: one of `TASKS`.
      train: number of training examples.
      dev: number of development examples; none of them is a training example.
      seed: seed of the examples.

    Raises:
      InputError: `train` or `dev` is below 1.
    """
    if train < 1 or dev < 1:
        raise InputError(f"{train} examples to train on and {dev} to score: there must be at least one of each")
    random, found = Random(f"{name} {seed}"), {}
    while len(found) < train + dev:
        text_a, text_b, label = DRAW[name](random)
        found[text_a, text_b] = label
    rows = [(*texts, label) for texts, label in found.items()]
    source = {"generator": "geojax.data.glue.miniature", "seed": seed}
    return TaskData(TASKS[name], _examples(name, rows[:train]), {"dev": _examples(name, rows[train:])}, source)


def _examples(name: str, rows: list[Example]) -> Examples:
    text_a, text_b, labels = zip(*rows, strict=True)
    dtype = np.float32 if TASKS[name].regression else np.int32
    return Examples(text_a, None if text_b[0] is None else text_b, np.array(labels, dtype))


def sequences(n: int, seed: int = 0) -> tuple[str, ...]:
    """`n` distinct sentences of 4 to 19 words: descriptions, clauses in any form, and pairs of clauses."""
    random, found = Random(f"sequences {seed}"), {}
    while len(found) < n:
        clause, other = Clause.draw(random), Clause.draw(random)
        description = f"the {clause.agent} was {clause.adjective}"
        sentence = random.choice(FORMS)(clause)
        both = f"{active(clause)} and {active(other)}"
        found[random.choice((description, sentence, sentence, both))] = None
    return tuple(found)
