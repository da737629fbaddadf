"""The experiment on in-context learning: settings that cannot work, a whole small run, and its claims."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from configs.schema import InContext
from experiments import in_context
from experiments.common import in_context_claims
from geojax.errors import InputError
from geojax.in_context import audit, geometry, probes
from geojax.in_context.sizes import size_of
from geojax.in_context.tasks import TASKS
from geojax.in_context.train import Trained

SMALL = InContext(size="tiny", steps=4, seeds=2, models="known", sites="z@0", rank="2", measures="eee")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": "lineal"}, "task 'lineal' is unknown: did you mean linear"),
        ({"tasks": ""}, "tasks '': name at least one, each once"),
        ({"models": "implicit,expert"}, "model 'expert' is unknown"),
        ({"models": "mlp,mlp"}, "models 'mlp,mlp': name at least one, each once"),
        ({"size": "huge"}, "size 'huge' is unknown: there are tiny, small, full"),
        ({"tasks": "gp"}, "known needs a latent that the pairs determine, and gp has none"),
        ({"tasks": "mlp", "models": "true_latent"}, "true_latent needs a latent that the pairs determine"),
        ({"tasks": "mlp", "models": "transformer", "probes": "z"}, "mlp has no latent to probe: permutations"),
        ({"tasks": "mlp", "models": "transformer", "sites": "z"}, "mlp has no latent to interchange"),
        ({"models": "implicit", "sites": "z"}, "implicit has no z: its sites are last, context and queries"),
        ({"sites": "last:1"}, "site last:1 is for implicit, not for known, whose site is z"),
        ({"sites": "y"}, "site 'y' is none"),
        ({"rank": "17"}, "rank is 17: it must be from 1 to 16"),
        ({"rank": "0"}, "rank is 0: it must be from 1 to 16"),
        ({"z_dim": "8,-1", "rank": "2"}, "z_dim is -1: it must be at least 1"),
        ({"intensity": 0.0}, "intensity is 0.0: it must be a number above 0"),
        ({"noise": "-0.1"}, "noise is -0.1: linear needs a number that is at least 0"),
        ({"noise": "0,1"}, "noise is '0,1': give one number"),
        ({"temperature": "1"}, "linear has values, which have noise and no temperature"),
        ({"seeds": 0}, "seeds is 0: give the number of models of a kind, 1 or more"),
        ({"queries": "far"}, "queries is 'far': choose from same, near"),
        ({"select": "first"}, "select is 'first': choose from last, best"),
        ({"measures": "eeee"}, "measure 'eeee' is unknown"),
        ({"steps": -1}, "steps is -1: it must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        in_context.cells_of(replace(SMALL, **change))


def test_units_are_tasks_and_models_and_each_width_of_z_once():
    config = InContext(tasks="linear,mlp", models="implicit,transformer", z_dim="4,8", rank="2", size="tiny")
    cells = in_context.cells_of(config)
    widths = ["implicit", "transformer/z4", "transformer/z8"]
    assert [cell.name for cell in cells] == [f"{task}/{name}" for task in ("linear", "mlp") for name in widths]
    assert [str(site) for site in cells[1].sites] == ["z", "z@0"]
    inner = ["last:1", "last:2", "last:3", "context:1", "context:2", "context:3", "queries:1+2+3"]
    assert [str(site) for site in cells[0].sites] == inner
    assert {cell.probes for cell in cells[:3]} == {"all"} and {cell.probes for cell in cells[3:]} == {"none"}
    assert not any(cell.sites for cell in cells[3:])


def test_a_dry_run_counts_the_operations_of_every_step_and_seed(tmp_path):
    config = InContext(tasks="linear", models="known", size="tiny", seeds=2, steps=10)
    (cost,) = in_context.costs(config, tmp_path).values()
    width, tokens = 16, 64 * (8 + 1)  # of a step: 64 tasks of 8 pairs and the token that is read
    kernels = 3 * 2 * tokens * 2 * (4 * width**2 + 2 * 2 * width**2)  # two blocks; a backward pass is two
    assert cost.operations / (2 * 10) == pytest.approx(kernels, rel=0.2)  # of the last block the token alone is needed
    assert cost.memory > 2 * 4 * 4 * cost.parameters  # gradients, two moments and parameters of both seeds


def test_the_best_stop_is_that_of_the_seeds_mean_and_diverged_seeds_do_not_choose():
    task = TASKS["linear"]
    size = size_of("tiny", task)
    validation = np.array([[[3, 30, 9], [1, 10, 7], [2, 20, 8]], [[3, 3, 3], [9, 9, 9], [0, 0, 0]]], float)
    for diverged, step, kept in (([0, 5], 40, [1, 9]), ([0, 0], 60, [2, 0])):
        trained = Trained(
            size.apply(task, "mlp"), size, "same", (0, 1), {}, (), np.array(diverged), (20, 40, 60), np.zeros((2, 3)),
            validation, {}, 1.0,
        )  # fmt: skip
        found = {"errors": {kind: {"mean": []} for kind in ("iid", "far", "wide")}}
        in_context.select_best(trained, found)
        assert found["best_step"] == step and found["errors"]["iid"]["mean"] == kept
    assert found["errors"]["wide"]["mean"] == [8, 0]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, of which the result was lost and taken from the ledger again."""
    folder = tmp_path_factory.mktemp("in_context")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "FITTED", 300)
        patch.setattr(probes, "TESTED", 200)
        patch.setattr("geojax.in_context.layers.TESTED", 200)
        patch.setattr(geometry, "within", partial(geometry.within, points=200))  # clouds of one size share programs
        patch.setattr(audit, "interchange_of", partial(audit.interchange_of, steps=3))
        in_context.run(SMALL, folder)
        (folder / "units/linear/known/result.json").unlink()
        (folder / "in_context.csv").rename(folder / "before.csv")
        patch.setattr(in_context, "train", None)
        in_context.run(SMALL, folder)
    return folder


