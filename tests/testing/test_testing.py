"""`geojax.testing.check`: a right row passes it, and every wrong claim is found and named."""

import re
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from places import ROOT

from configs.schema import Measure as Settings
from experiments import measure
from geojax.errors import InputError
from geojax.measures import CONVENTIONS, INVARIANCES
from geojax.ops.moments import as_mask, centre
from geojax.ops.safe import ratio
from geojax.testing import CHECKS, check
from geojax.testing.clouds import TRANSFORMATIONS

PAGE = (ROOT / "docs" / "measures.md").read_text()
MODULE, TEST, USE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def module(code=MODULE):
    """The names that a piece of the page defines."""
    names = {}
    exec(code, names)  # noqa: S102
    return names


RIGHT = module()["SHELL_RATIO"]


def row(function=RIGHT.function, **claims):
    """The row of the page with another function or other claims."""
    return replace(RIGHT, function=function, **claims)


def ignores_the_mask(points, *, mask=None, convention="standard", key=None):
    return RIGHT.function(points)


def keeps_leading_rows(points, *, mask=None, convention="standard", key=None):
    kept = jnp.arange(len(points)) < jnp.sum(as_mask(mask, len(points)))
    return RIGHT.function(points, mask=kept)


def hides_nan(points, *, mask=None, convention="standard", key=None):
    return RIGHT.function(jnp.where(jnp.isnan(points), jnp.nanmean(points), points), mask=mask)


def divides_by_zero(points, *, mask=None, convention="standard", key=None):
    """0 / 0 where the second axis is twice the first."""
    cloud = centre(points, mask)
    left = jnp.sum((cloud.points[:, 1] - 2 * cloud.points[:, 0]) ** 2)
    return RIGHT.function(points, mask=mask) * left / left


def cancels(points, *, mask=None, convention="standard", key=None):
    """Mean of squares less square of means, far from the origin a difference of nearly equal numbers."""
    mask = as_mask(mask, len(points))[:, None]
    count = jnp.sum(mask)
    mean, squares = (jnp.sum(jnp.where(mask, points**power, 0), 0) / count for power in (1, 2))
    variances = squares - mean**2
    return ratio(jnp.max(variances), jnp.sum(variances))


def loses_gradients(points, *, mask=None, convention="standard", key=None):
    return RIGHT.function(points.at[0].set(jax.lax.stop_gradient(points[0])), mask=mask)


def gives_masked_rows_a_gradient(points, *, mask=None, convention="standard", key=None):
    mask = as_mask(mask, len(points))[:, None]
    pull = jnp.where(jnp.isnan(points), 1.0, points)
    return RIGHT.function(points, mask=mask[:, 0]) + jnp.sum(pull - jax.lax.stop_gradient(pull))


def takes_all_pairs(points, *, mask=None, convention="standard", key=None):
    return jnp.mean(jnp.sort(points @ points.T, 1)[:, -2])


def depends_on_the_convention(points, *, mask=None, convention="standard", key=None):
    return RIGHT.function(points, mask=mask) * (0.5 if convention == "paper" else 1)


def branches(points, *, mask=None, convention="standard", key=None):
    """NaN where a coordinate is not finite, decided in Python."""
    return RIGHT.function(points, mask=mask) if jnp.all(jnp.isfinite(points)) else jnp.float32(jnp.nan)


def knows_that_it_is_traced(points, *, mask=None, convention="standard", key=None):
    return RIGHT.function(points, mask=mask) / (2 if isinstance(points, jax.core.Tracer) else 1)


NUMBER = r"-?\d[\d.e+-]*"


