"""A miniature task of questions, generated from the grammar of the miniature tasks.

The context tells who did what to what, and where, and that somebody else was in some state: "the old king found the
boat near the river . the doctor was happy ." Questions ask who, what and where; questions that ask when have no
answer.
"""

from random import Random

from geojax.data.glue.miniature import ADJECTIVES, PEOPLE, Clause, active
from geojax.data.question_answering.examples import MINIATURE, Answer, Questions, Task
from geojax.data.task_data import TaskData

UNANSWERABLE = 5  # one of 5 questions has no answer


def load(*, train: int = 600, dev: int = 100, seed: int = 0, **settings: int | float) -> TaskData:
    """The task with `train` training and `dev` development questions, a pure function of the arguments."""
    random = Random(f"{MINIATURE} {seed}")
    splits = {name: _questions(random, name, count) for name, count in (("train", train), ("dev", dev))}
    source = {"generator": __name__, "seed": seed}
    task = Task(MINIATURE, unanswerable=True, **settings)
    return TaskData(task, splits["train"], {"dev": splits["dev"]}, source)


def _questions(random: Random, split: str, count: int) -> Questions:
    rows = []
    for number in range(count):
        clause = Clause.draw(random)
        other = f"the {random.choice(PEOPLE)} was {random.choice(ADJECTIVES)}"
        sentences = [active(clause), other]
        random.shuffle(sentences)
        context = " . ".join(sentences) + " ."
        question, answer = _asked(random, clause)
        if not number % UNANSWERABLE:
            question, answer = f"when was the {clause.patient} {clause.action} ?", ""
        answers = (Answer(answer, context.index(answer, context.index(active(clause)))),) if answer else ()
        rows.append((f"{split}{number}", question, context, answers))
    return Questions(*map(tuple, zip(*rows, strict=True)))


def _asked(random: Random, clause: Clause) -> tuple[str, str]:
    """A question about a clause, and its answer."""
    return random.choice((
        (f"who {clause.action} the {clause.patient} ?", f"the {clause.adjective} {clause.agent}"),
        (f"what was {clause.action} by the {clause.agent} ?", f"the {clause.patient}"),
        (f"where was the {clause.patient} {clause.action} ?", f"{clause.preposition} the {clause.place}"),
    ))  # fmt: skip
