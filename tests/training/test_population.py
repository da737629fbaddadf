"""Populations: every member is its single run, whatever becomes of the others."""

import dataclasses
import random

import eight_devices
import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from populations import bags, encoder, watch
from stand_ins import SETTINGS, Letters, Stopped, kill_and_return, same, stand_in, stop_at, task_data

from geojax.errors import InputError
from geojax.parallel import mesh
from geojax.training import finetune, memory, population, scoring
from geojax.training.population import Member, finetune_population
from geojax.training.settings import Settings


def check_against_singles(members):
    """Losses of every step and the last logits, to 1e-4."""
    together = []
    results = finetune_population(members, progress=watch(together))
    assert len(together) >= 30
    for k, (member, (params, result)) in enumerate(zip(members, results, strict=True)):
        alone = []
        own, expected = finetune.finetune(member.model, member.data, member.settings, progress=watch(alone))
        np.testing.assert_allclose([losses[k] for losses in together], alone, atol=1e-4, rtol=0)
        dev = finetune.encode_task(member.model.tokenizer, member.data, member.settings.max_length).dev["dev"]
        logits = [scoring.predict(member.model.apply, tree, dev) for tree in (params, own)]
        np.testing.assert_allclose(*logits, atol=1e-4, rtol=0)
        assert {name: result[name] for name in ("score", "metrics", "dev", "steps", "seed", "learning_rate")} == {
            name: expected[name] for name in ("score", "metrics", "dev", "steps", "seed", "learning_rate")
        }


@pytest.mark.slow
def test_members_of_other_noise_seeds_and_rates_are_their_single_runs():
    """With dropout, each in an order of its own: micro-batches are padded to the longest among the members."""
    data = task_data(n=40, dev=9, longest=20)
    settings = Settings(epochs=6, batch_size=8, max_length=24, micro_batch=4, weight_decay=0.01, warmup=0.1)
    check_against_singles(
        [
            Member(f"m{k}", encoder(5.0 * k), data, dataclasses.replace(settings, seed=k, learning_rate=1e-3 * (k + 1)))
            for k in range(3)
        ]
    )


def test_members_that_share_an_order_or_have_other_texts_are_their_single_runs():
    settings, data = dataclasses.replace(SETTINGS, epochs=6), task_data()
    models = [stand_in(), stand_in()]
    models[1].params = models[1].apply.init(seed=5)
    encoded = finetune.encode_task(Letters(), data, settings.max_length)
    check_against_singles([Member(f"m{k}", model, data, settings, encoded) for k, model in enumerate(models)])
    other = dataclasses.replace(data, train=task_data(seed=8).train)
    check_against_singles([Member("a", models[0], data, settings), Member("b", models[1], other, settings)])


def test_micro_batches_are_stacked_at_the_longest_length():
    train = finetune.encode_task(Letters(), task_data(), 32).train
    rows = [np.arange(16), np.arange(20, 36)]
    own = [train.micro_batches(index, 4) for index in rows]
    stacked = population.micro_batches([train, train], rows, 4, same=False)
    assert len({batch["input_ids"].shape for batch in stacked}) > 1
    for place, batch in enumerate(stacked):
        singles = [batches[place] for batches in own]
        assert batch["input_ids"].shape[2] == max(single["input_ids"].shape[1] for single in singles)
        for k, single in enumerate(singles):
            width = single["input_ids"].shape[1]
            np.testing.assert_array_equal(batch["input_ids"][k, :, :width], single["input_ids"])
            assert batch["attention_mask"][k].sum() == single["attention_mask"].sum()


def test_one_that_diverges_stays_as_it_was_and_the_others_go_on():
    members, losses = bags(), []
    calm = finetune_population(members)
    wild = dataclasses.replace(members[1], settings=dataclasses.replace(members[1].settings, learning_rate=3e38))
    found = finetune_population([members[0], wild, members[2]], progress=watch(losses))
    assert same(found[0][0], calm[0][0]) and same(found[2][0], calm[2][0])
    assert found[0][1]["score"] == calm[0][1]["score"] and "diverged_at" not in found[0][1]
    stopped = found[1][1]["diverged_at"]
    assert "score" not in found[1][1] and 1 < stopped < len(losses)
    finite = np.isfinite(np.array(losses))
    assert finite[:, [0, 2]].all() and finite[: stopped - 1, 1].all() and not finite[stopped - 1 :, 1].any()


@pytest.mark.parametrize("last", [1, 7])
def test_an_interrupted_population_ends_with_the_same_bits(tmp_path, last):
    """Where one has stopped, it stays so."""
    members = bags()
    members[2] = dataclasses.replace(members[2], settings=dataclasses.replace(members[2].settings, learning_rate=3e38))
    expected = finetune_population(members)
    options = {"workdir": tmp_path, "checkpoint_seconds": 0.0}
    with pytest.raises(Stopped):
        finetune_population(members, progress=stop_at(last), **options)
    found = finetune_population(members, **options)
    for (params, result), (known, before) in zip(found, expected, strict=True):
        assert same(params, known) and result.get("score") == before.get("score")
        assert result["resumed_at"] == last - 1 and result.get("diverged_at") == before.get("diverged_at")
    with pytest.raises(InputError, match="begun with other settings: m1 learning_rate was 0.025 and is now 0.5"):
        changed = dataclasses.replace(members[1].settings, learning_rate=0.5)
        finetune_population([members[0], dataclasses.replace(members[1], settings=changed), members[2]], **options)