@pytest.mark.parametrize(
    ("wrong", "name", "sentence"),
    [
        (
            row(invariances=INVARIANCES),
            "invariances",
            f"axis scaling is declared, but takes its value on a generic cloud from {NUMBER} to {NUMBER}",
        ),
        (
            row(invariances=tuple(name for name in RIGHT.invariances if name != "rotation")),
            "invariances",
            f"rotation is not declared, but changes none of 5 generic clouds: {NUMBER} and {NUMBER}",
        ),
        (
            row(ignores_the_mask),
            "masked rows",
            f"on a generic cloud it gives {NUMBER}, but nan with 96 masked rows after its own, in convention 'paper'",
        ),
        (row(keeps_leading_rows), "masked rows", f"gives {NUMBER}, but nan with 96 masked rows between its own"),
        (
            row(value_range=(0.0, 0.5)),
            "range",
            rf"on a generic cloud \(seed 4\) it gives {NUMBER}, outside of its range of 0 to 0.5",
        ),
        (
            row(hides_nan),
            "bad coordinates",
            f"on a generic cloud with a coordinate of nan it gives {NUMBER} in place of nan",
        ),
        (row(divides_by_zero), "degenerate clouds", "on the cloud 'line', in convention 'standard', it gives nan"),
        (
            row(cancels),
            "degenerate clouds",
            f"'offset', in convention 'standard', it gives {NUMBER}, but {NUMBER} before that translation",
        ),
        (row(value_range=(0.0, 0.96)), "degenerate clouds", "'two'.* gives 1, outside of its range of 0 to 0.96"),
        (
            row(loses_gradients),
            "gradients",
            f"the derivative along a random direction is {NUMBER}, finite differences give {NUMBER}",
        ),
        (row(gives_masked_rows_a_gradient), "gradients", "masked rows have derivatives of up to 1 in place of 0"),
        (row(takes_all_pairs), "memory", r"a cloud of 65536 x 64 takes \d{4} clouds of memory beside it: fewer than 4"),
        (
            row(conventions=CONVENTIONS),
            "conventions",
            f"but on a generic cloud it gives ({NUMBER}) in 'standard' and \\1 in 'paper'",
        ),
        (row(depends_on_the_convention), "conventions", r"conventions is \('standard',\), but on a generic"),
        (row(branches), "compilation", "raised TracerBoolConversionError: Attempted boolean conversion"),
        (
            row(knows_that_it_is_traced),
            "compilation",
            f"on a generic cloud it gives {NUMBER} eagerly, but {NUMBER} under jit",
        ),
        (row(hides_nan), "declaration", "the function hides_nan has no docstring"),
        (row(cost="fast"), "declaration", r"cost is 'fast': say it as in 'O\(n d\)'"),
        (row(cost="O(n^2 d)"), "declaration", "quadratic is False"),
        (row(invariances=("shear",)), "declaration", "invariances has shear: choose from permutation"),
        (row(conventions=("paper",)), "declaration", r"conventions is \('paper',\)"),
        (row(value_range=(1.0, 0.0)), "declaration", "the lower end comes first"),
        (row(undefined=""), "declaration", "undefined is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) and value in CHECKS else "",
)
def test_a_wrong_claim_is_named(wrong, name, sentence):
    with pytest.raises(AssertionError, match=f"(?m)^shell_ratio: {name}: .*{sentence}"):
        check(wrong, checks=[name])


def test_everything_wrong_is_told_at_once():
    """A function that no check can run is one line."""
    with pytest.raises(AssertionError) as caught:
        check(row(branches, cost="fast"))
    declared, raised = str(caught.value).splitlines()
    assert declared.startswith("shell_ratio: declaration: cost is 'fast'")
    failed = ", ".join(name for name in CHECKS if name not in ("declaration", "float64"))
    assert raised.startswith(f"shell_ratio: {failed}: raised TracerBoolConversionError: Attempted")
    assert isinstance(caught.value.__cause__, jax.errors.TracerBoolConversionError)


def test_the_oracle_is_asked_in_both_conventions():
    with pytest.raises(AssertionError) as caught:
        check(RIGHT, lambda points, convention: {"standard": 0.25, "paper": 0.75}[convention], checks=["float64"])
    standard, paper = str(caught.value).splitlines()
    assert "the oracle 0.25, in convention 'standard'" in standard and "the oracle 0.75" in paper


def test_clouds_without_a_value_may_be_named():
    report = check(row(divides_by_zero), undefined=["line"], checks=["degenerate clouds"])
    assert report == {"degenerate clouds": "passed"}


def test_a_measure_of_cells_is_checked_too():
    def largest_cell(cells, *, convention="standard", key=None, power=1):
        """Share of the points in the fullest cell."""
        counts = cells.counts.astype(jnp.float32)
        return ratio(jnp.max(counts) ** power, jnp.sum(counts[0]))

    own = row(
        largest_cell,
        reads="cells",
        quantizer="pq",
        invariances=("permutation", "translation", "reflection", "scaling"),
        differentiable=False,
    )
    oracle = lambda cells, convention: cells.counts.max() / len(cells.points)  # noqa: E731
    report = check(own, oracle)
    assert report == dict.fromkeys(CHECKS, "passed") | {"gradients": "skipped: the row is not declared differentiable"}
    with pytest.raises(AssertionError, match=f"float64: on a generic cloud it gives {NUMBER}, the oracle 0"):
        check(own, oracle, options={"power": 2}, checks=["float64"])


def alike(points, other, *, mask=None, convention="standard", key=None):
    """Cosine of the distances of the points from the means of both clouds."""
    a, b = (jnp.sum(centre(cloud, mask).points ** 2, 1) for cloud in (points, other))
    return ratio(jnp.sum(jnp.sqrt(a * b)), jnp.sqrt(jnp.sum(a) * jnp.sum(b)))


def leans(points, other, *, mask=None, convention="standard", key=None):
    """`alike`, of the other cloud as it lies."""
    seen = jnp.where(as_mask(mask, len(points))[:, None], other, 0)
    a, b = jnp.sum(centre(points, mask).points ** 2, 1), jnp.sum(seen**2, 1)
    return ratio(jnp.sum(jnp.sqrt(a * b)), jnp.sqrt(jnp.sum(a) * jnp.sum(b)))


def test_a_measure_of_a_pair_of_clouds_is_checked_on_either_side():
    own = row(alike, reads="pair", differentiable=False)
    check(own, checks=["declaration", "invariances", "degenerate clouds", "bad coordinates"])
    with pytest.raises(AssertionError, match="symmetry is not declared, but changes none of 5 generic clouds"):
        check(replace(own, symmetric=False), checks=["invariances"])
    with pytest.raises(AssertionError) as caught:
        check(replace(own, function=leans), checks=["invariances", "bad coordinates", "degenerate clouds"])
    told = str(caught.value)
    assert "invariances: translation is declared" in told and "symmetry is declared" in told
    assert "degenerate clouds: on the other cloud 'offset', in convention 'standard'" in told
    assert "on the cloud 'offset'" not in told and "rotation" not in told
    with pytest.raises(AssertionError, match="symmetric is False, but that is a claim of rows that read a pair"):
        check(row(symmetric=False), checks=["declaration"])


@pytest.mark.parametrize(
    ("wrong", "options", "message"),
    [
        (row(reads="pair"), {}, r"must take \(points, other, convention=, key=, mask=\)"),
        (row(name="eee"), {}, "'eee' is taken"),
        (row(lambda points, mask=None: 0.0), {}, "must take"),
        (RIGHT, {"checks": ["gradient"]}, "check 'gradient' is unknown: did you mean 'gradients'"),
        (RIGHT, {"undefined": ["empty"]}, "degenerate cloud 'empty' is unknown: choose from equal, duplicates"),
    ],
)
def test_what_cannot_be_checked_is_refused(wrong, options, message):
    with pytest.raises(InputError, match=message):
        check(wrong, **options)


def test_it_is_imported_on_use_and_without_a_test_framework():
    code = "import geojax, sys; light = set(sys.modules); geojax.testing.check; print(*light, '|', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    before, after = (set(names.split()) for names in run.stdout.split("|"))
    assert "geojax.testing" not in before and not {"pytest", "hypothesis", "jax._src.test_util"} & after


def test_the_row_of_the_page_passes(tmp_path, monkeypatch):
    """As the page tells it: written to a module, checked, evaluated, named on the command line."""
    (tmp_path / "mymeasures.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    names = module(TEST)
    names["test_shell_ratio"]()
    report = check(names["SHELL_RATIO"])
    assert report == dict.fromkeys(CHECKS, "passed") | {"float64": "skipped: no oracle is given"}
    used = module(USE)
    np.save(tmp_path / "cloud.npy", used["cloud"])
    measure.run(Settings(cloud=str(tmp_path / "cloud.npy"), measures="mymeasures:SHELL_RATIO, eee"), tmp_path)
    assert f"shell_ratio,{used['shell'].value},{used['shell'].std_error}" in (tmp_path / "measures.csv").read_text()


def test_the_page_tells_what_is_checked():
    for name, function in CHECKS.items():
        assert f"| {name} | {function.__doc__} |" in PAGE
    assert set(TRANSFORMATIONS) == set(INVARIANCES)


def test_the_mistake_of_the_page_is_found():
    careless = module(MODULE.replace("jnp.where(away, squares, 1)", "squares"))["SHELL_RATIO"]
    with pytest.raises(AssertionError) as caught:
        check(careless)
    assert re.sub(NUMBER, "", str(caught.value)) in re.sub(NUMBER, "", PAGE)
