"""The names of a head's outputs: reading, writing, and predictions and trainings that follow them."""

import dataclasses
import json
import shutil
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from places import FIXTURES
from stand_ins import SETTINGS, Bag, stand_in, task_data

from geojax import models
from geojax.data import glue
from geojax.data.tasks import encode_task
from geojax.errors import InputError
from geojax.models.label_names import read_label_names
from geojax.training import finetune, scoring
from geojax.training.population import Member, finetune_population

ENTAILMENT = ("entailment", "neutral", "contradiction")


def outputs(model):
    return np.asarray(model.params["head"]["output"]["bias"]).shape[0]


def with_names(tmp_path, **entries):
    """A copy of a checkpoint with three labels whose config.json has these entries."""
    folder = Path(shutil.copytree(FIXTURES / "random-bert", tmp_path / "model", dirs_exist_ok=True))
    record = json.loads((folder / "config.json").read_text())
    record = {name: value for name, value in record.items() if name not in ("id2label", "label2id")} | entries
    (folder / "config.json").write_text(json.dumps(record))
    return folder


def numbers(*names):
    return {str(index): name for index, name in enumerate(names)}


def inverse(*names):
    return {name: index for index, name in enumerate(names)}


@pytest.mark.parametrize(
    "entries, expected",
    [
        ({}, None),
        ({"id2label": numbers("LABEL_0", "LABEL_1", "LABEL_2")}, None),
        ({"id2label": numbers("LABEL_0", "LABEL_1")}, None),  # transformers' default, whatever the head is
        ({"id2label": numbers("0", "1", "2"), "label2id": inverse("0", "1", "2")}, None),
        ({"id2label": numbers("c", "n", "e"), "label2id": inverse("c", "n", "e")}, ("c", "n", "e")),
        ({"id2label": numbers("c", "n", "e"), "label2id": inverse("LABEL_0", "LABEL_1")}, ("c", "n", "e")),
        ({"id2label": numbers("c", "n", "e"), "label2id": inverse("C", "N", "E")}, ("c", "n", "e")),
        ({"label2id": {"c": "0", "e": 2, "n": 1}}, ("c", "n", "e")),
        ({"id2label": numbers("LABEL_0", "LABEL_1", "LABEL_2"), "label2id": inverse("c", "n", "e")}, ("c", "n", "e")),
        ({"id2label": numbers("LABEL_2", "LABEL_1", "LABEL_0")}, ("LABEL_2", "LABEL_1", "LABEL_0")),
    ],
)
def test_names_are_read_from_either_record(tmp_path, entries, expected):
    model = models.load(with_names(tmp_path, **entries), head="classification")
    assert outputs(model) == 3 and model.apply.label_names == expected


@pytest.mark.parametrize(
    "entries, message",
    [
        (
            {"id2label": numbers("c", "n", "e"), "label2id": inverse("e", "n", "c")},
            "gives 'c' the number 2, id2label 0",
        ),
        ({"id2label": numbers("yes", "no")}, "names the classes 0: yes, 1: no, the head has 3 outputs"),
        ({"id2label": {"0": "c", "1": "n", "3": "e"}}, "names the classes 0: c, 1: n, 3: e, the head has 3 outputs"),
        ({"id2label": numbers("c", "c", "e")}, "names the classes 0: c, 1: c, 2: e"),
        ({"label2id": {"c": 0, "n": 0, "e": 1}}, "the head has 3 outputs"),
        ({"id2label": ["c", "n", "e"]}, "id2label and label2id must number the classes"),
    ],
)
def test_records_that_contradict_are_refused(tmp_path, entries, message):
    folder = with_names(tmp_path, **entries)
    with pytest.raises(InputError, match=message):
        models.load(folder, head="classification")


def test_a_byte_order_mark_ends_in_names_or_a_sentence(tmp_path):
    """The reader of the config takes the mark; transformers, which reads the tokenizer, refuses it."""
    folder = with_names(tmp_path, id2label=numbers("x", "y", "z"))
    config = folder / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert read_label_names(folder, 3) == ("x", "y", "z")
    with pytest.raises(InputError, match="the tokenizer in .* cannot be read"):
        models.load(folder, head="classification")


def test_a_new_head_has_no_names(tmp_path):
    folder = with_names(tmp_path, id2label=numbers("yes", "no"))
    assert models.load(folder, head="classification", num_labels=3, key=jax.random.key(0)).apply.label_names is None


