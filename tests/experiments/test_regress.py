"""The regression table: published values, family terms, rows left out, degenerate measures."""

import itertools
import logging

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from configs import schema
from experiments import regress
from geojax.analysis import choosing, doses, fits, predictors, score_table
from geojax.errors import InputError
from geojax.regression import units

CHANCE = (0.9, 200, 0)  # level, samples, seed
# slope, intercept, R², Pearson, Spearman of the perturbed BERT-small models, four decimals.
PUBLISHED = {
    "lsq_patchiness": (16.2988, -15.9659, 0.8132, 0.9018, 0.9303),
    "lsq_count_variance": (0.9928, 0.3261, 0.8123, 0.9013, 0.9307),
    "lsq_count_kl": (2.3300, 0.2985, 0.7922, 0.8901, 0.9170),
    "pq_reconstruction_iqr": (4.3925, 0.1043, 0.6533, 0.8083, 0.7877),
    "lsq_reconstruction_iqr": (4.2583, 0.0511, 0.4825, 0.6946, 0.7651),
    "vrm": (-0.4681, 0.7860, 0.3284, -0.5730, -0.4269),
    "eee": (-0.9357, 1.2211, 0.3104, -0.5571, -0.3394),
    "lsq_centroid_spread": (12.5148, 0.4077, 0.2889, 0.5375, 0.2862),
    "pq_cell_eee": (-0.9242, 1.3074, 0.2080, -0.4561, 0.1093),
    "pq_patchiness": (3.6896, -3.2506, 0.1061, 0.3258, 0.6329),
    "isoscore": (-0.2128, 0.5227, 0.0061, -0.0779, -0.1418),
}


def run(frame, tmp_path, **settings):
    frame.to_csv(tmp_path / "scores.csv", index=False)
    config = schema.Regress(table=str(tmp_path / "scores.csv"), resamples=0, **settings)
    regress.run(config, tmp_path / "out")
    return pd.read_csv(tmp_path / "out" / "regression.csv").set_index(["measure", "terms"])


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    family = np.array(["wide", "deep"] * 10)
    eee = rng.uniform(size=20)
    score = 0.8 - 0.4 * eee + 0.1 * (family == "deep") + 0.02 * rng.normal(size=20)
    return pd.DataFrame({"model": [f"m{i}" for i in range(20)], "family": family, "alpha": np.arange(20.0),
                         "glue_average": score, "eee": eee, "vrm": rng.uniform(size=20)})  # fmt: skip


