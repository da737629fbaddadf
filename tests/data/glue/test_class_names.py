"""Classes of a data set by their names, whatever their order."""

import json
from itertools import permutations

import pytest

from geojax.data import glue
from geojax.errors import InputError

ORDERS = list(permutations(["entailment", "neutral", "contradiction"]))
RTE_ORDERS = list(permutations(["entailment", "not_entailment"]))
TRUTH = {"entailment": 0, "neutral": 1, "contradiction": 2, "not_entailment": 1}  # the classes of GLUE


def named(name, order, truth, features=True):
    """Columns of a task whose labels number the classes in `order`, with or without the names in the file."""
    import datasets

    first, second = glue.TASKS[name].hub_columns
    columns = {first: ["p"] * len(truth), second: [f"h{i}" for i in range(len(truth))]}
    columns["label"] = [order.index(one) for one in truth]
    kinds = {first: datasets.Value("string"), second: datasets.Value("string")}
    kinds["label"] = datasets.ClassLabel(names=list(order)) if features else datasets.Value("int64")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def hub_of(folder, name, description=None, **splits):
    (folder / name).mkdir(parents=True)
    for split, parts in splits.items():
        for place, part in enumerate(parts):
            part.to_parquet(folder / name / f"{split}-{place:05d}-of-{len(parts):05d}.parquet")
    for file, text in (description or {}).items():
        (folder / file).write_text(text)
    return glue.load(name, hub=str(folder))


@pytest.mark.parametrize("name, order", [("mnli", one) for one in ORDERS] + [("rte", one) for one in RTE_ORDERS])
def test_labels_are_mapped_by_the_names_of_the_file(tmp_path, hub_cache, name, order):
    truth = [*order, order[0], order[-1]]
    dev = glue.TASKS[name].dev[0].hub
    data = hub_of(tmp_path / "hub", name, train=[named(name, order, truth)], **{dev: [named(name, order, truth[::-1])]})
    assert data.train.labels.tolist() == [TRUTH[one] for one in truth]
    assert next(iter(data.dev.values())).labels.tolist() == [TRUTH[one] for one in truth[::-1]]
    reordered = [TRUTH[one] for one in order] != sorted(TRUTH[one] for one in order)
    assert data.source.get("class_names", {}).get("train", "") == (" ".join(order) if reordered else "")


def test_every_split_and_shard_has_an_order_of_its_own(tmp_path, hub_cache):
    truth = ["neutral", "contradiction", "entailment"]
    shards = [named("mnli", order, truth) for order in ORDERS[:3]]
    data = hub_of(tmp_path / "hub", "mnli", train=shards, validation_matched=[named("mnli", ORDERS[5], truth)])
    assert data.train.labels.tolist() == 3 * [1, 2, 0]
    assert data.dev["dev_matched"].labels.tolist() == [1, 2, 0]


CLASSES = {"features": {"label": {"names": list(ORDERS[5]), "_type": "ClassLabel"}}}
CARD = """---
dataset_info:
- config_name: mnli
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': contradiction
          '1': neutral
          '2': entailment
- config_name: rte
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': entailment
          '1': not_entailment
---
A card.
"""
DESCRIPTIONS = [
    {"README.md": CARD},
    {"dataset_infos.json": json.dumps({"mnli": CLASSES, "other": {"features": {}}})},
    {"dataset_info.json": json.dumps(CLASSES)},
    {"mnli/dataset_info.json": json.dumps(CLASSES)},
]


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda one: next(iter(one)))
def test_labels_are_mapped_by_the_description_of_the_folder(tmp_path, hub_cache, description):
    split = named("mnli", ORDERS[5], ["entailment", "contradiction", "neutral"], features=False)
    data = hub_of(tmp_path / "hub", "mnli", description, train=[split], validation_matched=[split])
    assert data.train.labels.tolist() == [0, 2, 1]


def test_names_that_are_unknown_or_disagree_are_refused(tmp_path, hub_cache):
    def load(folder, split, description=None, name="mnli"):
        dev = glue.TASKS[name].dev[0].hub
        return hub_of(tmp_path / folder, name, description, train=[split], **{dev: [split]})

    other = named("mnli", ("entailment", "neutral", "contrast"), ["neutral"])
    with pytest.raises(InputError, match="class name 'contrast' is none of mnli's, entailment, neutral, contradiction"):
        load("unknown", other)
    three = named("rte", ORDERS[0], ["neutral"])
    with pytest.raises(InputError, match="class name 'neutral' is none of rte's, entailment, not_entailment"):
        load("three", three, name="rte")
    with pytest.raises(
        InputError, match="train-.*parquet names the classes entailment, .*, neutral, entailment: it is unknown"
    ):
        load("hub", named("mnli", ORDERS[0], ["neutral"]), {"README.md": CARD})
    with pytest.raises(InputError, match="name one class of mnli twice"):
        load("twice", named("mnli", ("entailment", "Entailment", "2"), ["2"]))
    with pytest.raises(InputError, match=r"dataset_infos.json cannot be read \(JSONDecodeError"):
        load("damaged", named("mnli", ORDERS[0], ["neutral"]), {"dataset_infos.json": "{"})
    with pytest.raises(InputError, match="row 2: label 3 is none of entailment"):
        load("number", named("mnli", ("neutral", "x", "contradiction", "entailment"), ["neutral", "entailment"], False))
    with pytest.raises(InputError, match="the labels are the classes low, high, stsb needs numbers"):
        load("scores", named("stsb", ("low", "high"), ["low"]), name="stsb")
