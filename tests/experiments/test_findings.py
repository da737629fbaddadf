"""The second command of a replication, on tables made by a law that is known."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from configs.schema import Findings
from experiments.replication import findings, questions, questions_of_fits
from geojax.errors import InputError
from geojax.regression import units

FAMILIES, RUNGS, ARM_SEEDS = 16, 5, 5
SLOPE, FAMILY, SEED, MEASURED = 0.2, 0.05, 0.04, 0.3  # deviations beside a measure of variance 1
SPREAD = SLOPE**2 + FAMILY**2 + SEED**2 / 2  # of the outcome, the mean of two seeds
BY = units.by_family
PUSH = 0.1  # of the outcome by the arm "up"; "down" does the opposite


def made(rng, slope=SLOPE, push=PUSH):
    """A table in the form of `replication_tables.write`: outcome = 0.6 + slope · lsq_patchiness + family + seeds."""
    rows = []
    for family in range(FAMILIES):
        kind, own = ("mlm", "ascii_sum")[family % 2], FAMILY * rng.normal()
        for rung in range(RUNGS):
            truth = rng.normal()
            rows.append(row(rng, f"f{family}_{rung}", f"f{family}", kind, rung, 0.6 + slope * truth + own, truth))
    for seed in range(ARM_SEEDS):
        level = 0.6 + FAMILY * rng.normal()
        for arm, sign in (("plain", 0), ("down", -1), ("up", 1)):
            rows.append(row(rng, f"{arm}_{seed}", f"f{seed}", arm, None, level + sign * push, 9.0))
            rows[-1]["eee"] = 0.5 + 0.1 * sign
    return pd.DataFrame(rows)


def row(rng, name, family, kind, rung, outcome, truth):
    noise, seeds = rng.normal(size=4), outcome + SEED * rng.normal(size=2)
    return {
        "model": name, "base": family, "family": family, "kind": kind, "standard": int(kind == "mlm"), "alpha": rung,
        "dose_kind": "" if rung is None else "noise percent", "dose": rung, "parameters": 1000 + len(family),
        "mlm_loss": 3 + 0.1 * noise[3] if kind != "ascii_sum" else None,
        "lsq_patchiness": truth + MEASURED * noise[0], "eee": noise[1], "vrm": noise[2],
        "lsq_patchiness_se_sampling": MEASURED * 0.8, "lsq_patchiness_se_quantizer": MEASURED * 0.6,
        "paper_lsq_patchiness": -truth, "sst2": outcome, "outcome": seeds.mean(), "outcome_seed_42": seeds[0],
        "outcome_seed_43": seeds[1], "collapsed": 0, "runs": 4,
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "results.csv"
    made(np.random.default_rng(0)).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def config(written):
    return Findings(table=str(written), resamples=200)


@pytest.fixture(scope="module")
def table(config):
    return findings.read(config.table, config.target, config.intervention)


def indexed(rows):
    found = pd.DataFrame(list(rows), columns=questions.COLUMNS)
    return found.set_index(["subset", "predictor", "quantity"]).sort_index()


def holds(found, truth):
    assert found["lower"] <= truth <= found["upper"], found
    return found["value"]


def test_reliabilities_are_those_of_the_law(table, config):
    found = indexed(questions.noise(table, config, BY))
    seeds = holds(found.loc["non_collapsed", "outcome", "deviation_between_seeds"], SEED)
    assert seeds == pytest.approx(SEED, rel=0.3)
    reliability = found.loc["non_collapsed", "outcome", "reliability"]
    assert reliability["value"] == pytest.approx(1 - SEED**2 / 2 / SPREAD, abs=0.03)
    own = holds(found.loc["all", "lsq_patchiness", "reliability"], 1 / (1 + MEASURED**2))
    ceiling = found.loc["all", "lsq_patchiness", "r2_ceiling"]["value"]
    assert ceiling == pytest.approx(own * found.loc["all", "outcome", "reliability"]["value"])
    gate = found.loc["non_collapsed", "outcome", "deviation_over_that_of_noise"]
    assert "is passed" in gate["note"]
    assert gate["value"] ** 2 == pytest.approx(1 / (1 - reliability["value"]) - 1)
    kept = questions.pool_of(table).frame
    kept = kept[kept["outcome"] > questions.COLLAPSED]
    half = ((kept["outcome_seed_42"] - kept["outcome_seed_43"]) ** 2 / 2).mean()
    assert seeds == pytest.approx(np.sqrt(half)) and len(kept) > FAMILIES * RUNGS / 2
    once = replace(table, frame=table.frame.drop(columns=["outcome_seed_42", "outcome_seed_43"]))
    assert not list(questions.noise(once, config, BY))


def test_a_collapsed_model_is_at_the_floor_or_of_one_prediction_in_every_run(table):
    frame = table.frame.assign(outcome=0.5, collapsed=0.0)
    frame.loc[0, "outcome"], frame.loc[1, "collapsed"], frame.loc[2, "collapsed"] = 0.05, 4, 3
    assert list(np.flatnonzero(questions.collapsed(replace(table, frame=frame)))) == [0, 1]


def test_families_left_out_are_predicted_as_well_as_they_can_be(table, config):
    found = indexed(questions_of_fits.primary(table, config, BY))
    r2 = holds(found.loc["all", "lsq_patchiness", "r2_vs_training_mean"], SLOPE**2 / (1 + MEASURED**2) / SPREAD)
    assert r2 == pytest.approx(SLOPE**2 / (1 + MEASURED**2) / SPREAD, abs=0.1)
    assert found.loc["all", "training_mean", "r2_vs_training_mean"]["value"] == pytest.approx(0, abs=1e-9)
    assert found.loc["all", "log(dose)", "r2_vs_training_mean"]["value"] < 0.1
    counts = found["n"].unstack("subset").xs("r2_vs_training_mean", level="quantity").loc["lsq_patchiness"]
    assert counts["all"] == FAMILIES * RUNGS and counts["standard"] == FAMILIES * RUNGS / 2
    assert counts["healthy"] == pytest.approx(FAMILIES * RUNGS / 3, abs=1)
    beside = found.loc["all", "lsq_patchiness, rows of mlm_loss", "r2_vs_training_mean"]
    assert beside["n"] == found.loc["all", "mlm_loss", "r2_vs_training_mean"]["n"] == FAMILIES * RUNGS / 2
    assert found.loc["all", "lsq_patchiness", "spearman"]["note"] == "planned"


def test_recipes_are_left_out_whole_and_families_stand_beside(table, config):
    number = table.frame["family"].str[1:].astype(int)
    own = replace(table, frame=table.frame.assign(recipe="r" + (number // 2).astype(str)))
    assert list(questions.origins(own)) == ["recipe", "family"] and list(questions.origins(table)) == ["family"]
    by, few = questions.origins(own)["recipe"], replace(config, resamples=0)
    found = indexed(questions_of_fits.primary(own, few, by)).loc["all", "lsq_patchiness", "r2_vs_training_mean"]
    frame, errors, spread = questions.pool_of(own).frame, 0.0, 0.0
    for recipe in frame["recipe"].unique():
        out, rest = frame[frame["recipe"] == recipe], frame[frame["recipe"] != recipe]
        line = np.polyfit(rest["lsq_patchiness"], rest["outcome"], 1)
        errors += np.sum((out["outcome"] - np.polyval(line, out["lsq_patchiness"])) ** 2)
        spread += np.sum((out["outcome"] - rest["outcome"].mean()) ** 2)
    assert found["value"] == pytest.approx(1 - errors / spread) and found["units"] == FAMILIES / 2
    found = indexed(questions.dependence(own, few, by))
    assert (found["units"].loc["without_labels"] == FAMILIES / 2).all()
    correlation = found.loc["all", "outcome", "intraclass_correlation"]
    assert correlation["lower"] < FAMILY**2 / SPREAD / 2 < correlation["upper"]
    outcome = found.loc["noise_free", "outcome", "design_effect"]
    assert outcome["n"] == FAMILIES and 1 <= outcome["value"] <= 2


def test_models_of_other_kinds_are_predicted_by_a_fit_to_the_standard_ones(table, config):
    found = indexed(questions_of_fits.non_standard(table, config, BY)).loc["all"]
    law = (SLOPE**2 * (1 - 1 / (1 + MEASURED**2)) + FAMILY**2 + SEED**2 / 2) / SPREAD
    assert holds(found.loc["lsq_patchiness", "mse_over_mean"], law) == pytest.approx(law, abs=0.15)
    assert found.loc["training_mean", "mse_over_mean"]["value"] == pytest.approx(1)
    assert found.loc["eee", "mse_over_mean"]["value"] == pytest.approx(1, abs=0.2)
    standard = table.frame[table.frame["kind"] == "mlm"]
    other = table.frame[table.frame["kind"] == "ascii_sum"]
    by_hand = np.polyfit(standard["lsq_patchiness"], standard["outcome"], 1)
    errors = other["outcome"] - np.polyval(by_hand, other["lsq_patchiness"])
    assert found.loc["lsq_patchiness", "mse"]["value"] == pytest.approx((errors**2).mean())
    better = found.loc["any", "better_than_mean"]
    assert better["value"] >= 2 and "lsq_patchiness" in better["note"] and "eee" not in better["note"].split(": ")[1]
    assert {"selected", "best_subset", "ridge"} <= set(found.index.get_level_values("predictor"))


def test_families_that_the_fit_has_seen_are_told_apart(table, config):
    frame = table.frame.replace(
        {"family": {"f1": "f0", "f3": "f2"}}
    )  # two of the other kind descend from standard ones
    found = indexed(questions_of_fits.non_standard(replace(table, frame=frame), config, BY))["n"]
    counts = found.xs(("lsq_patchiness", "mse"), level=("predictor", "quantity"))
    assert counts["all"] == FAMILIES * RUNGS / 2 and counts["unseen"] == counts["all"] - 2 * RUNGS


def test_the_noise_level_takes_nothing_from_a_measure_that_it_does_not_move(table, config):
    found = indexed(questions_of_fits.within_dose(table, config, BY)).reset_index()
    partial = found[found["quantity"] == "partial_r"]
    assert len(partial) == 3 and (partial["value"] > 0.7).all()
    assert ((partial["lower"] < partial["value"]) & (partial["value"] < partial["upper"])).all()


def test_every_measure_convention_and_layer_is_tried_and_paid_for(table, config, tmp_path):
    pool = questions.pool_of(table)
    layers = pd.DataFrame(
        {"model": name, "layer": layer, "convention": "standard", "measure": "eee", "value": index + layer / 10}
        for index, name in enumerate(pool.frame["model"])
        for layer in range(3 if index else 2)
    )
    layers.to_csv(tmp_path / "layers.csv", index=False)
    columns = findings.candidates(pool, tmp_path / "layers.csv")
    assert set(columns) == {"lsq_patchiness", "eee", "vrm", "paper_lsq_patchiness", "eee[-1]", "eee[-2]"}
    assert columns["eee[-1]"][1] == pytest.approx(1.1) and columns["eee[-1]"][0] == 0
    assert np.isnan(columns["eee[-2]"][0])
    found = indexed(questions_of_fits.measures(table, config, BY, columns))
    best = found.loc["all", "paper_lsq_patchiness"]
    assert holds(best.loc["pearson"], -SLOPE / np.sqrt(SPREAD)) < -0.9
    by_hand = pool.frame[["eee", "outcome"]].corr("spearman").iloc[0, 1]
    assert found.loc["all", "eee", "spearman"]["value"] == pytest.approx(by_hand)
    assert best.loc["p_max_t"]["value"] < 0.05 < found.loc["all", "eee", "p_max_t"]["value"]
    assert (best.loc["p_permutation"]["value"] <= best.loc["p_max_t"]["value"]).all()
    assert "6 candidates" in best.loc["p_max_t"]["note"] and (found["note"].str.startswith("exploratory")).all()


def test_every_family_of_five_models_is_looked_into_by_itself(table, config):
    found = indexed(questions.by_family(table, config))
    own = table.frame[(table.frame["family"] == "f3") & (table.frame["kind"] == "ascii_sum")]
    pairs = own["lsq_patchiness"], own["outcome"]
    assert found.loc["f3", "lsq_patchiness", "pearson"]["value"] == pytest.approx(np.corrcoef(*pairs)[0, 1])
    ranks = [column.rank() for column in pairs]
    assert found.loc["f3", "lsq_patchiness", "spearman"]["value"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert len(found) == 2 * FAMILIES and (found["n"] == RUNGS).all()
    flat = table.frame.assign(outcome=table.frame["outcome"].where(table.frame["family"] != "f3", 0.5))
    assert "f3" not in indexed(questions.by_family(replace(table, frame=flat), config)).index
    larger = table.frame.assign(kind=table.frame["kind"].where(table.frame["family"] != "f3", "larger"))
    apart = replace(table, frame=larger)
    assert "f3" in indexed(questions.by_family(apart, config)).index and "f3" not in questions.pool_of(apart).families


def test_the_intervention_is_paired_by_seed(table, config):
    found = indexed(questions.intervention(table, config))
    assert holds(found.loc["up - plain", "eee", "outcome"], PUSH) == pytest.approx(PUSH, abs=0.06)
    assert holds(found.loc["up - down", "eee", "outcome"], 2 * PUSH) == pytest.approx(2 * PUSH, abs=0.06)
    pushed = found.loc["down - plain", "eee", "eee"]
    assert pushed["value"] == pytest.approx(-0.1) and pushed["n"] == ARM_SEEDS
    assert set(found.index.get_level_values("quantity")) == {"outcome", "mlm_loss", "eee"}
    lost = replace(table, frame=table.frame[table.frame["model"] != "up_0"].reset_index(drop=True))
    fewer = indexed(questions.intervention(lost, config))
    assert fewer.loc["up - plain", "eee", "outcome"]["n"] == ARM_SEEDS - 1
    odd = replace(table, frame=table.frame.replace({"model": {"up_0": "up"}}))
    with pytest.raises(InputError, match="'up' is of the intervention, and its name does not end in a seed"):
        list(questions.intervention(odd, config))


@pytest.mark.slow
def test_shuffled_scores_are_the_same_scores_and_say_nothing(table, config):
    moved = findings.shuffled(table, 0)
    assert sorted(moved.scores) == sorted(table.scores) and (moved.scores != table.scores).mean() > 0.9
    columns = ["outcome", "outcome_seed_42", "outcome_seed_43", "sst2"]
    together = lambda frame: set(map(tuple, frame[columns].fillna(-1).to_numpy(float)))  # noqa: E731
    assert together(moved.frame) == together(table.frame)
    unmoved = [name for name in table.frame if name not in (*columns, "collapsed", "runs")]
    pd.testing.assert_frame_equal(moved.frame[unmoved], table.frame[unmoved])
    values, p, better = [], [], 0
    pool = questions.pool_of(table)
    for seed in range(3):
        moved = findings.shuffled(table, seed)
        r2 = indexed(questions_of_fits.primary(moved, config, BY)).loc["all", config.primary, "r2_vs_training_mean"]
        values.append(r2["value"])
        found = indexed(questions_of_fits.measures(moved, config, BY, findings.candidates(pool, config_layers(config))))
        p.append(found.xs("p_max_t", level="quantity").loc["all"]["value"].min())
        better += found_better(moved, config)
    assert max(values) < 0.1 and np.mean(values) < 0.02
    assert np.median(p) > 0.1 and better <= 1


def config_layers(config):
    return findings.Path(config.table).with_name("layers.csv")


def found_better(table, config):
    return indexed(questions_of_fits.non_standard(table, config, BY)).loc["all", "any", "better_than_mean"]["value"] > 0


def test_questions_without_rows_are_left_out_and_said(table, config, caplog):
    caplog.set_level(logging.INFO)
    kept = table.frame[table.frame["kind"] == "mlm"].reset_index(drop=True)
    few = replace(table, frame=kept.drop(columns=["dose", "dose_kind", "alpha", "outcome_seed_42", "mlm_loss"]),
                  baselines=("parameters",))  # fmt: skip
    asked = {row["question"] for row in findings.answered(few, replace(config, resamples=0))}
    assert asked == {"dependence", "primary", "by_family", "measures", "choice"}
    for name in ("noise", "non_standard", "within_dose", "intervention"):
        assert f"{name}: left out, the table has no rows for it" in caplog.text


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda frame: frame.drop(columns="outcome"), {}, "no column 'outcome'"),
        (lambda frame: frame.drop(columns="family"), {}, "no column 'family'"),
        (lambda frame: frame.drop(columns="standard"), {}, "no column 'standard'"),
        (lambda frame: frame.drop(columns="kind"), {}, "no column 'kind'"),
        (lambda frame: frame.assign(standard=2), {}, "'f0_0' is neither standard"),
        (lambda frame: frame.assign(standard="yes"), {}, "'yes' in column 'standard'"),
        (lambda frame: frame.assign(outcome=None), {}, "no value in any"),
        (lambda frame: frame.assign(kind="up"), {}, "no models with a score beside those of the kinds plain"),
        (lambda frame: frame.assign(lsq_patchiness="high"), {}, "'high' in column 'lsq_patchiness'"),
        (lambda frame: frame.assign(outcome_seed_43="x"), {}, "'x' in column 'outcome_seed_43'"),
        (lambda frame: frame, {"primary": "lsq_patchines"}, "did you mean 'lsq_patchiness'"),
        (lambda frame: frame, {"level": 1.5}, "level is 1.5"),
        (lambda frame: frame, {"resamples": 5}, "resamples is 5"),
        (lambda frame: frame.head(0), {}, "no rows"),
    ],
)
def test_bad_tables_get_a_sentence(written, tmp_path, change, settings, message):
    change(pd.read_csv(written)).to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(InputError, match=message):
        findings.run(Findings(**{"table": str(tmp_path / "results.csv"), **settings}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_of_layers_without_its_columns_gets_a_sentence(table, tmp_path):
    (tmp_path / "layers.csv").write_text("model,layer\na,1\n")
    with pytest.raises(InputError, match="has no column 'convention'"):
        findings.candidates(questions.pool_of(table), tmp_path / "layers.csv")


@pytest.mark.slow
def test_one_command_writes_the_findings_and_the_report(config, tmp_path, capsys):
    findings.run(replace(config, permute=True), tmp_path)
    found = pd.read_csv(tmp_path / "findings.csv")
    assert tuple(found.columns) == questions.COLUMNS
    assert set(found["question"]) == {
        "noise", "dependence", "primary", "non_standard", "by_family", "within_dose", "measures", "choice",
        "intervention",
    }  # fmt: skip
    image = (tmp_path / "primary.svg").read_text()
    assert "<!-- standard -->" in image and "<!-- non-standard -->" in image  # the legend
    page = (tmp_path / "report.html").read_text()
    assert "the scores were shuffled" in page and f"On {FAMILIES * RUNGS} models of {FAMILIES}" in page
    assert "Questions of the plan" in page and 'id="table-question_by_family"' in page
    assert "--config.permute=True" in page and (tmp_path / "cross_validation.csv").exists()
    printed = capsys.readouterr().out
    assert "r2_vs_training_mean" in printed and "up - plain" in printed and "nan" not in printed
