"""The task table, against the facts of the benchmark."""

import pytest

from geojax.data import glue
from geojax.data.glue.metrics import METRICS
from geojax.errors import InputError

SCORES = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("accuracy", "f1"),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
    "wnli": ("accuracy",),
}


def test_nine_tasks_with_their_scores():
    assert {name: task.metrics for name, task in glue.TASKS.items()} == SCORES
    assert all(metric in METRICS for task in glue.TASKS.values() for metric in task.metrics)


def test_labels():
    assert {name: task.num_labels for name, task in glue.TASKS.items()} == dict.fromkeys(SCORES, 2) | {
        "stsb": 1,
        "mnli": 3,
    }
    assert [name for name, task in glue.TASKS.items() if task.regression] == ["stsb"]
    assert glue.TASKS["stsb"].label_range == (0, 5)
    assert glue.TASKS["qnli"].label_names == glue.TASKS["rte"].label_names == ("entailment", "not_entailment")
    assert glue.TASKS["mnli"].label_names == ("entailment", "neutral", "contradiction")


def test_mnli_is_scored_on_matched():
    assert [split.name for split in glue.TASKS["mnli"].dev] == ["dev_matched", "dev_mismatched"]
    assert all(len(task.dev) == 1 for name, task in glue.TASKS.items() if name != "mnli")


@pytest.mark.parametrize("name, near", [("SST-2", "sst2"), ("qnl", "qnli"), ("mmli", "mnli")])
def test_an_unknown_task_names_the_near_ones(name, near):
    with pytest.raises(InputError, match=f"task '{name}' is unknown: did you mean .*{near}"):
        glue.find(name)


def test_a_name_unlike_any_lists_all():
    with pytest.raises(InputError, match="choose one of cola, sst2, .* wnli"):
        glue.find("")
