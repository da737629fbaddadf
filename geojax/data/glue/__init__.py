"""GLUE: the task table, its data, its scores."""

from pathlib import Path

from geojax.data.glue.examples import Examples
from geojax.data.glue.files import from_files, from_hub
from geojax.data.glue.tasks import TASKS, Split, Task, unknown
from geojax.data.task_data import TaskData, subset
from geojax.errors import InputError

__all__ = ["Examples", "Split", "TASKS", "Task", "TaskData", "find", "load", "subset"]


def find(name: str) -> Task:
    """The task with that name: a GLUE task or, with the prefix `mini_`, a miniature task.

    Raises:
      InputError: the task is unknown; the message names the tasks with similar names.
    """
    tasks = TASKS
    if name.startswith("mini_"):
        from geojax.data.glue import miniature

        tasks = miniature.TASKS
    if name not in tasks:
        raise unknown(name, tuple(tasks))
    return tasks[name]


def load(name: str, data_dir: str | Path = "", hub: str = "nyu-mll/glue", eval_file: str | Path = "") -> TaskData:
    """The data of a task: generated (`mini_...`), from the folder `data_dir` if given, or from the data set `hub`.

    Raises:
      InputError: the task is unknown or generated and given an `eval_file`, or the data are absent or malformed; the
        message names the expected and the found data.
    """
    task = find(name)
    if name.startswith("mini_"):
        if eval_file:
            raise InputError(f"task {name} is generated and takes no eval_file: leave it out, or choose a GLUE task")
        from geojax.data.glue import miniature

        return miniature.load(name)
    return from_files(task, data_dir, eval_file) if data_dir else from_hub(task, hub, eval_file)