@pytest.mark.slow
def test_a_run_writes_a_row_a_kind_of_queries_and_goes_on_from_its_ledger(done):
    assert (done / "in_context.csv").read_bytes() == (done / "before.csv").read_bytes()
    table = pd.read_csv(done / "in_context.csv").set_index("split")
    assert list(table.index) == ["iid", "far", "wide"] and (table["seeds"] == 2).all()
    assert (table["mse"] > table["floor"]).all() and np.allclose(table["excess"], table["mse"] - table["floor"])
    swaps = table.loc[["iid", "wide"], [name for name in table if name.startswith("interchange_z@0_r2")]]
    assert swaps.shape == (2, 6) and np.isfinite(swaps).all(axis=None)
    assert (table["note"] == "not trained: errors out of distribution and probes say little").all()
    lines = [json.loads(line) for line in (done / "in_context.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and lines[1]["unit"] == "linear/known"
    result = lines[1]["result"]
    assert result["wide_by_intensity"]["3"] == result["errors"]["wide"]["mean"]
    assert result["iid_by_n"]["5"] == result["errors"]["iid"]["mean"]
    assert result["checkpoints"][-1]["wide"] == result["errors"]["wide"]["mean"]
    assert b"<svg" in (done / "in_context.svg").read_bytes()


@pytest.mark.slow
def test_states_are_probed_and_z_is_measured_at_every_time_that_is_kept(done):
    layers = pd.read_csv(done / "layers.csv")
    assert set(layers["state"]) == {"z", *(f"{n}.{part}" for n in range(3) for part in ("queries", "context"))}
    assert np.isfinite(layers["probe_r2"]).all() and layers.groupby(["seed", "step"]).ngroups == 2 * 3
    own = layers[layers["state"] == "z"]
    assert np.isfinite(own[["eee", "dimension_1", "cka_to_w", "procrustes_to_w"]]).all(axis=None)
    assert layers.loc[layers["state"] != "z", "eee"].isna().all()
    population = pd.read_csv(done / "population.csv")
    assert len(population) == 6 and set(population["dose"]) == {25, 50, 100}
    claims = pd.read_csv(done / "claims.csv")
    assert claims["claim"].tolist() == ["G1 dimension of z", "G2 iid error", "G2 probe R2", "G3 wide error"]


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
def test_claims_are_answered_with_families_as_units(told):
    """Eight families, in which one measure tells the wide error or noise does; measures of z fall with the training."""
    rng = np.random.default_rng(0)
    rows = []
    for family in range(8):
        level, noise = rng.normal(size=2)
        for seed in range(3):
            for dose in (12.5, 25, 50, 100):
                value = level - np.log(dose) + 0.1 * rng.normal()
                wide = (level if told else noise) + 0.1 * rng.normal()
                rows.append({
                    "model": f"{family}/{seed}/{dose}", "family": f"linear/{family}", "dose": dose, "task": "linear",
                    "eee": level + 0.02 * rng.normal(), "vrm": rng.normal(), "dimension_plateau": 2.1,
                    "log_iid": value, "log_wide": wide, "probe_r2": rng.normal(),
                })  # fmt: skip
    found = {row["claim"]: row for row in in_context_claims.rows(rows, ["eee", "vrm"])}
    assert found["G3 wide error"]["answer"] == ("yes" if told else "no"), found["G3 wide error"]
    assert found["G3 wide error"]["units"] == 8
    assert found["G2 probe R2"]["answer"] == "unclear"
    assert found["G1 dimension of z"]["answer"] == "unclear"  # there is no gp to compare with
