"""The replication in miniature: every way of making a base, killed and gone on with, elsewhere, from its ledger."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from places import FIXTURES, ROOT

from configs.schema import Replication
from experiments import distill, replication
from experiments.replication import base_models, build_models, command, tables
from experiments.replication.plan import floor
from geojax import models
from geojax.data import glue
from geojax.errors import InputError
from geojax.regression import units
from geojax.runtime import records
from geojax.sweeps import engine

BERT = FIXTURES / "random-bert"
WORDS = "flat round wide narrow cone sphere point line curve plane".split()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Text to pre-train on, sequences, and CoLA and STS-B in the official layout, a few made-up rows each."""
    import numpy as np

    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    text = lambda count: " ".join(rng.choice(WORDS, count))  # noqa: E731
    for name, rows in (("text", 300), ("held_out", 300), ("sequences", 160)):
        (folder / f"{name}.txt").write_text("\n".join(text(6) + "." for _ in range(rows)) + "\n")
    for split, rows in (("train", 40), ("dev", 12)):
        (folder / "CoLA").mkdir(exist_ok=True)
        (folder / "STS-B").mkdir(exist_ok=True)
        lines = [f"src\t{i % 2}\t\t{text(4)}" for i in range(rows)]
        (folder / "CoLA" / f"{split}.tsv").write_text("\n".join(lines) + "\n")
        head = "index genre filename year old_index source1 source2 sentence1 sentence2 score".replace(" ", "\t")
        lines = [f"{i}\tg\tf\ty\to\ts\ts\t{text(4)}\t{text(4)}\t{rng.uniform(0, 5):.3f}" for i in range(rows)]
        (folder / "STS-B" / f"{split}.tsv").write_text("\n".join([head, *lines]) + "\n")
    return folder


@pytest.fixture
def few(monkeypatch):
    """Few bases, of every way of making one, and short ladders."""
    kinds = {
        "distilled": ("distill", 2, {}),
        "mlm": ("pretrain", 2, {}),
        "ascii_sum": ("pretrain", 1, {"objective": "ascii_sum"}),
    }
    monkeypatch.setattr(base_models, "KINDS", kinds)
    monkeypatch.setattr(distill, "HELD_OUT", 3)
    monkeypatch.setattr(base_models, "LARGE", (0.0,))
    monkeypatch.setattr(base_models, "SHORT", (0.0, 8.0))
    monkeypatch.setattr(base_models, "TRAJECTORY", (0.0, 0.5))
    monkeypatch.setattr(base_models, "SURGERIES", 1)
    monkeypatch.setattr(base_models, "SHALLOW", (0.0, 8.0))
    monkeypatch.setattr(base_models, "DEEP", (0.0, 4.0))


def settings(files, **changed):
    base = {
        "model": str(BERT), "sentences": 250, "text": str(files / "text.txt"), "eval_text": str(files / "held_out.txt"),
        "sequences": str(files / "sequences.txt"), "data_dir": str(files), "tasks": "cola,stsb", "outcome": "stsb",
        "points": 200, "epochs": 1, "batch_size": 8, "max_length": 16, "learning_rate": 1e-3,
        "layers": 1, "hidden_size": 16, "length": 16, "steps": 12, "codebook_size": 8,
        "quantizer_seeds": 2, "groups": 5, "intervention_steps": 12, "seeds": "42,43",
    }  # fmt: skip
    return Replication(**base | changed)


