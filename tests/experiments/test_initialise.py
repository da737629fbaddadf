"""The experiment on initialisation: its stages in their order, a whole small run, a run that is killed or fails."""

import itertools
import json
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest

from configs.schema import Initialise
from experiments import initialise
from experiments.initialise import arms, command, development, materials, probes, sizes, tables, trial
from experiments.initialise.analysis import Curve
from experiments.initialise.sizes import SIZES
from geojax.errors import InputError
from geojax.measures import spread
from geojax.runtime import records
from geojax.sweeps import engine
from geojax.training import geometry

FEW = ("standard", "geometry", "displaced")
RATE = 1.5e-3


def result(losses, cost=0.0, every=50):
    """A result of a run with these losses."""
    return {"losses": [[every * place, loss] for place, loss in enumerate(losses)], "start": {"seconds": cost},
            "step_seconds": 0.1}  # fmt: skip


def rates_of(size):
    """The record of runs that choose a rate: the middle one is best, and the start of geometry takes 12 s."""
    found = {}
    for arm, (place, rate), seed in itertools.product(arms.CHOOSING, enumerate(sizes.RATES), sizes.DEVELOPMENT_SEEDS):
        losses = 8.5 - 0.1 * (1 - 0.1 * abs(place - 1)) * np.arange(size.rate_steps // size.every + 1)
        found[arm, rate, seed] = result(losses, cost=12.0 + seed if arm == "geometry" else 0.01)
    return development.choose_rates(found, size)


def goal_runs(size):
    """Runs that fall in a straight line to a goal of 3.6; the control is a fifth faster."""
    return {
        (arm, seed): result(8.5 - 0.1 * speed * (1 + 0.01 * seed) * np.arange(size.steps // size.every + 1))
        for arm, speed in {"standard": 1.0, "mimetic": 1.25}.items()
        for seed in sizes.DEVELOPMENT_SEEDS
    }


def chosen(size, unigram=7.5, **changes):
    return development.choose(rates_of(size), goal_runs(size) | changes, unigram, size)


def test_the_choice_takes_the_best_rate_the_median_goal_and_the_dearest_start():
    size = sizes.FEASIBLE
    found = chosen(size)
    assert found["rates"] == dict.fromkeys(arms.CHOOSING, 1.5e-3)
    assert found["goal"] == pytest.approx(8.5 - 0.1 * 1.025 * 48)  # step 2 400
    assert found["more_steps"] == 150 and found["cost"]["geometry"] == pytest.approx(150)
    assert found["gate"]["gain"] == pytest.approx(7.5 - found["goal"])
    assert found["gate"]["contrast"] == pytest.approx(0.2, abs=1e-3) and found["passed"]
    assert not chosen(size, found["goal"] + 0.4)["passed"]
    same = {("mimetic", seed): goal_runs(size)["standard", seed] for seed in sizes.DEVELOPMENT_SEEDS}
    assert not development.choose(rates_of(size), goal_runs(size) | same, 7.5, size)["passed"]


def test_a_rate_at_which_a_run_fails_is_not_chosen():
    size = sizes.FEASIBLE
    runs = {(arm, rate, seed): result([8.5] * 17) for arm, rate, seed in
            itertools.product(arms.CHOOSING, sizes.RATES, sizes.DEVELOPMENT_SEEDS)}  # fmt: skip
    runs["standard", sizes.RATES[0], 2] = result([8.5, 8.4, np.nan])
    assert development.choose_rates(runs, size)["rates"]["standard"] == sizes.RATES[1]


def test_a_gate_that_is_not_passed_stops_the_experiment(tmp_path):
    records.write_json(tmp_path / development.RECORD, chosen(sizes.FEASIBLE, 3.54))
    with pytest.raises(InputError, match=r"the goal is -0\.04 nats below the unigram loss, and the positive control"):
        command.Stage(Initialise(stage="look"), tmp_path)


def test_every_arm_has_a_rate_and_a_start_and_stages_share_no_run(tmp_path):
    known = {*materials.MOVED, "standard", "displaced", "mimetic", "rotated", "scale", "spectrum", "frequency", "warm"}
    assert {arm.rate_of for arm in arms.BY_NAME.values()} <= {*arms.CHOOSING}
    assert {arm.begins for arm in arms.BY_NAME.values()} <= known
    assert all(arm.begins in materials.MOVED for arm in arms.BY_NAME.values() if arm.held)
    records.write_json(tmp_path / development.RATES_RECORD, rates_of(sizes.FEASIBLE))
    records.write_json(tmp_path / development.RECORD, chosen(sizes.FEASIBLE))
    records.write_json(tmp_path / command.LOOK, {"stop": False})
    (tmp_path / "confirmatory.csv").write_text("")
    names = {}
    for stage in command.STAGES:
        units = command.Stage(Initialise(stage=stage), tmp_path).units
        names[stage] = {unit.name for unit in units}
        if stage not in ("rates", "development"):
            assert {unit.settings["steps"] for unit in units if unit.name.startswith("standard/")} <= {3350}
            assert {unit.settings["steps"] for unit in units if unit.name.startswith("geometry/")} <= {3200}
    assert [len(some) for some in names.values()] == [24, 4, 12, 16, 84]
    assert len(set.union(*names.values())) == 140
    records.write_json(tmp_path / command.LOOK, {"stop": True})
    with pytest.raises(InputError, match=r"look\.json says to stop: the start lost in each of 3 seeds"):
        command.Stage(Initialise(stage="confirmatory"), tmp_path)


def test_an_outcome_without_a_value_in_some_seed_has_no_mean():
    def row(arm, seed, steps, memory):
        return dict.fromkeys(tables.BY_RUN, 0.0) | {"arm": arm, "seed": seed, "steps": steps, "memory": memory}

    rows = [row("standard", seed, 100.0, None) for seed in (1, 2)]
    rows += [row("held", 1, 90.0, 3.0), row("held", 2, np.inf, 5.0)]
    found = {(some["arm"], some["outcome"]): some for some in tables.outcomes(rows, [])}
    assert found["held", "steps"]["absent"] == 1 and "mean" not in found["held", "steps"]
    assert found["held", "memory"]["mean"] == 4.0 and "difference" not in found["held", "memory"]
    assert found["standard", "steps"]["mean"] == 100.0


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Settings of a run with few arms, on a text of a few words; VRM, slow to compile, stands for IsoScore."""
    monkeypatch.setitem(geometry.DIRECT, "vrm", spread.isoscore)
    monkeypatch.setattr(command, "ARMS", tuple(arms.BY_NAME[name] for name in FEW))
    for module in (command, development):
        monkeypatch.setattr(module, "RATES", (RATE,))
    random, words = np.random.default_rng(0), "the king saw a small ship near an old town and went on to sea".split()
    for name, count in {"text": 300, "held_out": 60}.items():
        lines = [" ".join(random.choice(words, 12)) for _ in range(count)]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    return Initialise(text=str(tmp_path / "text.txt"), eval_text=str(tmp_path / "held_out.txt"), size="tiny")


def test_a_dry_run_counts_the_encoder_that_gives_targets_once(small, tmp_path):
    size, found = SIZES["tiny"], initialise.costs(small, tmp_path / "run")
    token = 2 * 12 * size.hidden_size**2 + 4 * size.length * size.hidden_size  # of one layer, with attention's products
    window = size.length * token
    held_out = size.maskings * size.windows * window
    part = 3 * size.batch_size * window * size.rate_steps + 4 * held_out  # evaluations at 0, 4, 8, 12
    assert {name.split("/")[0] for name in found} == {*arms.CHOOSING}
    assert found["standard/rate_0.0015/seed_2"].operations == part
    first, *others = [cost for name, cost in found.items() if name.startswith("geometry")]
    assert first.operations == part + 3 * size.batch_size * window * size.target_steps
    assert {cost.operations for cost in others} == {part}
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_stages_follow_each_other_to_a_table_and_a_killed_run_ends_with_the_same_numbers(small, tmp_path, killed):
    workdir, size = tmp_path / "run", SIZES["tiny"]
    initialise.run(small, workdir)
    small.stage, small.checkpoint_seconds = "development", 0.0
    killed(lambda: initialise.run(small, workdir), lambda path, record: record.get("step") == 16)
    small.checkpoint_seconds = 60.0
    initialise.run(small, workdir)
    choice = json.loads((workdir / "development.json").read_text())
    assert choice["passed"] and choice["more_steps"] > 0

    small.stage = "look"
    initialise.run(small, workdir)
    assert json.loads((workdir / "look.json").read_text()) == {"stop": False, "seeds": 3}
    assert not (workdir / "confirmatory.csv").exists()
    workdir = workdir.rename(tmp_path / "moved")
    small.stage = "confirmatory"
    with pytest.raises(InputError, match="3 of 12 runs have no result"):
        engine.collect(initialise.sweep(small, workdir))
    initialise.run(small, workdir)
    table = pd.read_csv(workdir / "confirmatory.csv")
    assert list(table["claim"].dropna()) == ["C1", "C2"] * 2 and (table["seeds"] == 4).all()
    assert {*table["word"]} <= {"fewer", "some", "none", "slower", "unclear"} and table["p_corrected"].between(
        0, 1
    ).all()
    runs = pd.read_csv(workdir / "runs.csv").set_index(["arm", "seed"])
    assert len(runs) == 12 and (runs.loc["standard"]["cost_steps"] == 0).all()
    assert (runs.loc["displaced"]["cost_steps"] == runs.loc["geometry"]["cost_steps"]).all()
    measured = pd.read_csv(workdir / "geometry.csv").set_index(["arm", "seed", "step"])["eee"]
    assert len({measured[arm, 10, 0] for arm in FEW}) == 3
    marks = pd.read_csv(workdir / "marks.csv").set_index(["arm", "step"])["loss"]
    assert {step for _, step in marks.index} == {*size.marks}
    told = pd.read_csv(workdir / "outcomes.csv").set_index(["outcome", "arm", "step"]).loc["loss", "geometry", 12.0]
    assert told["mean"] == pytest.approx(marks["geometry", 12].mean())
    assert told["difference"] == pytest.approx(marks["geometry", 12].mean() - marks["standard", 12].mean(), abs=1e-9)
    assert told["lower"] <= told["difference"] <= told["upper"]
    assert b"<svg" in (workdir / "curves.svg").read_bytes()

    shared = command.Stage(small, workdir).materials
    leaves = [jax.tree.leaves(shared.start(name, 10).params) for name in ("displaced", "geometry", "standard")]
    for moved, other, first in zip(*leaves, strict=True):
        np.testing.assert_allclose(*map(np.linalg.norm, (moved - first, other - first)), rtol=1e-3, atol=1e-6)

    small.stage = "exploratory"
    for name, done in {"frequency": ["frequency"], "mirrored": ["mirrored", "frequency"]}.items():
        small.arms = name
        initialise.run(small, workdir)
        table = pd.read_csv(workdir / "exploratory.csv")
        assert list(table[(table["base"] == "standard") & table["charged"]]["arm"]) == done
    assert list(table[table["base"] != "standard"]["base"]) == ["mirrored"] * 2
    small.arms = ""

    path = workdir / "units/standard/run/seed_2/result.json"  # the run that was killed, now in one go
    killed_run = json.loads(path.read_text())
    path.unlink()
    (workdir / command.LEDGER).unlink()
    small.stage = "development"
    initialise.run(small, workdir)
    again = json.loads(path.read_text())
    assert again["losses"] == killed_run["losses"] and killed_run["resumed_at"] > again["resumed_at"] == 0


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ({0: 8.0, 4: 8.5, 8: 7.9}, ""),
        ({0: 8.0, 4: 8.5}, ""),
        ({0: 8.0, 8: 8.1}, "the loss at step 8 is above that of the start"),
        ({0: 8.0, 4: np.nan}, "the loss is not finite at step 4"),
    ],
)
def test_a_run_ends_where_its_loss_is_not_finite_or_has_not_fallen(losses, reason):
    run = SimpleNamespace(records=[{"step": step, "loss": loss} for step, loss in losses.items()], size=SIZES["tiny"])
    assert trial.Trial.failure(run) == reason


def test_steps_of_memory_and_of_the_plateau():
    def measures(*values):
        return {"measures": {str(step): dict.fromkeys(("eee", "isoscore", "vrm"), [value]) for step, value in
                             zip((0, 10, 50), values, strict=True)}}  # fmt: skip

    base = measures(1.0, 1.0, 1.0)
    assert tables.memory(measures(*np.exp([0.4, 0.3, 0.1])), base) == pytest.approx(30)
    assert tables.memory(measures(*np.exp([0.4, 0.4, 0.3])), base) is None and tables.memory(base, base) is None
    losses = [8.5, 7.0, 6.2, 6.1, 6.09, 6.085, 5.8, 5.0]
    assert tables.plateau(Curve(range(0, 400, 50), losses)) == 6.1


def test_probes_tell_what_is_linear_and_what_is_near():
    random = np.random.default_rng(0)
    rows, new = random.normal(size=(400, 6)) * 3 + 1, random.normal(size=(200, 6)) * 3 + 1
    scaled = probes.standard_scaled(rows, new)
    np.testing.assert_allclose([scaled[0].mean(), scaled[0].std()], [0, 1], atol=1e-6)
    found = probes.ridge(scaled[0], rows[:, 0], scaled[1])
    np.testing.assert_allclose(np.corrcoef(found, new[:, 0])[0, 1], 1, atol=2e-2)
    labels = (rows[:, 1] > 1).astype(int)
    assert np.mean(probes.nearest(scaled[0], labels, scaled[1]) == (new[:, 1] > 1)) > 0.75