@pytest.mark.slow
def test_the_published_regressions_to_every_printed_digit(shared, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    regress.run(schema.Regress(table=str(shared / "paper_results" / "bert_small.csv"), resamples=0), tmp_path)
    found = pd.read_csv(tmp_path / "regression.csv").set_index("measure")
    assert list(found.columns) == list(regress.COLUMNS[1:])
    assert len(found) == 19 and (found["terms"] == "measure").all() and "alpha" not in found.index
    assert (found["n"] == 125).all() and (found["n_dropped"] == 3).all()
    for measure, expected in PUBLISHED.items():
        values = found.loc[measure, ["slope", "intercept", "r2", "pearson", "spearman"]].astype(float)
        np.testing.assert_array_equal(values.round(4), expected, err_msg=measure)
    assert "3 rows (bert-small_9_3" in caplog.text and "19 regressions" in caplog.text


def test_family_rows_stand_beside_the_plain_ones(frame, tmp_path):
    found = run(frame, tmp_path)
    assert list(found.index) == [(m, t) for m in ("eee", "vrm") for t in ("measure", "measure+family")]
    design = np.column_stack([np.ones(20), frame["family"] == "wide", frame["eee"]]).astype(float)
    coefficients = np.linalg.lstsq(design, frame["glue_average"])[0]
    plain, family = found.loc[("eee", "measure")], found.loc[("eee", "measure+family")]
    np.testing.assert_allclose([family["intercept"], family["slope"]], coefficients[[0, 2]], rtol=1e-9)
    np.testing.assert_allclose(plain["p_value"], scipy.stats.linregress(frame["eee"], frame["glue_average"]).pvalue)
    assert family["r2"] > plain["r2"] and family["p_value"] < plain["p_value"]
    assert family["pearson"] == plain["pearson"] and family["spearman"] == plain["spearman"]
    assert found["reason"].isna().all()


def test_the_report_is_written_beside_the_tables(frame, tmp_path):
    run(frame, tmp_path)
    page = (tmp_path / "out" / "report.html").read_text()
    for wanted in ("On 20 models of 2 independent families, nothing is known", "no model was left out",
                   "--config=configs/regress.py", "--config.resamples=0", "SHA-256", "measure+family",
                   "Coefficients with intervals", "noise percent: 20 levels, 0 to 19"):  # fmt: skip
        assert wanted in page, wanted


def test_one_family_has_no_family_rows(frame, tmp_path):
    found = run(frame.assign(family="wide"), tmp_path)
    assert list(found.index.get_level_values("terms")) == ["measure", "measure"]


def test_missing_values_are_dropped_per_measure_and_said(frame, tmp_path, caplog):
    frame.loc[3, "eee"] = np.nan
    frame.loc[5, "glue_average"] = np.nan
    found = run(frame, tmp_path)
    assert list(found["n"]) == [18, 18, 19, 19] and list(found["n_dropped"]) == [2, 2, 1, 1]
    assert "1 row (m5) left out, without a value of glue_average" in caplog.text
    assert "1 row (m3) left out of 1 regression (eee), without a value" in caplog.text


def test_a_constant_measure_is_nan_with_its_reason(frame, tmp_path, caplog):
    found = run(frame.assign(eee=0.3), tmp_path)
    assert found.loc[("eee", "measure"), "reason"] == "the measure is constant"
    assert np.isnan(found.loc[("eee", "measure"), "slope"])
    assert found.loc[("vrm", "measure"), "n"] == 20 and np.isfinite(found.loc[("vrm", "measure"), "slope"])
    assert "eee ~ measure: the measure is constant" in caplog.text


def test_selected_measures_and_another_target(frame, tmp_path):
    found = run(frame.rename(columns={"glue_average": "mnli", "vrm": "mine"}), tmp_path, target="mnli", measures="mine")
    assert list(found.index) == [("mine", "measure"), ("mine", "measure+family")]


def test_columns_passed_over_are_said(frame, tmp_path, caplog):
    run(frame.assign(width=np.arange(20)), tmp_path)
    assert "1 column (width) passed over" in caplog.text


def test_the_table_does_not_depend_on_the_order_of_its_rows(frame):
    first, second = (fits_of(each) for each in (frame, frame.sample(frac=1, random_state=0)))
    for one, other, *names in zip(first.least_squares.coefficients, second.least_squares.coefficients, first.found,
                                  second.found, strict=True):  # fmt: skip
        assert names[0].name == names[1].name
        np.testing.assert_allclose(one, other, rtol=1e-9)


def fits_of(frame):
    table = score_table.from_frame(frame)
    return fits.fit(table, predictors.of_table(table, predictors.sides(table, ""), columns=table.measures))


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        ({}, ["", ""]),
        ({"eee": 0.1}, ["the measure is constant"] * 2),
        ({"glue_average": 0.7}, ["the score is constant"] * 2),
        ({"eee": [1.0, 2] * 10}, ["", "collinear: intercept, measure, family[wide]"]),
        ({"glue_average": [0.1, 0.3] * 10}, ["", "the terms beside the measure determine the score"]),
        ({"eee": [0.5, np.nan] * 9 + [0.7, np.nan]}, ["", "only one family has rows with this measure"]),
        ({"eee": [0.5, np.nan] + [np.nan] * 18}, ["1 rows for 2 coefficients: too few"] * 2),
    ],
)
def test_a_fit_without_an_answer_says_why(frame, columns, reasons):
    fitted = fits_of(frame.drop(columns="vrm").assign(**columns))
    assert list(fitted.reasons) == reasons
    rows = regress.regressions(score_table.from_frame(frame.drop(columns="vrm").assign(**columns)), fitted,
                               units.rows(frame), 0, 0)  # fmt: skip
    for row, reason in zip(rows, reasons, strict=True):
        assert all(np.isnan(row[name]) for name in ("slope", "std_error", "r2", "p_value")) == bool(reason)


