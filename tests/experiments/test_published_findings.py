"""The findings that are published follow from the table that is."""

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from configs.schema import Findings
from experiments.replication import findings


@pytest.mark.slow
def test_the_published_findings_follow_from_the_published_table():
    folder = ROOT / "docs" / "results" / "replication"
    config = Findings(table=str(folder / "results.csv"), resamples=0)
    table = findings.read(config.table, config.target, config.intervention)
    keys = ["question", "subset", "predictor", "quantity", "unit"]
    found = pd.DataFrame(findings.answered(table, config)).set_index(keys)
    published = pd.read_csv(folder / "findings.csv", keep_default_na=False, na_values="nan").set_index(keys)
    assert list(found.index) == list(published.index)
    quantity = published.index.get_level_values("quantity")
    drawn = quantity.str.endswith(("permutation", "max_t", "p_wild", "better_than_mean"))
    ours, theirs = (frame.loc[~drawn, ["value", "n", "units"]].to_numpy(float) for frame in (found, published))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
