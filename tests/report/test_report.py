"""The report: one file that needs nothing else, true to its tables, harmless with any name."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from experiments import regress
from geojax.analysis import score_table
from geojax.report import grids, page, remarks, verdict, words
from geojax.report.verdict import Evidence
from geojax.runtime import records


def models(n=24, **columns):
    rng = np.random.default_rng(0)
    level = np.resize([0.0, 1, 2, 5, 10, 20], n)
    score = 0.7 - 0.1 * np.log1p(level) + 0.01 * rng.normal(size=n)
    frame = pd.DataFrame({"model": [f"m{i}" for i in range(n)],
                          "base": "bert", "family": np.resize(["wide", "deep"], n),
                          "alpha": level, "noise_seed": np.arange(n) // 6, "eee": score + 0.05 * rng.normal(size=n),
                          "pq_patchiness": rng.uniform(1, 2, size=n), "cola": score - 0.1, "mini_order": score + 0.1,
                          "glue_average": score, "tasks": "cola+mini_order", "collapsed": 0})  # fmt: skip
    return frame.assign(**columns)


def validated(scheme, measure, r2, lower=np.nan, upper=np.nan, *, block="measure", terms="measure", **more):
    return {
        "scheme": scheme, "block": block, "measure": measure, "terms": terms, "n": 24, "n_dropped": 0, "units": 6,
        "mse": 1 - r2, "r2_vs_training_mean": r2, "r2_lower": lower, "r2_upper": upper, "r2_vs_test_mean": r2,
        "pearson": 0.5, "spearman": 0.5, "spearman_lower": 0.1, "spearman_upper": 0.7, "weighted_tau": 0.4,
        "tau_lower": 0.0, "tau_upper": 0.6, "interval": "refitted", "candidates": 1, "chosen": "", "reason": "",
    } | more  # fmt: skip


LEVELS = [
    validated("leave_one_level_out", "eee", 0.6, 0.3, 0.8),
    validated("leave_one_level_out", "selected", 0.5, 0.2, 0.7, terms="nested", candidates=2, chosen="eee"),
    validated("leave_one_level_out", "training_mean", 0.0, 0.0, 0.0, block="baseline", terms="intercept"),
]
NOISE = validated("leave_one_level_out", "alpha", 0.9, 0.8, 1.0, block="baseline", terms="spline7(log(alpha))")
LABELS = validated("leave_one_level_out", "logme", 0.95, 0.9, 1.0, block="label-based baseline")


def evidence(frame, validated=(), *, label="GLUE average", **lines):
    table = score_table.from_frame(frame)
    rows = [
        {"measure": name, "terms": "measure", "n": len(table.frame), "n_dropped": 0, "slope": 1.0, "std_error": 0.1,
         "intercept": 0.0, "r2": 0.5, "adjusted_r2": 0.4, "pearson": 0.5,
         "spearman": frame[name].corr(frame["glue_average"], method="spearman"), "p_value": 0.01,
         "p_permutation": 0.02, "p_max_t": 0.03, "candidates": 2, "permuted": "6 blocks", "condition_number": 1.0,
         "influential": 0, "reason": ""} for name in table.measures
    ]  # fmt: skip
    empty = {name: [] for name in regress.COLUMNS_OF}
    return Evidence(table, empty | {"regression": rows, "cross_validation": list(validated)} | lines, label, 0.9)


def write(of, tmp_path, **changes):
    arguments = {"title": "A study", "table": of.table, "lines": of.lines, "facts": {}, "sources": {}}
    path = page.write(tmp_path, **arguments | {"label": of.label} | changes)
    assert path == tmp_path / "report.html"
    return path.read_text()


class Page(HTMLParser):
    """Tags with their attributes, checked to be balanced, and the visible text."""

    VOID = {"meta", "img", "br"}

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(html.replace("<wbr>", ""))  # where a name may be broken
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_same_study_gives_the_same_bytes(tmp_path):
    of = evidence(models(), LEVELS)
    assert write(of, tmp_path) == write(of, tmp_path)


def said(validated, frame=None):
    return verdict.verdict(evidence(models() if frame is None else frame, validated))


def test_the_verdict_opens_with_the_families_and_comes_from_what_was_left_out():
    text = said(LEVELS)
    assert text.startswith(
        "On 24 models of 2 independent families, geometry predicts the GLUE average of levels of the"
    )
    assert "R² 0.50, 90% interval 0.20 to 0.70 by the best of 2 measures (chosen without what is left out)" in text
    assert text.count(". ") == 0 and text.endswith(".") and "0.60" not in text  # the best in hindsight is no evidence
    assert "On 24 models of 1 independent family, " in said(LEVELS, models().drop(columns="family"))
    assert said(LEVELS, models(family="wide")).endswith("; of other families it says nothing.")
    ladder = {"measure": "eee", "pearson": -0.9, "p_smooth_pearson": 0.4}
    text = verdict.verdict(evidence(models(family="wide"), LEVELS, ladders=[ladder]))
    assert "a smooth curve that knows nothing follows the GLUE average as closely as eee with probability 0.4." in text


def test_a_baseline_that_does_better_is_in_the_verdict_and_one_with_labels_is_not():
    text = said([*LEVELS, NOISE, LABELS])
    assert "predicts the GLUE average of levels of the dose that the fit has not seen, but no better than" in text
    assert "the noise level alone (as a spline) does without it" in text and "against R² 0.90" in text
    assert "logme" not in text
    worse = NOISE | {"r2_vs_training_mean": 0.1}
    assert "above the best baseline, the noise level alone (as a spline), R² 0.10" in said([*LEVELS, worse])


def test_where_validation_fails_the_verdict_says_so():
    family = [validated("leave_one_family_out", "eee", -0.4, -2.0, -0.1)]
    text = said([*LEVELS, *family])
    assert "geometry does not predict the GLUE average of model families that the fit has not seen" in text
    assert "eee does no better there than the training mean, R² −0.40" in text
    two = [*family, validated("leave_one_family_out", "vrm", -0.6)]
    assert "eee (the best of 2 fits in hindsight) does no better" in said(two)
    unsure = [validated("leave_one_level_out", "eee", 0.2, -0.3, 0.5)]
    assert "it is not shown that geometry predicts" in said(unsure) and "which includes 0" in said(unsure)
    few = [validated("leave_one_family_out", "eee", 0.2, units=3)]
    assert "3 units are too few for an interval" in said(few)


def test_the_verdict_without_validation_or_answers():
    assert "nothing is known of how well geometry predicts" in said([]) and "no model was left out" in said([])
    of = evidence(models())
    for row in of.lines["regression"]:
        row["reason"] = "the measure is constant"
    assert verdict.verdict(of).endswith("no measure can be fitted, the measure is constant.")


def test_findings_speak_of_chance_ladders_and_what_the_dose_explains():
    ladder = {"measure": "eee", "family": "wide", "dose_kind": "noise percent", "levels": 6, "n": 12, "pearson": -0.9,
              "p_smooth_pearson": 0.4}  # fmt: skip
    partial = {"measure": "eee", "dose_kind": "noise percent", "given": "spline(log(alpha))", "r2_given": 0.99,
               "p_cr2": 0.3}  # fmt: skip
    new = {"measure": "eee", "terms": "measure", "n": 5, "mse": 0.1, "r2_vs_training_mean": -0.5, "coverage": 0.4,
           "block": "measure", "excluded": "", "level": 0.9}  # fmt: skip
    of = evidence(models(), [*LEVELS, NOISE, LABELS], ladders=[ladder], partial=[partial], validation=[new])
    text = " ".join(verdict.findings(of))
    for wanted in ("Leaving out one level at a time (6 levels): the best single measure (eee with all models) R² 0.50 "
                   "(0.20 to 0.70)", "the noise level alone (as a spline) R² 0.90 (0.80 to 1.00)",
                   "best baseline is logme: R² 0.95", "eee follows the GLUE average most closely by rank",
                   "by chance in some of 2 measures with probability 0.03", "none of 1 correlations", "probability 0.4",
                   "Given the dose as a spline", "none of 1 measures add something",
                   "On 5 new models", "R² −0.50, 40% of the scores within their 90% intervals"):  # fmt: skip
        assert wanted in text, wanted


def chosen(measure, block, regret, unit="recipes"):
    ends = {f"{name}{end}": regret for name in ("regret_1", "regret_3", "weighted_tau") for end in ("_lower", "_upper")}
    return {"measure": measure, "block": block, "unit": unit, "direction": -1, "n": 24, "units": 6, "regret_1": regret,
            "regret_3": 0.0, "weighted_tau": 0.2} | ends  # fmt: skip


def test_a_choice_is_told_beside_a_random_one():
    rows = [chosen("eee", "measure", 0.3), chosen("vrm", "measure", 0.2), chosen("random choice", "random", 0.25),
            chosen("knn_accuracy", "label-based baseline", 0.01)]  # fmt: skip
    of = evidence(models(), LEVELS, choice=rows)
    (text,) = [sentence for sentence in verdict.findings(of) if "first choice" in sentence]
    assert text.startswith("Among models of different recipes")
    assert "vrm 0.200 (0.200 to 0.200); knn_accuracy 0.010" in text and "random choice 0.250" in text
    (table,) = grids.choice(of)
    assert [row[0].text for row in table.rows] == ["knn_accuracy", "vrm", "random choice", "eee"]
    assert "one model of each of the recipes" in table.note
    alone = evidence(models(), LEVELS, choice=[{**row, "unit": "models"} for row in rows])
    assert any(sentence.startswith("Among the models,") for sentence in verdict.findings(alone))
    assert grids.choice(evidence(models(), LEVELS)) == []


def test_recipes_are_the_origins_where_the_table_names_them():
    frame = models().assign(family=[f"f{index // 4}" for index in range(24)])
    recipe = validated("leave_one_recipe_out", "eee", 0.4, 0.1, 0.6)
    of = evidence(frame.assign(recipe=[f"r{index // 8}" for index in range(24)]), [*LEVELS, recipe])
    text = verdict.verdict(of)
    assert (
        "On 24 models of 3 independent recipes, geometry predicts" in text and "of recipes that the fit has not" in text
    )
    assert "6 independent families" in verdict.verdict(evidence(frame, LEVELS))
    assert any(
        "all families are of one recipe" in one for one in remarks.scarce(evidence(frame.assign(recipe="x")).table)
    )


def test_warnings_say_what_counts_against_the_numbers(tmp_path):
    frame = models(12, collapsed=[2, 1] + [0] * 10, family="wide")
    frame.loc[3, "eee"] = np.nan
    frame.loc[4, "glue_average"] = np.nan
    of = evidence(frame)
    of.lines["regression"][1]["reason"] = "the measure is constant"
    outside = {"model": "n1", "inside_range": False, "note": "unbounded: 3 families in the fit, 9 are needed for 90%"}
    text = " ".join(Page(write(of, tmp_path, warnings=["units failed: 1"])).text)
    for wanted in ("units failed: 1", "1 row (m4) left out, without a value of glue_average", "1 row (m3) left out",
                   "2 models (m0, m1) with runs that collapsed", "only 11 models", "one family only (wide)",
                   "pq_patchiness ~ measure: the measure is constant"):  # fmt: skip
        assert wanted in text, wanted
    text = " ".join(remarks.of(of.table, of.lines | {"predictions": [outside]}))
    assert "1 new model (n1) outside the range" in text and "1 new model (n1): intervals unbounded" in text
    assert "no families" in " ".join(remarks.scarce(score_table.from_frame(models().drop(columns="family"))))
    assert "24 models" in "".join(
        remarks.collapsed(score_table.from_frame(models(collapsed=4)))
    ) and "all of them" in "".join(remarks.collapsed(score_table.from_frame(models(collapsed=4))))


def test_label_based_baselines_stand_in_a_table_of_their_own():
    whole, labelled = grids.validation(evidence(models(), [*LEVELS, NOISE, LABELS]))
    assert [row[0].text for row in whole.rows] == ["alpha", "eee", "selected", "training_mean"]
    assert [row[0].text for row in labelled.rows] == ["logme"]
    assert "p_value" not in whole.headings and "note" not in whole.headings  # nothing to say in that column
    cell = whole.rows[1][whole.headings.index("R² against the training mean (90% interval)")]
    assert cell == ("0.600 (0.300 to 0.800)", 0.6)


def test_layers_are_shown_where_the_folder_has_them(tmp_path):
    result = {"measure": "eee", "value": 0.5, "std_error": 0.01, "freedom": 20.0}
    layers = [{"layer": layer, "results": [result | {"value": 0.5 + layer / 10}]} for layer in range(3)]
    records.write_json(tmp_path / "deep" / "measures.json", {"model": "bert", "layers": layers})
    records.write_json(tmp_path / "flat" / "measures.json", {"model": "bert", "layers": layers[:1]})
    text = " ".join(Page(write(evidence(models(n=3)), tmp_path)).text)
    assert "Layer by layer" in text and "In deep least in layer 0 (0.5), most in layer 2 (0.7)" in text


def test_numbers_are_said_as_they_are_printed():
    assert words.number(-0.25, ".2f") == "−0.25" and words.number(-0.0001, ".2f") == "0.00"
    assert words.number(float("nan")) == "–" and words.number(None) == "–" and words.number(-np.inf) == "−∞"
    assert words.number(True) == "yes" and words.number("a-b") == "a-b" and words.number(0.71, ".0%") == "71%"
    assert words.with_interval(0.5, -1.0, np.inf, ".1f") == "0.5 (−1.0 to ∞)"
    assert words.with_interval(0.5, np.nan, np.nan, ".1f") == "0.5"
    assert words.some("family", list("abcdefg")) == "7 families (a, b, c, d, e, …)"


ATTACK = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>$a_&amp;{{ 7*7 }}"


def test_names_from_outside_are_escaped_everywhere(tmp_path):
    frame = models(model=[f"{ATTACK}{i}" for i in range(24)], family=np.resize([ATTACK, "other"], 24), base=ATTACK)
    of = evidence(frame, [*LEVELS, validated("leave_one_level_out", ATTACK, 0.1)], label=ATTACK)
    html = write(of, tmp_path, title=ATTACK, facts={ATTACK: [ATTACK]}, sources={ATTACK: ATTACK}, commands=[ATTACK],
                 warnings=[ATTACK], profiles={f"{ATTACK}0": {"spectrum": np.ones(3)}})  # fmt: skip
    parsed = Page(html)
    assert len(parsed.attributes("script")) == 1 and html.count("<script>") == 1
    assert all(image["src"].startswith("data:") and "onerror" not in image for image in parsed.attributes("img"))
    assert ATTACK in "".join(parsed.text)


@pytest.mark.parametrize("n", [1, 3])
def test_tiny_tables_are_reported_not_crashed(tmp_path, n):
    assert "only" in write(evidence(models(n)), tmp_path)