@pytest.mark.slow
def test_a_dry_run_tells_what_every_missing_unit_takes(files, few, tmp_path):
    config = settings(files, population=2)
    found = replication.costs(config, tmp_path)
    units = command.sweep(config, tmp_path).units
    assert list(found) == [unit.name for unit in units]
    token = 8 * 16**2 + 4 * 16 * 64  # multiplications and additions of one layer, without attention's products
    each = token * 16 + 4 * 16**2 * 16
    assert found["make/mlm_0"].operations == 3 * 12 * 16 * each  # steps, windows of 16 tokens; a backward pass is two
    assert found["make/plain_0"].operations == 3 * 3 * 12 * 32 * each  # three arms
    assert found["make/down_0"].operations == found["make/shuffled_0"].operations == 0  # made with another, or copied
    teacher = 3 * (250 * (8 * 16 * 24**2 + 4 * 16 * 24 * 40 + 4 * 16**2 * 24))  # of 250 sentences, three layers
    assert found["make/distilled_0"].operations == 3 * 12 * 64 * each + teacher
    assert found["make/distilled_1"].operations == 3 * 12 * 64 * each
    two, one = (found[f"tune/{name}/42"] for name in ("mlm_0+1", "plain_0"))
    assert two.operations == 2 * one.operations and two.memory == 2 * one.memory and two.parameters == one.parameters
    assert found["tune/mlm_0+1/43"].operations < two.operations  # the outcome's task only
    own = sum(leaf.size for leaf in jax.tree.leaves(models.load(BERT).params))
    assert found["measure/larger"].parameters == found["make/larger"].parameters == own
    done = dict.fromkeys(units[0].entries, 1.0) | {"settings": dict(units[0].settings)}
    records.write_json(units[0].folder / "result.json", done)
    assert list(replication.costs(config, tmp_path)) == [unit.name for unit in units[1:]]
    with pytest.raises(InputError, match="no text at gone"):
        replication.costs(settings(files, text="gone"), tmp_path)


