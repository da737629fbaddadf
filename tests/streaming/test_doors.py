"""The same numbers in every type give the same values at every door, or are refused in one sentence."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import geojax
from geojax.errors import InputError
from geojax.evaluation import evaluate
from geojax.representations import read_cloud
from geojax.streaming import moments, reservoir

KEY = jax.random.key(0)


def run(points, measures, **options):
    return evaluate(points, measures, KEY, **{"groups": 0} | options)


def values(evaluation):
    return {result.measure: result.value for result in evaluation.results}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32) * np.arange(1, 7, dtype=np.float32)


def kinds(points):
    """The same numbers in types that JAX does not know, and what is said of those that are refused."""
    return {
        "big-endian": points.astype(">f8"),
        "long doubles": points.astype(np.longdouble),
        "objects": points.astype(object),
        "masked": np.ma.masked_array(points, mask=points > 2),
        "text": points.astype(str),
    }


@pytest.mark.parametrize(("name", "message"), [
    ("big-endian", ""), ("long doubles", ""), ("objects", ""), ("masked", "masked entries"), ("text", "is text"),
])  # fmt: skip
def test_every_door_takes_the_same_types(points, name, message, tmp_path):
    """`evaluate`, a monitor, moments and a reservoir; a file where `numpy.save` writes the type without pickling."""
    given = kinds(points)[name]
    expected = values(run(points, "eee"))["eee"]
    doors = {
        "evaluate": lambda: values(run(given, "eee"))["eee"],
        "monitor": lambda: geojax.monitor("eee", points=len(points))(given)["eee"],
        "moments": lambda: moments.finish(moments.update(moments.init(6), given), "eee")["eee"],
        "reservoir": lambda: values(
            reservoir.finish(reservoir.update(reservoir.init(6, 200, KEY), given), "eee", KEY, groups=0)
        )["eee"],
    }
    if name not in ("objects", "masked"):
        np.save(tmp_path / "cloud.npy", given)
        doors["file"] = lambda: values(run(read_cloud(str(tmp_path / "cloud.npy")), "eee"))["eee"]
    for door in doors.values():
        if message:
            with pytest.raises(InputError, match=message):
                door()
        else:
            assert door() == pytest.approx(expected, rel=1e-5)


def test_bfloat16_is_read_from_a_file(points, tmp_path):
    half = points.astype(jnp.bfloat16)
    np.save(tmp_path / "cloud.npy", half)  # NumPy writes the type as two raw bytes
    found = read_cloud(str(tmp_path / "cloud.npy"))
    assert values(run(found, "eee")) == values(run(half, "eee"))


def test_sequences_of_64_bits_give_the_errors_of_small_numbers(points, tmp_path):
    documents = np.repeat(np.arange(20), 10)
    np.save(tmp_path / "cloud.npy", points)
    errors = []
    for index in (documents, documents << 32, (documents << 32).astype(">i8")):
        np.save(tmp_path / "index.npy", index)
        (result,) = run(read_cloud(str(tmp_path / "cloud.npy"), str(tmp_path / "index.npy")), "eee", groups=24).results
        assert result.n_sequences == 20
        errors.append(result.std_error)
    assert errors[0] > 0 and errors == [errors[0]] * 3
    with pytest.raises(InputError, match="sequence index .*an integer for each of the 200 rows"):
        run(SimpleNamespace(points=points, sequence_index=documents[:50]), "eee")


def test_labels_of_any_type_or_a_sentence(points):
    labels = np.arange(200) % 3
    expected = values(run(points, "ridge_probe", labels=labels))
    for given in (labels.astype(">i8"), labels.astype(object), labels.astype(np.uint8)):
        assert values(run(points, "ridge_probe", labels=given)) == expected
    real = points[:, 0].astype(np.float64)
    assert values(run(points, "ridge_probe", labels=real.astype(np.longdouble)))["ridge_probe"] > 0.99
    assert values(run(points, "ridge_probe", labels=real + 1e9))["ridge_probe"] > 0.99
    for given, message in (
        (labels.astype(np.int64) << 32, "number the classes from 0 on"),  # 32 bits would hold one class
        (labels.astype(str), "is text"),
        (real * 1e-60, "the largest of the labels about their mean is .*: rescale them to about 1"),
    ):
        with pytest.raises(InputError, match=message):
            run(points, "ridge_probe", labels=given)
    with pytest.raises(InputError, match="of which float32 loses the differences: subtract their mean"):
        run(points, "logme", labels=real + 1e9, convention="paper")  # whose value an offset of the labels changes


def test_additive_masks_are_refused_and_long_ones_are_read(points):
    hidden, keep = points.reshape(20, 10, 6), np.arange(10) < 5 + np.zeros((20, 1))
    expected = moments.finish(moments.update(moments.init(6), hidden, keep), "eee")["eee"]
    long = moments.update(moments.init(6), hidden, keep.astype(np.int64) << 32)
    assert moments.finish(long, "eee")["eee"] == expected
    with pytest.raises(InputError, match="100 entries that are negative or NaN"):
        moments.update(moments.init(6), hidden, np.where(keep, 0, -np.inf))
    with pytest.raises(InputError, match="100 entries that are negative or NaN"):
        geojax.monitor("eee", points=50)(hidden, jnp.where(keep, 0, -1e9))


@pytest.mark.parametrize(("index", "message"), [
    (np.arange(200) + 2**32, "index at .0. is 4294967296, but a stream has 0 to 2147483646"),
    (np.arange(200) - 1, "index at .0. is -1"),
    (np.arange(200.0), "integers are needed"),
    (np.arange(100), r"index has shape \(100,\)"),
])  # fmt: skip
def test_places_in_a_stream_fit_31_bits(points, index, message):
    with pytest.raises(InputError, match=message):
        reservoir.update(reservoir.init(6, 8, KEY), points, index=index)