RUN = """
import pickle, sys
sys.path.insert(0, sys.argv[2])
import jax
from pathlib import Path
from populations import bags
from geojax.training.population import finetune_population
found = finetune_population(
    bags(epochs=int(sys.argv[3])), workdir=sys.argv[1], checkpoint_seconds=0.05,
    progress=lambda step, total, loss: print(step, flush=True),
)
leaves = [[leaf.tobytes() for leaf in jax.tree.leaves(params)] for params, _ in found]
(Path(sys.argv[1]) / "final.pickle").write_bytes(pickle.dumps((leaves, [result["score"] for _, result in found])))
"""


@pytest.mark.slow
def test_a_killed_population_ends_with_the_same_bits(tmp_path):
    undisturbed = kill_and_return(tmp_path / "a", 60, 0, random.Random(0), RUN)
    assert kill_and_return(tmp_path / "b", 60, 4, random.Random(1), RUN) == undisturbed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"settings": dataclasses.replace(SETTINGS, epochs=4)},
            "m1 cannot train in one step with m0: epochs is 4 and 3",
        ),
        (
            {"model": stand_in(rate=0.5)},
            "architecture is Bag.* a population may differ in parameters, texts, learning_",
        ),
        ({"data": task_data(n=60)}, "training examples is 60 and 70"),
        ({"name": "m0"}, "members of a population need names of their own: m0, m0"),
    ],
)
def test_members_that_do_not_fit(changed, message):
    members = bags(2)
    with pytest.raises(InputError, match=message):
        finetune_population([members[0], dataclasses.replace(members[1], **changed)])
    with pytest.raises(InputError, match="a population needs a member"):
        finetune_population([])


@pytest.mark.slow
def test_members_lie_over_as_many_devices_as_divide_them():
    """Eight fake devices, in a process of their own: the losses are those of single runs on one of them."""
    record = eight_devices.run("sharded_population.py")
    assert record["devices"] == {"8": 8, "6": 6, "9": 3, "11": 1} and record["laid over"] == 8
    assert record["exchanged"] == [] and record["whole on one device"] == []
    np.testing.assert_allclose(record["together"], record["alone"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("count", "fitting", "devices", "expected"),
    [
        (10, 100, 1, 10),
        (10, 7, 1, 5),  # twice five, not seven and three: one compilation
        (10, 0, 1, 1),
        (6, 100, 8, 6),
        (16, 100, 8, 16),
        (20, 17, 8, 12),  # two on each of six devices, then one on each of eight
        (9, 100, 8, 5),  # and four: as nine they would lie on three devices
        (3, 1, 8, 1),
        (5, 10, 4, 3),  # as five they would lie on one device, which holds two
        (13, 12, 4, 9),
    ],
)
def test_how_many_train_at_once(count, fitting, devices, expected):
    assert memory.share(count, fitting, devices) == expected


@hypothesis.given(count=st.integers(1, 40), each=st.integers(0, 12), devices=st.integers(1, 8))
def test_every_run_of_a_population_fits_on_its_devices(count, each, devices):
    at_once = memory.share(count, each * devices, devices)
    assert 1 <= at_once <= count
    for members in {at_once, count % at_once} - {0}:
        assert members // mesh.devices_of(members, devices) <= max(1, each)


@pytest.mark.slow
def test_the_estimate_grows_with_the_model_and_the_micro_batch():
    data = finetune.encode_task(Letters(), task_data(n=20), 24).train
    settings = Settings(max_length=24, micro_batch=2)
    small = memory.estimate(encoder(), settings, data, 4)
    parameters = 4 * sum(leaf.size for leaf in jax.tree.leaves(encoder().params))
    assert (
        small.at_once == 4 and small.free < memory.host_bytes() * 1.5 and small.each > 6 * parameters
    )  # twice itself, two moments, sums, gradients
    large = memory.estimate(encoder(), dataclasses.replace(settings, micro_batch=16), data, 4)
    assert large.each > small.each
    assert "4 train at once: each needs 0.00 GiB of" in str(small)


def test_what_files_hold_in_the_cache_of_a_container_is_free(monkeypatch, tmp_path):
    for name, text in (("max", "4000"), ("current", "3000"), ("stat", "anon 500\ninactive_file 2000\nslab 100")):
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(memory, "CONTAINER", [[tmp_path / name for name in ("max", "current", "stat")]])
    assert memory.host_bytes() == 3000
