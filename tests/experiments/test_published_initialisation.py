"""The published tables of the experiment on starts follow from the published runs."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from places import ROOT

from configs.schema import Initialise
from experiments import initialise
from geojax.sweeps import engine

FOLDER = ROOT / "docs" / "results" / "initialisation"


def test_the_published_tables_follow_from_the_published_runs(tmp_path):
    for name in ("development.json", "units.jsonl"):
        shutil.copy(FOLDER / name, tmp_path)
    for stage in ("look", "confirmatory"):
        engine.collect(replace(initialise.sweep(Initialise(stage=stage), tmp_path), ledger=tmp_path / "units.jsonl"))
    for name in ("confirmatory.csv", "outcomes.csv", "runs.csv"):
        found, published = (pd.read_csv(folder / name) for folder in (tmp_path, FOLDER))
        assert list(found) == list(published) and len(found) == len(published)
        numbers = found.select_dtypes("number").columns
        np.testing.assert_allclose(found[numbers], published[numbers], rtol=1e-6, atol=1e-9, equal_nan=True)
        others = [column for column in found if column not in numbers]
        assert found[others].astype(str).equals(published[others].astype(str))