def test_bad_input_writes_nothing(tmp_path):
    with pytest.raises(InputError, match="no table at"):
        regress.run(schema.Regress(table=str(tmp_path / "absent.csv")), tmp_path)
    assert not (tmp_path / "regression.csv").exists()


def test_coefficients_have_five_kinds_of_error(frame, tmp_path):
    found = run(frame, tmp_path)
    table = pd.read_csv(tmp_path / "out" / "coefficients.csv")
    assert list(table.columns[:9]) == "measure terms term estimate std_error se_kind lower upper p_value".split()
    rows = table.set_index(["measure", "terms", "term", "se_kind"]).sort_index()
    slope = rows.loc["eee", "measure", "measure"]
    line = scipy.stats.linregress(frame["eee"], frame["glue_average"])
    np.testing.assert_allclose(slope["estimate"], line.slope, rtol=1e-9)
    np.testing.assert_allclose(slope.loc["classical", "std_error"], line.stderr, rtol=1e-9)
    half = line.stderr * scipy.stats.t.ppf(0.95, 18)
    np.testing.assert_allclose(
        slope.loc["classical", ["lower", "upper"]].astype(float), line.slope + np.array([-half, half])
    )
    assert slope.loc["hc2", "p_value"] < 0.01 and np.isnan(slope.loc["wild", "p_value"])
    assert slope.loc["wild", "reason"] == slope.loc["cr2", "reason"]
    assert np.isnan(slope.loc["cr2", "std_error"]) and "fewer than 5 clusters: 2 families" in slope.loc["cr2", "reason"]
    family = rows.loc["eee", "measure+family"]
    assert set(family.index.get_level_values("term")) == {"intercept", "measure", "family[wide]"}
    assert found.loc[("eee", "measure"), "condition_number"] == pytest.approx(1)


def test_blocks_of_rungs_are_the_clusters_of_one_family(frame, tmp_path):
    run(frame.drop(columns="family"), tmp_path)
    rows = pd.read_csv(tmp_path / "out" / "coefficients.csv").query("se_kind == 'cr2' and term == 'measure'")
    assert (rows["clusters"] == 5).all() and np.isfinite(rows["std_error"]).all()


def test_collinear_columns_are_named(frame, tmp_path):
    run(frame.assign(width=2 * frame["eee"] + 1), tmp_path, terms="measure+width", measures="eee")
    rows = pd.read_csv(tmp_path / "out" / "coefficients.csv")
    assert rows["estimate"].isna().all() and rows["reason"].str.contains("collinear: intercept, measure, width").all()
    found = pd.read_csv(tmp_path / "out" / "regression.csv")
    assert "collinear" in found["reason"][0]


