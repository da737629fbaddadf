"""The report: one file that needs nothing else, true to its tables, harmless with any name."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from experiments import regress, report
from geojax import tables


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


def write(frame, tmp_path, **changes):
    table = tables.from_frame(frame)
    arguments = {"title": "A study", "table": frame, "regressions": regress.regressions(table), "facts": {}}
    path = report.write(tmp_path, **arguments | changes)
    assert path == tmp_path / "report.html"
    return path.read_text()


class Page(HTMLParser):
    """Tags with their attributes, checked to be balanced, and the visible text."""

    VOID = {"meta", "img"}

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_whole_page_in_one_file(tmp_path):
    rng = np.random.default_rng(0)
    profiles = {f"m{i}": {"spectrum": np.ones(4), "counts": {"pq": rng.poisson(20, (2, 8))}} for i in range(12)}
    facts = {"Models": ["bert"], "Levels": [0.0, 1.5], "Time": "12 s"}
    html = write(models(), tmp_path, facts=facts, commands=["python launch.py --x=1"], profiles=profiles)
    page = Page(html)
    text = " ".join(page.text)
    for wanted in ("A study", "Scores", "Regressions", "Measures", "measure+family", "0, 1.5", "12 s",
                   "python launch.py --x=1", "8 of 12 models", "eee + family", "cola", "mini_order"):  # fmt: skip
        assert wanted in text, wanted
    assert not page.attributes("script") and not page.attributes("link")
    assert re.findall(r"(?:src|href)=\"(?!data:)", html) == []
    assert "default-src 'none'" in html
    images = page.attributes("img")
    assert len(images) == 2 + 1 + 1 + 2 + 1 + 2 and all(image["alt"] for image in images)
    for image in images:
        assert base64.b64decode(image["src"].partition("base64,")[2]).rstrip().endswith(b"</svg>")
    assert len(page.attributes("th")) == sum("scope" in heading for heading in page.attributes("th"))


def test_the_same_study_gives_the_same_bytes(tmp_path):
    assert write(models(), tmp_path) == write(models(), tmp_path)


def test_the_verdict_names_the_closest_measure_and_the_noise_level(tmp_path):
    frame = models()
    text = report.verdict(tables.from_frame(frame), regress.regressions(tables.from_frame(frame)), "GLUE average")
    spearman = {name: frame[name].corr(frame["glue_average"], method="spearman") for name in ("eee", "alpha")}
    assert text.startswith("Among 2 measures on 24 models of 2 families, eee follows the GLUE average")
    assert f"Spearman {spearman['eee']:.3f}, n = 24" in text
    assert f"more closely still (Spearman −{-spearman['alpha']:.3f})" in text
    assert text.count(". ") == 0 and text.endswith(".")
    assert text in " ".join(Page(write(frame, tmp_path)).text)


def test_the_verdict_without_levels_or_answers():
    frame = models().drop(columns=["alpha", "family"])
    table = tables.from_frame(frame)
    text = report.verdict(table, regress.regressions(table), "mean")
    assert "on 24 models, eee follows the mean" in text and "noise" not in text and "not a prediction" in text
    table = tables.from_frame(models(eee=1.0, pq_patchiness=1.0))
    text = report.verdict(table, regress.regressions(table), "mean")
    assert text == "No measure can be compared with the mean on 24 models of 2 families: the measure is constant."


def test_warnings_say_what_counts_against_the_numbers(tmp_path):
    frame = models(12, collapsed=[2, 1] + [0] * 10)
    frame.loc[3, "eee"] = np.nan
    frame.loc[4, "glue_average"] = np.nan
    frame["pq_patchiness"] = 1.5
    text = " ".join(Page(write(frame, tmp_path, warnings=["units failed: 1"])).text)
    for wanted in ("units failed: 1", "1 row (m4) left out, without a value of glue_average", "1 row (m3) left out",
                   "2 models (m0, m1) with runs that collapsed", "only 11 models",
                   "pq_patchiness ~ measure: the measure is constant"):  # fmt: skip
        assert wanted in text, wanted


def test_the_score_is_called_what_it_is(tmp_path):
    html = write(models(), tmp_path, target_label="miniature average")
    assert "GLUE" not in html and "follows the miniature average" in html


ATTACK = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>$a_&amp;{{ 7*7 }}"


def test_names_from_outside_are_escaped_everywhere(tmp_path):
    frame = models(model=[f"{ATTACK}{i}" for i in range(24)], family=np.resize([ATTACK, "other"], 24), base=ATTACK)
    html = write(frame, tmp_path, title=ATTACK, facts={ATTACK: [ATTACK]}, commands=[ATTACK], warnings=[ATTACK],
                 target_label=ATTACK, profiles={f"{ATTACK}0": {"spectrum": np.ones(3)}})  # fmt: skip
    page = Page(html)
    assert not page.attributes("script")
    assert all(image["src"].startswith("data:") and "onerror" not in image for image in page.attributes("img"))
    assert ATTACK in "".join(page.text)


@pytest.mark.parametrize("n", [1, 3])
def test_tiny_tables_are_reported_not_crashed(tmp_path, n):
    assert "only" in write(models(n), tmp_path)
