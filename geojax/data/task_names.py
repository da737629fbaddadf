"""The names of all tasks: GLUE's, those whose data a person names, and the generated miniatures."""

from geojax.data import glue
from geojax.data.glue.tasks import TASKS, unknown
from geojax.data.question_answering import examples as questions
from geojax.data.token_classification import examples as sentences

OF_FILES = (sentences.FILES, questions.FILES)  # tasks whose data a person names
MINIATURES = (sentences.MINIATURE, questions.MINIATURE)  # beside those in GLUE's format


def is_miniature(name: str) -> bool:
    """Whether a task is generated."""
    return name.startswith("mini_")


def is_score(column: str) -> bool:
    """Whether a column of a table of models is the score of a task."""
    return column in (*TASKS, *OF_FILES) or is_miniature(column)


def check(name: str) -> str:
    """The name of a task, if there is one.

    Raises:
      InputError: the task is unknown; the message names the tasks with similar names.
    """
    if name in (*OF_FILES, *MINIATURES):
        return name
    if is_miniature(name):
        return glue.find(name).name
    if name not in TASKS:
        raise unknown(name, (*TASKS, *OF_FILES))
    return name