def test_terms_of_one_s_own(frame, tmp_path):
    found = run(frame, tmp_path, terms="measure,measure+log(alpha)", measures="eee")
    assert list(found.index) == [("eee", "measure"), ("eee", "measure+log(alpha)")]
    design = np.column_stack([np.ones(20), frame["eee"], np.log1p(frame["alpha"])])
    coefficients = np.linalg.lstsq(design, frame["glue_average"], rcond=None)[0]
    np.testing.assert_allclose(found.loc[("eee", "measure+log(alpha)"), "slope"], coefficients[1], rtol=1e-8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"terms": "family"}, "have no measure in them"),
        ({"terms": "measure+width"}, "no column 'width'"),
        ({"clusters": "origin"}, "'origin' is no column"),
        ({"level": 1.5}, "level is 1.5"),
        ({"exclude": "m1"}, "give --config.predict too"),
        ({"baselines": "wdth"}, "no column 'wdth'"),
    ],
)
def test_settings_that_cannot_work_are_refused(frame, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        run(frame, tmp_path, **settings)
    assert not (tmp_path / "out" / "regression.csv").exists()


def test_given_the_noise_level_no_published_measure_adds_anything(shared):
    """Unless log alpha is forced to be a line: R² .9132, with lsq_patchiness .9143 (p = .22), pq_patchiness .9374."""
    table = score_table.read(shared / "paper_results" / "bert_small.csv", measures=["lsq_patchiness", "pq_patchiness"])
    found = pd.DataFrame(doses.partial_rows(table, units.clusters, *CHANCE)).set_index(["measure", "given"])
    assert (found["n"] == 125).all() and (found["n_dropped"] == 3).all()
    line = found.xs("log(alpha)", level="given")
    np.testing.assert_array_equal(line["r2_given"].round(3), 0.913)
    np.testing.assert_array_equal(line["r2"].round(4), [0.9374, 0.9143])
    assert round(line["p_value"]["lsq_patchiness"], 2) == 0.22 and line["p_value"]["pq_patchiness"] < 1e-6
    spline = found.xs("spline(log(alpha))", level="given")
    np.testing.assert_array_equal(spline["r2_given"].round(3), 0.995)
    assert (spline["r_lower"] < 0).all() and (spline["r_upper"] > 0).all()
    assert (spline["p_value"] > 0.05).all() and (found.xs("level(alpha)", level="given")["p_value"] > 0.05).all()


@pytest.mark.slow
def test_the_published_table_in_full(shared, tmp_path):
    """Every table: the noise level predicts better than any measure, and no correlation beats smooth paths."""
    path = shared / "paper_results" / "bert_small.csv"
    regress.run(schema.Regress(table=str(path)), tmp_path)
    for name, columns in regress.COLUMNS_OF.items():
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(table.columns) == list(columns) and len(table)
    ladders = pd.read_csv(tmp_path / "ladders.csv")
    assert (ladders["p_smooth_pearson"] > 0.05).all() and len(ladders) == 19
    found = pd.read_csv(tmp_path / "cross_validation.csv").query("scheme == 'leave_one_level_out'")
    dose = found.query("terms == 'spline7(log(alpha))'")["r2_vs_training_mean"].item()
    assert dose > 0.99 > found.query("block == 'measure'")["r2_vs_training_mean"].max()


def test_a_choice_among_families_is_by_the_direction_of_the_table(frame):
    """By minus the score itself nothing is lost; at random the mean over families is."""
    table = score_table.from_frame(frame.assign(eee=-frame["glue_average"]))
    unit = choosing.units_of(table)
    assert unit.name == "families"
    found = {row["measure"]: row for row in choosing.rows(table, table.measures, unit, *CHANCE)}
    assert list(found)[-1] == choosing.RANDOM and found["eee"]["direction"] == -1
    assert found["eee"]["regret_1"] == 0 and found["eee"]["block"] == "measure"
    one = frame.groupby("family")["glue_average"].apply(list)
    best = [np.ptp(pair) / 2 for pair in itertools.product(*one)]  # of two models the worse is chosen half of the time
    assert found[choosing.RANDOM]["regret_1"] == pytest.approx(np.mean(best), rel=0.15)
    assert np.isnan(found["eee"]["regret_1_lower"])  # two families
    alone = score_table.from_frame(frame.drop(columns="family"))
    rows = list(choosing.rows(alone, alone.measures, choosing.units_of(alone), *CHANCE))
    assert {row["unit"] for row in rows} == {"models"} and np.isfinite([row["regret_1_upper"] for row in rows]).all()


def test_partial_relations_stay_within_one_kind_of_dose(frame):
    kinds = ["noise percent"] * 12 + ["pre-training step"] * 7 + ["none"]
    frame = frame.assign(dose_kind=kinds, dose=np.r_[np.arange(12.0), 10.0 * np.arange(1, 9)])
    frame = frame.drop(columns=["alpha", "family"])
    found = pd.DataFrame(doses.partial_rows(score_table.from_frame(frame), units.clusters, *CHANCE))
    rows = found.set_index(["measure", "dose_kind", "given"])
    noise = rows.loc["eee", "noise percent", "log1p(dose)"]
    steps = rows.loc["eee", "pre-training step", "log(dose)"]
    assert (noise["n"], noise["n_dropped"], steps["n"], steps["n_dropped"]) == (12, 8, 7, 13)
    part = frame[:12]
    covariate = np.log1p(part["dose"])

    def rest(column):
        return column - np.polyval(np.polyfit(covariate, column, 1), covariate)

    expected = np.corrcoef(rest(part["eee"]), rest(part["glue_average"]))[0, 1]
    assert noise["partial_r"] == pytest.approx(expected)
    assert "12 rows for 13 coefficients" in rows.loc["eee", "noise percent", "level(dose)"]["reason"]
