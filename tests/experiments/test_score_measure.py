"""A measure scored by what it says of families left out, beyond what is known before."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
import test_findings as law
from places import FIXTURES

from configs.schema import ScoreMeasure
from experiments.replication import findings, questions, score_measure
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.models import load
from geojax.models.perturb import add_noise
from geojax.regression import design, units
from geojax.streaming.layer_stream import sample


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "results.csv"
    law.made(np.random.default_rng(0)).to_csv(path, index=False)
    return path


def scored(table, measure, **changed):
    config = ScoreMeasure(**{"resamples": 200, **changed})
    pool = questions.pool_of(table)
    values = pool.frame[measure].to_numpy(float) if isinstance(measure, str) else measure
    found = pd.DataFrame(score_measure.skills(pool, values, config, "family", units.by_family))
    return found.set_index(["subset", "given"])


def without_each_family(pool, columns, rows):
    """Squared error of least squares on the other families, by hand."""
    design, target = np.column_stack([np.ones(len(rows)), *columns]), pool.scores
    errors = []
    for family in set(pool.frame["family"][rows]):
        out = (pool.frame["family"] == family).to_numpy()
        fitted = np.linalg.lstsq(design[rows & ~out], target[rows & ~out], rcond=None)[0]
        errors += list((target - design @ fitted)[rows & out])
    return np.mean(np.square(errors))


@pytest.mark.slow
def test_skill_is_what_the_law_allows_and_none_for_noise(written):
    table = findings.read(written, "outcome")
    good, noise = scored(table, "lsq_patchiness").loc["all"], scored(table, "eee").loc["all"]
    share = law.SLOPE**2 / (1 + law.MEASURED**2) / law.SPREAD
    assert set(good.index) == {"nothing", "dose", "mlm_loss", "dose and mlm_loss"}
    for name in good.index:
        assert good.loc[name, "lower"] <= share <= good.loc[name, "upper"] and good.loc[name, "lower"] > 0.5
        assert noise.loc[name, "lower"] < 0.02 and noise.loc[name, "skill"] < 0.05
    assert (good["n"] == law.FAMILIES * law.RUNGS).all() and (good["units"] == law.FAMILIES).all()


@pytest.mark.parametrize("column", ["paper_lsq_patchiness", "parameters"])
def test_a_baseline_and_a_measure_in_the_convention_of_the_paper_are_scored_too(written, tmp_path, column):
    score_measure.run(ScoreMeasure(table=str(written), measures=column, resamples=0), tmp_path)
    found = pd.read_csv(tmp_path / "score.csv").set_index(["subset", "given"])["skill"]["all", "nothing"]
    assert found == pytest.approx(scored(findings.read(written, "outcome"), column).loc["all", "nothing"]["skill"])
    assert (found > 0.8) == (column != "parameters")


def test_errors_are_those_of_fits_by_hand(written):
    table = findings.read(written, "outcome")
    pool, found = questions.pool_of(table), scored(table, "vrm", resamples=0)
    dose, loss = np.log1p(pool.frame["dose"].to_numpy(float)), pool.frame["mlm_loss"].to_numpy(float)
    knots = np.quantile(dose, [0, 1 / 3, 2 / 3, 1])
    both = [*design.natural_spline(dose, knots).T, np.isfinite(loss).astype(float), np.nan_to_num(loss)]
    vrm = pool.frame["vrm"].to_numpy(float)
    for subset, rows in questions.subsets(pool).items():
        if subset == "standard":
            continue  # all have a loss there: a column is the intercept again, which lstsq solves otherwise
        row = found.loc[subset, "dose and mlm_loss"]
        assert row["mse_without"] == pytest.approx(without_each_family(pool, both, rows), rel=1e-6)
        assert row["mse_with"] == pytest.approx(without_each_family(pool, [*both, vrm], rows), rel=1e-6)
        assert row["skill"] == pytest.approx(1 - row["mse_with"] / row["mse_without"])
    assert found["lower"].isna().all()


def test_a_measure_that_says_what_the_dose_says_has_no_skill_beyond_it(written):
    table = findings.read(written, "outcome")
    rng, frame = np.random.default_rng(1), table.frame
    falls = frame.assign(outcome=1 - 0.3 * np.log1p(frame["dose"].fillna(0)) + 0.05 * rng.normal(size=len(frame)))
    table = replace(table, frame=falls)
    pool = questions.pool_of(table)
    found = scored(table, np.log1p(pool.frame["dose"].to_numpy(float))).loc["all"]
    assert found.loc["nothing", "lower"] > 0.8 and abs(found.loc["dose", "skill"]) < 1e-6


def test_what_one_family_alone_has_is_not_given(written):
    table = findings.read(written, "outcome")
    kinds = table.frame["dose_kind"].where(table.frame["family"] != "f2", "pre-training step")
    pool = questions.pool_of(replace(table, frame=table.frame.assign(dose_kind=kinds)))
    dose = score_measure.given(pool, units.by_family)["dose"]
    assert len(dose) == 4 and (dose[0] == (pool.frame["family"] != "f2")).all()
    assert np.isfinite(dose).all()
    undosed = replace(pool, frame=pool.frame.drop(columns=["dose", "dose_kind", "alpha"]))
    assert list(score_measure.given(undosed, units.by_family)) == ["nothing", "mlm_loss"]
    lost = replace(undosed, frame=undosed.frame.drop(columns="mlm_loss"))
    assert list(score_measure.given(lost, units.by_family)) == ["nothing"]


@pytest.mark.slow
def test_a_new_measure_is_taken_on_the_models_of_a_table(tmp_path, capsys, monkeypatch):
    """As `evaluate` takes it on the same points; a second run takes nothing again."""
    (tmp_path / "models").mkdir()
    for base in ("a", "b"):
        (tmp_path / "models" / base).symlink_to(FIXTURES / "random-bert")
    rows = [
        {"model": f"{base}_{alpha}", "base": base, "family": base, "kind": "mlm", "standard": 1, "alpha": alpha,
         "noise_seed": alpha or None, "dose": alpha, "dose_kind": "noise percent", "eee": 0.1, "outcome": 1 - alpha / 9}
        for base in ("a", "b") for alpha in (0, 1, 2)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "sequences.txt").write_text("flat round wide narrow\n" * 20)
    config = ScoreMeasure(
        table=str(tmp_path / "results.csv"), measures="isoscore,eee", models=str(tmp_path / "models"), points=40,
        sequences=str(tmp_path / "sequences.txt"), max_sequences=8, resamples=0,
    )  # fmt: skip
    score_measure.run(config, tmp_path / "out")
    values = pd.read_csv(tmp_path / "out" / "values.csv").set_index("model")
    model = load(str(FIXTURES / "random-bert"))
    noised = model._replace(params=add_noise(model.params, 2.0, jax.random.key(2)))
    texts = ["flat round wide narrow"] * 8
    (stream,) = sample(*noised[:3], texts, layers=(model.config.num_hidden_layers,), points=40, key=jax.random.key(0))
    direct = evaluate(stream.sample, "isoscore", jax.random.key(0)).results[0].value
    assert values["isoscore"]["b_2"] == pytest.approx(direct)
    assert values["isoscore"].nunique() == 3 and (values.loc["a_1"] == values.loc["b_1"]).all()
    table = pd.read_csv(tmp_path / "out" / "score.csv")
    assert set(table["given"]) == {"nothing", "dose"} and set(table["measure"]) == {"isoscore", "eee"}
    assert "skill" in capsys.readouterr().out
    monkeypatch.setattr(score_measure, "load", None)
    score_measure.run(replace(config, level=0.8), tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"measures": "lsq_patchines"}, "did you mean 'lsq_patchiness'.*--config.models takes a new one"),
        ({"measures": "vrm,lsq_patchines2"}, "no measure 'lsq_patchines2': did you mean 'lsq_patchiness'"),
        ({"measures": "eee", "models": "gone"}, "no model at gone/f0: f0_0 of the table needs it"),
        ({"measures": "logme", "models": "gone"}, "logme"),
        ({"measures": "mypkg.mod:ROW", "models": "gone"}, "cannot be imported"),
        ({"measures": "eee", "level": 2.0}, "level is 2"),
        ({"measures": "eee", "target": "nothing"}, "no column 'nothing'"),
    ],
)
def test_bad_settings_get_a_sentence(written, tmp_path, changed, message):
    frame = pd.read_csv(written).assign(noise_seed=0)
    frame.to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(InputError, match=message):
        score_measure.run(ScoreMeasure(**{"table": str(tmp_path / "results.csv"), **changed}), tmp_path / "out")
