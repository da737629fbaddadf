"""The published tables of the experiment on starts follow from the published runs."""

import json

import numpy as np
import pandas as pd
from places import ROOT

from experiments.initialise import analysis, tables
from experiments.initialise.arms import ARMS
from experiments.initialise.sizes import FEASIBLE
from geojax.runtime import records

FOLDER = ROOT / "docs" / "results" / "initialisation"


def test_the_published_tables_follow_from_the_published_runs(tmp_path):
    choice = records.read_json(FOLDER / "development.json")
    lines = [json.loads(line) for line in (FOLDER / "units.jsonl").read_text().splitlines()]
    runs = {
        tuple(line["unit"].split("/run/seed_")): line["result"] for line in lines if "/run/" in line.get("unit", "")
    }
    arms = [arm.name for arm in ARMS]
    keys = [(arm, seed) for seed in FEASIBLE.confirmation for arm in arms]
    results = {(arm, seed): runs[arm, str(seed)] for arm, seed in keys}
    curves = {key: analysis.curve_of(result, choice["step_seconds"]) for key, result in results.items()}
    tables.write(tmp_path, "confirmatory", results, curves, arms, choice["goal"], FEASIBLE.steps)
    for name in ("confirmatory.csv", "outcomes.csv", "runs.csv"):
        found, published = (pd.read_csv(folder / name) for folder in (tmp_path, FOLDER))
        assert list(found) == list(published) and len(found) == len(published)
        numbers = found.select_dtypes("number").columns
        np.testing.assert_allclose(found[numbers], published[numbers], rtol=1e-6, atol=1e-9, equal_nan=True)
        others = [column for column in found if column not in numbers]
        assert found[others].astype(str).equals(published[others].astype(str))
