"""Predictions for new models: what is written, what is promised, and how bad input is met."""

import numpy as np
import pandas as pd
import pytest

from configs import lists, schema
from experiments import predict, regress
from geojax.analysis import cross_validation, prediction, predictors, score_table
from geojax.errors import InputError


def models(families, per, seed, start=0):
    rng = np.random.default_rng(seed)
    rows = []
    for family in range(start, start + families):
        for index in range(per):
            eee, level = rng.uniform(), float(index // 2)
            score = 0.9 - 0.4 * eee + 0.02 * rng.normal() + 0.01 * (family % 3)
            rows.append({"model": f"m{family}_{index}", "family": f"f{family:02}", "alpha": level, "eee": eee,
                         "vrm": rng.uniform(), "parameters": 1e6 * (family + 1), "tasks": "rte+cola",
                         "glue_average": score})  # fmt: skip
    return pd.DataFrame(rows)


def launch(tmp_path, train, new, **settings):
    train.to_csv(tmp_path / "train.csv", index=False)
    new.to_csv(tmp_path / "new.csv", index=False)
    config = schema.Regress(
        table=str(tmp_path / "train.csv"), predict=str(tmp_path / "new.csv"), resamples=100, **settings
    )
    table = regress.read(config, config.table)
    excluded = lists.names(config.exclude)
    new = prediction.read_new(config.predict, table, config.table, config.terms, excluded)
    regress.write_predictions(table, new, config, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Three families of ten; new models of one of them, of another, out of range, and without a value."""
    new = pd.concat([models(1, 3, 1), models(1, 3, 2, start=7)], ignore_index=True)
    new["model"] = [f"new{index}" for index in range(6)]
    new["tasks"] = "cola+rte"
    new.loc[1, "eee"], new.loc[2, "eee"] = 7.0, np.nan
    folder = tmp_path_factory.mktemp("predict")
    return launch(folder, models(3, 10, 0), new, exclude="new1,new5", level=0.8), new


def test_predictions_are_those_of_the_fit(done):
    out, new = done
    found = pd.read_csv(out / "predictions.csv", keep_default_na=False).set_index(["measure", "terms", "model"])
    header = (out / "predictions.csv").read_text().splitlines()[0]
    assert header.startswith("model,measure,terms,predicted,lower,upper,inside_range")
    train = models(3, 10, 0)
    line = np.polyfit(train["eee"], train["glue_average"], 1)
    row = found.loc["eee", "measure", "new0"]
    assert float(row["predicted"]) == pytest.approx(np.polyval(line, new["eee"][0]), abs=1e-9)
    assert row["inside_range"] == "True" and row["promise"] == "known_family" and row["note"] == ""
    assert float(row["lower"]) < float(row["predicted"]) < float(row["upper"]) < 1.2


def test_a_model_out_of_range_is_flagged_and_one_without_a_value_has_no_prediction(done):
    found = pd.read_csv(done[0] / "predictions.csv", keep_default_na=False).set_index(["measure", "terms", "model"])
    far, without = found.loc["eee", "measure", "new1"], found.loc["eee", "measure", "new2"]
    assert far["inside_range"] == "False" and "outside the range of the fit: eee 7 is not in" in far["note"]
    assert without["predicted"] == "nan" and without["inside_range"] == "" and "no value of eee" in without["note"]
    assert found.loc["vrm", "measure", "new2"]["predicted"] != "nan"


def test_a_new_family_is_another_promise(done):
    found = pd.read_csv(done[0] / "predictions.csv", keep_default_na=False).set_index(["measure", "terms", "model"])
    row = found.loc["eee", "measure", "new4"]
    assert row["promise"] == "new_family" and row["lower"] == "-inf" and row["upper"] == "inf"
    assert row["note"].startswith("unbounded: 3 families in the fit, 4 are needed for 80%")
    assert float(row["lower_model_based"]) < float(row["predicted"]) < float(row["upper_model_based"])
    row = found.loc["eee", "measure+family", "new4"]
    assert row["predicted"] == row["lower"] == "nan" and "family 'f07' is not in the fit" in row["note"]


def test_the_validation_has_a_second_line_without_the_excluded(done):
    out, new = done
    found = pd.read_csv(out / "validation.csv").fillna({"excluded": "", "reason": ""})
    assert list(found.columns[:9]) == (
        "measure terms n mse r2_vs_training_mean r2_vs_test_mean pearson spearman coverage".split()
    )
    rows = found[(found["measure"] == "eee") & (found["terms"] == "measure")].reset_index(drop=True)
    assert list(rows["n"]) == [5, 3] and list(rows["excluded"]) == ["", "new1,new5"]
    assert "1 left out: no value of eee" in rows["reason"][0] and "2 left out: excluded" in rows["reason"][1]
    predictions = pd.read_csv(out / "predictions.csv").query("measure == 'eee' and terms == 'measure'")
    kept = predictions["model"].isin(["new0", "new3", "new4"])
    errors = (predictions["predicted"] - predictions["actual"])[kept]
    actual = predictions["actual"][kept]
    train = models(3, 10, 0)["glue_average"].mean()
    assert rows["mse"][1] == pytest.approx(np.mean(errors**2))
    assert rows["r2_vs_training_mean"][1] == pytest.approx(1 - np.sum(errors**2) / np.sum((actual - train) ** 2))
    assert rows["r2_vs_test_mean"][1] == pytest.approx(1 - np.sum(errors**2) / np.sum((actual - actual.mean()) ** 2))
    baselines = found.query("block != 'measure'")
    assert {"training_mean", "alpha", "family_mean", "parameters"} <= set(baselines["measure"])


@pytest.mark.slow
def test_every_scheme_has_measures_choices_and_baselines():
    table = score_table.from_frame(models(3, 10, 0))
    everything = [*predictors.of_table(table, predictors.sides(table, "")), *predictors.baselines(table)]
    outcomes = list(cross_validation.outcomes(table, everything, 0.9, 100, 0))
    found = pd.DataFrame(row for row, _ in outcomes)[list(cross_validation.COLUMNS)]
    assert set(found["scheme"]) == {"leave_one_out", "leave_one_level_out", "leave_one_family_out"}
    wanted = {"eee", "vrm", "training_mean", "alpha", "family_mean", "parameters", "selected", "best_subset", "ridge"}
    for _, rows in found.groupby("scheme"):
        assert wanted == set(rows["measure"])
    family = found.query("scheme == 'leave_one_family_out'").set_index(["measure", "terms"])
    row = family.loc["eee", "measure+family"]
    assert np.isnan(row["mse"]) and row["reason"] == "a family that the fit has not seen"
    row = family.loc["eee", "measure"]
    assert row["interval"] == "fewer than 5 units" and np.isnan(row["r2_lower"]) and row["mse"] > 0
    row = found.query("scheme == 'leave_one_level_out'").set_index(["measure", "terms"]).loc["eee", "measure"]
    assert row["units"] == 5 and row["r2_lower"] <= row["r2_vs_training_mean"] <= row["r2_upper"]
    chosen = found.query("measure == 'selected'").iloc[0]
    assert chosen["candidates"] == 2 and chosen["chosen"] == "eee"
    assert found.query("measure == 'parameters'")["block"].unique() == ["label-free baseline"]
    for row, predicted in outcomes:  # the predictions are those that were scored
        held_out = list(cross_validation.held_out(table, row, predicted))
        assert len(held_out) == row["n"]
        if held_out:
            errors = [(one["actual"] - one["predicted"]) ** 2 for one in held_out]
            assert np.mean(errors) == pytest.approx(row["mse"])


@pytest.mark.slow
def test_a_new_family_among_many_is_bounded(tmp_path):
    out = launch(tmp_path, models(9, 4, 0), models(1, 2, 1, start=20).drop(columns="glue_average"), measures="eee")
    found = pd.read_csv(out / "predictions.csv").query("measure == 'eee' and terms == 'measure'")
    assert np.isfinite(found[["lower", "upper"]]).all(axis=None) and (found["promise"] == "new_family").all()
    assert not (out / "validation.csv").exists()


BAD = [
    (lambda t, n: (t, n.drop(columns=["eee", "vrm"])), "none of the fit's measures"),
    (lambda t, n: (t.assign(tasks=["rte"] + ["rte+cola"] * (len(t) - 1)), n), "averages over different tasks"),
    (lambda t, n: (t, n.assign(tasks="sst2")), "they do not compare"),
    (lambda t, n: (t, n.assign(eee="wide")), "'wide' in column 'eee'"),
    (lambda t, n: (t, pd.concat([n, n])), "again in row"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_tables_of_new_models_get_a_sentence_before_anything_is_written(tmp_path, change, message):
    train, new = change(models(2, 6, 0), models(1, 3, 1, start=5))
    with pytest.raises(InputError, match=message):
        launch(tmp_path, train, new)
    assert not (tmp_path / "out").exists()


def test_unknown_names_to_exclude_are_met_with_the_near_ones(tmp_path):
    with pytest.raises(InputError, match=r"did you mean 'm5_1'"):
        launch(tmp_path, models(2, 6, 0), models(1, 3, 1, start=5), exclude="m5_11")


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """A fit whose one family is that of the encoder that ships."""
    folder = tmp_path_factory.mktemp("fit")
    table = score_table.from_frame(models(1, 24, 0).assign(family="geojax-bert-tiny"), measures="eee")
    row = {"scheme": "leave_one_level_out", "measure": "eee", "terms": "measure", "block": "measure", "n": 24,
           "units": 12, "mse": 0.01, "r2_vs_training_mean": 0.5, "r2_lower": 0.2, "r2_upper": np.nan}  # fmt: skip
    better = row | {"measure": "alpha", "terms": "log1p(alpha)", "block": "baseline", "mse": 0.005}
    prediction.save(table, ("measure",), [row, better], folder)
    return folder


def test_one_model_is_measured_and_predicted(fit, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("".join(f"sentence number {i} of a few\n" for i in range(40)))
    settings = {"fit": str(fit), "sequences": str(tmp_path / "texts.txt")}
    predict.run(schema.Predict(model="geojax-bert-tiny", **settings), tmp_path)
    text = capsys.readouterr().out
    (row,) = pd.read_csv(tmp_path / "predictions.csv").to_dict("records")
    answer = f"glue_average {row['predicted']:.4f}, 90% interval {row['lower']:.4f} to {row['upper']:.4f}"
    assert text.startswith(f"geojax-bert-tiny: {answer}")
    assert "for a new model of a known family" in text and "the range of the fit" in text
    assert (
        "24 models of 1 family" in text
        and "validated by leave-one-level-out over 12 units: R² against the training mean 0.50" in text
    )
    assert "the baseline alpha (log1p(alpha)) did better there" in text
    assert "does not record how its measures were taken" in text


def test_without_a_fit_that_covers_the_family_there_is_no_prediction(fit, tmp_path, capsys):
    predict.run(schema.Predict(model="geojax-bert-tiny", fit=str(fit), family="roberta"), tmp_path)
    assert capsys.readouterr().out.startswith("no prediction, because the fit covers 1 family (geojax-bert-tiny) and")
    assert not (tmp_path / "predictions.csv").exists()
    with pytest.raises(InputError, match="no fit at"):
        predict.run(schema.Predict(model="x", fit=str(tmp_path)), tmp_path)


def test_overlap_of_fit_and_new_models_is_said(tmp_path, caplog):
    models(2, 6, 0)[:2].to_csv(tmp_path / "new.csv", index=False)
    prediction.read_new(str(tmp_path / "new.csv"), score_table.from_frame(models(2, 6, 0)), "old.csv")
    assert "predicting them is no test" in caplog.text
