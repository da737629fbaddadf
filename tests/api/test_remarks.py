from dataclasses import fields

import pytest

from geojax.api.remarks import sentences
from geojax.evaluation.results import Result


def results(**warnings):
    counts = {
        "value": 0.0,
        "quantizer_seeds": 0,
        "n_sequences": 9,
        "n": 9,
        "n_dropped_masked": 0,
        "convention": "standard",
    }
    blank = {field.name: None for field in fields(Result)} | counts
    return [Result(**blank | {"measure": name, "warnings": tuple(texts)}) for name, texts in warnings.items()]


def bias(number):
    return f"the bias, about {number}, exceeds the standard error: compare it only at equal n"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({None: results(eee=["few points"], vrm=[])}, ["eee: few points"]),
        ({None: results(eee=["few points"], vrm=["few points"])}, ["all measures: few points"]),
        ({layer: results(eee=["few points"]) for layer in (0, 1, 2, 5)}, ["eee of layers 0 to 2, 5: few points"]),
        (
            {0: results(eee=["few", "rank 3 of 4"], vrm=["few"]), 1: results(eee=["few"], vrm=[]), 2: results(vrm=[])},
            ["all measures of layer 0 and eee of layer 1: few", "eee of layer 0: rank 3 of 4"],
        ),
        (
            {0: results(eee=[bias(-0.41)], vrm=[]), 1: results(eee=[bias("2e-05")], vrm=[bias("0.013")])},
            [f"eee of layer 0 and all measures of layer 1: {bias('-0.41 to 0.013')}"],
        ),
        (
            {layer: results(sign=[f"over them it is 0.{layer} to 0.9{layer}"]) for layer in (1, 2)},
            ["sign of layers 1 to 2: over them it is 0.1 to 0.91 (the numbers of the first; the table has all)"],
        ),
        ({"a/b": results(eee=["few"]), "c": results(eee=["few"])}, ["eee of a/b, c: few"]),
        ({name: results(eee=["few"]) for name in "abcdef"}, ["eee of a, b, c and 3 more: few"]),
    ],
)
def test_each_warning_once_with_what_it_concerns(found, expected):
    assert sentences(found) == expected
