import subprocess
import sys

import numpy as np
import pytest

from geojax.alignment import files, fit_bridge, load_bridge, save_bridge, translate_file
from geojax.errors import InputError
from geojax.runtime.tensors import write_tensors

RNG = np.random.default_rng(10)
X = RNG.standard_normal((1000, 6)).astype(np.float32)
Y = np.concatenate([X[:, ::-1], X[:, :2] ** 2], 1)


@pytest.fixture(scope="module")
def bridge():
    return fit_bridge(X, Y)


def test_a_bridge_comes_back(bridge, tmp_path):
    about = {"source": "one", "target": "another", "anchors": 1000}
    for name in ("one", "two"):
        save_bridge(tmp_path / name, bridge, about)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = load_bridge(tmp_path / "one")
    assert found.about == about and found.bridge.directions
    np.testing.assert_array_equal(found.bridge(X), bridge(X))
    assert found.bridge.rank == bridge.rank and found.bridge.condition == bridge.condition


def test_a_file_that_is_no_whole_bridge(bridge, tmp_path):
    path = tmp_path / "bridge"
    with pytest.raises(InputError, match="not a whole bridge file"):
        load_bridge(path)
    save_bridge(path, bridge)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="not a whole bridge file"):
        load_bridge(path)
    tensors = {name: np.asarray(getattr(bridge, name)) for name in files.ARRAYS}
    facts = {"format": files.FORMAT, "directions": "true", "about": "{}"}
    for change, metadata, message in (
        ({}, facts | {"format": "cloud"}, "is no bridge: it has the format 'cloud'"),
        ({"more": np.ones(2)}, facts, "is no bridge"),
        ({"source_mean": np.ones(5, np.float32)}, facts, "its arrays have the shapes"),
        ({"matrix": tensors["matrix"] * np.nan}, facts, "or are not finite"),
        ({}, facts | {"directions": "3"}, "its metadata are"),
        ({}, facts | {"about": "{"}, "its metadata are"),
    ):
        write_tensors(path, tensors | change, metadata)
        with pytest.raises(InputError, match=message):
            load_bridge(path)


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_of_vectors_crosses_in_blocks(bridge, tmp_path, monkeypatch, kind, order):
    monkeypatch.setattr(files, "BLOCK", 300)
    np.save(tmp_path / "x.npy", np.asarray(X, kind, order=order))
    done = []
    found = translate_file(bridge, tmp_path / "x.npy", tmp_path / "new" / "y.npy", progress=lambda *n: done.append(n))
    assert found == (1000, 0) and done == [(300, 1000), (600, 1000), (900, 1000), (1000, 1000)]
    y = np.load(tmp_path / "new" / "y.npy")
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, bridge(np.load(tmp_path / "x.npy")), atol=1e-5)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["y.npy"]


def test_rows_that_are_not_finite_are_counted_and_the_old_file_stays_until_the_new_one_is_whole(bridge, tmp_path):
    holes = X.copy()
    holes[[3, 700], 1] = np.nan, np.inf
    np.save(tmp_path / "x.npy", holes)
    (tmp_path / "y.npy").write_bytes(b"old")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate_file(bridge, tmp_path / "x.npy", tmp_path / "y.npy", progress=stop)
    assert (tmp_path / "y.npy").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2
    assert translate_file(bridge, tmp_path / "x.npy", tmp_path / "y.npy").not_finite == 2
    assert np.flatnonzero(~np.isfinite(np.load(tmp_path / "y.npy")).all(1)).tolist() == [3, 700]


def test_files_that_cannot_cross(bridge, tmp_path):
    def message(array, match, target="y.npy"):
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(InputError, match=match):
            translate_file(bridge, tmp_path / "x.npy", tmp_path / target)

    message(X[:, :5], "float32.1000, 5.: vectors of the bridge's width, 6, are needed")
    message(X[0], "float32.6.: vectors of the bridge's width")
    message(X.astype(int), "int64.1000, 6.: vectors of floats are needed")
    message(np.array([X, None], object), "not a whole .npy array")
    message(X, "cannot be read and written at once", "x.npy")
    with pytest.raises(InputError, match="absent.npy does not exist"):
        translate_file(bridge, tmp_path / "absent.npy", tmp_path / "y.npy")
    assert not (tmp_path / "y.npy").exists()


@pytest.mark.slow
def test_a_large_file_takes_the_memory_of_a_block(tmp_path):
    vectors = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (200_000, 192))
    vectors[:] = RNG.standard_normal((1, 192))
    vectors.flush()
    anchors = RNG.standard_normal((500, 192)).astype(np.float32)
    save_bridge(tmp_path / "bridge", fit_bridge(anchors, np.concatenate([anchors, -anchors], 1), method="ridge"))
    script = f"""if True:
        import resource
        from geojax.alignment import load_bridge, translate_file
        bridge = load_bridge("{tmp_path}/bridge").bridge
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        translate_file(bridge, "{tmp_path}/x.npy", "{tmp_path}/y.npy")
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    grown = float(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)
    assert grown < 300, "MiB, of 146 read and 293 written"