def test_names_are_written_and_read_again(tmp_path):
    folder = with_names(tmp_path, id2label=numbers(*ENTAILMENT))
    model = models.load(folder, head="classification")
    models.save(tmp_path / "saved", model.apply, model.params, model.tokenizer)
    record = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert record["id2label"] == numbers(*ENTAILMENT) and record["label2id"] == inverse(*ENTAILMENT)
    assert models.load(tmp_path / "saved", head="classification").apply.label_names == ENTAILMENT
    unnamed = dataclasses.replace(model.apply, label_names=None)
    assert unnamed == model.apply and hash(unnamed) == hash(model.apply)  # so that programs are shared


def mnli(n=24):
    """Pairs whose label is the class that a checkpoint predicts, or nearly so."""
    data = task_data("sst2", n=n, dev=30, longest=8)
    pairs = {
        name: dataclasses.replace(part, text_b=part.text_a) for name, part in ({"t": data.train} | data.dev).items()
    }
    return dataclasses.replace(data, task=glue.TASKS["mnli"], train=pairs.pop("t"), dev=pairs)


def permuted(params, order):
    """The parameters of a head with its outputs in another order."""
    head = dict(params["head"])
    head["output"] = {name: np.asarray(leaf)[..., list(order)] for name, leaf in params["head"]["output"].items()}
    return params | {"head": head}


def memorised():
    """A checkpoint and data on which it is right in every row, its outputs in the order of the hub."""
    model = models.load(FIXTURES / "random-bert", head="classification")
    data = mnli()
    encoded = encode_task(model.tokenizer, data, 16)
    params = permuted(model.params, range(3))
    logits = scoring.predict(model.apply, params, encoded.dev["dev"])
    params["head"]["output"]["bias"] = np.float32(params["head"]["output"]["bias"] - np.median(logits, axis=0))
    labels = scoring.predict(model.apply, params, encoded.dev["dev"]).argmax(1).astype(np.int32)
    assert len(set(labels.tolist())) == 3
    dev = {"dev": dataclasses.replace(encoded.dev["dev"], labels=labels)}
    return model, params, data, encoded._replace(dev=dev)


def test_a_memorised_task_scores_1_whatever_the_order_of_the_checkpoint():
    model, params, data, encoded = memorised()
    for order in permutations(range(3)):
        names = tuple(ENTAILMENT[index].upper() for index in order)
        apply = dataclasses.replace(model.apply, label_names=names)
        assert scoring.scored(apply, permuted(params, order), data.task, encoded.dev)["score"] == 1.0
    unnamed = scoring.scored(model.apply, permuted(params, (2, 0, 1)), data.task, encoded.dev)
    assert unnamed["score"] == 0.0  # the class numbers of another order
    apply = dataclasses.replace(model.apply, label_names=("joy", "anger", "fear"))
    with pytest.raises(InputError, match="the head of the model: class name 'joy' is none of mnli's, entailment"):
        scoring.scored(apply, params, data.task, encoded.dev)


@dataclasses.dataclass(frozen=True)
class Named(Bag):
    """A stand-in for a head that names its outputs."""

    label_names: tuple[str, ...] | None = dataclasses.field(default=None, compare=False)


def test_training_goes_on_with_the_order_of_the_checkpoint():
    """A head in another order learns the same: its outputs are the same, in its own order."""
    data, order = task_data(n=32, longest=6), [1, 0]
    own = stand_in()
    own.apply = Named(2, 0.0, ("negative", "positive"))
    head = {name: np.asarray(leaf)[..., order] for name, leaf in own.params["head"].items()}
    other = SimpleNamespace(**vars(own))
    other.apply, other.params = Named(2, 0.0, ("POSITIVE", "NEGATIVE")), own.params | {"head": head}
    found, result = finetune.finetune(own, data, SETTINGS)
    also, same = finetune.finetune(other, data, SETTINGS)
    assert same["score"] == result["score"]
    np.testing.assert_allclose(also["head"]["kernel"], found["head"]["kernel"][..., order], atol=1e-6)
    members = [Member(name, each, data, SETTINGS) for name, each in (("own", own), ("other", other))]
    ((one, first), (two, second)) = finetune_population(members)
    assert first["score"] == second["score"] == result["score"]
    np.testing.assert_allclose(two["head"]["kernel"], one["head"]["kernel"][..., order], atol=1e-6)