@pytest.mark.slow
def test_a_replication_makes_measures_and_scores_all_models(files, few, tmp_path):
    ledger = tmp_path / "ledger.jsonl"

    def at(place):
        return replace(command.sweep(settings(files), tmp_path / place), ledger=ledger)

    first = at("here")
    engine.run_alone(first, first.units[: len(first.units) // 2])  # as if it had been stopped
    engine.run(at("there"))
    table = pd.read_csv(tmp_path / "there" / "results.csv", dtype={"dose_kind": str})
    kinds = dict(table["kind"].value_counts())
    assert kinds == {
        "distilled": 5, "trajectory": 2, "mlm": 4, "ascii_sum": 2, "shuffled": 1, "transplanted": 1, "untrained": 1,
        "untrained_embedded": 1, "plain": 2, "down": 2, "up": 2, "larger": 1,
    }  # fmt: skip
    assert (
        table[["eee", "lsq_patchiness", "paper_lsq_patchiness", "lsq_patchiness_se_sampling", "stsb"]]
        .notna()
        .all(axis=None)
    )
    assert (table["mlm_loss"].notna() == table["kind"].isin(["mlm", "plain", "down", "up"])).all()
    assert table["outcome"][(table["kind"] == "distilled") & (table["alpha"] == 0)].mean() == pytest.approx(1)
    assert (table["outcome_seed_43"].notna() == (table["kind"] != "larger")).all()
    without_cola = (table["kind"] == "larger") | (table["undefined"] > 0)  # predicts one class
    assert (table["cola"].isna() == without_cola).all()
    both = table[["outcome_seed_42", "outcome_seed_43"]].mean(axis=1)
    assert both.dropna().to_numpy() == pytest.approx(table["outcome"][both.notna()].to_numpy())
    assert set(table["runs"][table["kind"] != "larger"]) == {3}
    assert table["eee"].nunique() == len(table)
    assert set(table["devices"]) == {records.versions()["device"]}
    assert table["versions"].str.contains(f", jax {jax.__version__}, ").all()
    made = {unit.name: "loss" in unit.result() for unit in first.units if unit.name.startswith("make/distilled_0")}
    assert made == {"make/distilled_0": True, "make/distilled_0_step_0": False, "make/distilled_0_step_6": False}
    assert len(ledger.read_text().splitlines()) == 1 + len(first.units)
    again = at("elsewhere")  # the tables need the ledger alone
    engine.collect(again)
    assert (tmp_path / "elsewhere" / "results.csv").read_text() == (tmp_path / "there" / "results.csv").read_text()


def test_a_measure_of_classes_is_the_mean_over_the_tasks_that_have_classes():
    transfer = {"sst2": {"logme": 1.0, "h_score": 4.0}, "stsb": {"logme": 2.0}, "cola": {"logme": 9.0, "h_score": 9.0}}
    assert tables.labelled({"transfer": transfer}, ("sst2", "stsb")) == {"logme": 1.5, "h_score": 4.0}


def test_undefined_scores_are_left_out_of_means_and_counted():
    nan = np.nan
    runs = [{"scores": {"cola": nan, "stsb": 0.4, "rte": None}}, {"scores": {"cola": 0.2, "stsb": 0.6, "rte": 0.5}}]
    assert tables.means_of(runs) == {"cola": 0.2, "stsb": 0.5, "rte": None}  # None: a run that diverged
    assert np.isnan(tables.means_of(runs[:1])["cola"])
    assert np.isnan(tables.outcome({"cola": nan, "stsb": 0.5}, {"cola": 0.0, "stsb": 0.0}, {"cola": 0.4, "stsb": 0.8}))
    assert tables.outcome({"cola": nan, "stsb": 0.5}, {"stsb": 0.0}, {"stsb": 0.8}) == 0.625
    assert tables.outcome({"cola": nan, "stsb": None}, {}, {"cola": 0.4, "stsb": 0.8}) is None


def test_the_floor_is_the_best_constant_prediction():
    def data(name, labels):
        examples = glue.Examples(("a",) * len(labels), None, np.array(labels))
        return glue.TaskData(glue.TASKS[name], examples, {"dev": examples}, {})

    assert floor(data("rte", [0, 0, 1, 0])) == 0.75
    assert floor(data("mrpc", [1, 1, 1, 0])) == (0.75 + 6 / 7) / 2
    assert floor(data("cola", [0, 1, 1])) == floor(data("stsb", [0.0, 1.0])) == 0.0  # a constant has no correlation


def test_the_pool_has_the_families_that_were_asked_for():
    bases = base_models.bases(4000)
    models = base_models.models(bases)
    assert len({model.name for model in models}) == len(models) == 187
    assert len({base.family for base in bases}) >= 10
    known = set()
    for base in bases:
        assert known.issuperset(base.needs)
        known.add(base.name)


def test_a_recipe_is_how_a_base_was_made_without_its_seed():
    bases = {base.name: base for base in base_models.bases(4000)}
    found = {name: base_models.recipe(base, bases) for name, base in bases.items()}
    assert found["distilled_0"] == found["distilled_4"] == "distill" and found["deep_1"] == "distill layers=4"
    assert found["distilled_0_step_80"] == "distill > snapshot step=80"
    assert found["transplanted_1"] == "distill > surgery operation=transplant"
    assert found["untrained_2"] == "surgery operation=untrained"  # nothing of the distilled base is left in it
    assert found["up_3"] == "pretrain > regularize arm=up" and found["larger"] == "given"
    table = pd.read_csv(ROOT / "docs" / "results" / "replication" / "results.csv")
    assert list(table["recipe"]) == [found[base] for base in table["base"]]
    pool = table[~table["kind"].isin(base_models.APART)]
    assert units.by_recipe(pool).count == 11 and pool["family"].nunique() == 35


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"outcome": "sst2"}, "sst2, which is not among the tasks"),
        ({"seeds": ""}, "needs a seed"),
        ({"population": 0}, "population of 1 or more"),
    ],
)
def test_bad_settings_get_a_sentence(files, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        command.sweep(settings(files, **changed), tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"text": "gone.txt"}, "no text at gone.txt: give files with --config.text"),
        ({"eval_text": ""}, "no text at '': give files with --config.eval_text"),
        ({"model": "./gone"}, "model folder ./gone does not exist"),
    ],
)
def test_material_that_is_absent_is_named_before_anything_slow(files, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        command.run(settings(files, **changed), tmp_path)


def test_only_what_is_still_to_be_made_needs_its_material(files, tmp_path):
    def check(*names, **changed):
        build_models.Maker(settings(files, **changed), tmp_path).check(names)

    check("mlm_0", model="./gone")
    with pytest.raises(InputError, match="gone does not exist"):
        check("distilled_0_step_0", model="./gone")  # its training has a teacher
    (tmp_path / "models" / "distilled_0_step_0").mkdir(parents=True)
    (tmp_path / "models" / "distilled_0_step_0" / "config.json").write_text("{}")
    check("distilled_0_step_0", text="gone.txt", model="./gone")


def test_the_larger_encoder_may_be_a_name(files, tmp_path):
    larger = next(base.name for base in base_models.bases(4000) if base.how == "given")
    folder = build_models.Maker(settings(files, model="geojax-bert-tiny"), tmp_path).folder(larger)
    assert (folder / "config.json").exists()
