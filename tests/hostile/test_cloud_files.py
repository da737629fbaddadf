"""Files of points of every kind."""

import io

import numpy as np
import pytest
from hostile import REFUSED, Either, Says, judge
from safetensors.numpy import save
from test_clouds import BRAIN, CLOUD, HALF, RIGHT, WHOLE, D, N, by_evaluate, changed, struct, truth

from geojax.representations import read_cloud


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(array):
    file = io.BytesIO()
    np.savez(file, points=array)
    return file.getvalue()


def claims(shape):
    """The header of an array of a shape, with the data of another."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + CLOUD.tobytes()


def stored(layer="1", provenance="{}", **arrays):
    zeros = np.zeros(N, np.int32)
    given = {"points": CLOUD.astype(np.float32), "sequence_index": np.arange(N), "position": zeros, "token_id": zeros}
    about = {name: text for name, text in (("layer", layer), ("provenance", provenance)) if text is not None}
    return save({name: each for name, each in (given | arrays).items() if each is not None}, metadata=about)


WHOLE_FILE = stored()
FILES = {  # name of the file: (bytes, expected); None is a folder
    "float64.npy": (npy(CLOUD), RIGHT),
    "float32.npy": (npy(CLOUD.astype(np.float32)), RIGHT),
    "float16.npy": (npy(HALF), truth(HALF)),
    "big-endian.npy": (npy(CLOUD.astype(">f8")), RIGHT),
    "columns-first.npy": (npy(np.asfortranarray(CLOUD)), RIGHT),
    "long-double.npy": (npy(CLOUD.astype(np.longdouble)), RIGHT),
    "bfloat16.npy": (npy(BRAIN.view("V2")), Either(truth(BRAIN))),
    "integers.npy": (npy(WHOLE.astype(np.int32)), Either(truth(WHOLE))),
    "booleans.npy": (npy(CLOUD > 0), REFUSED),
    "moved.npy": (npy(CLOUD + 1e8), Either(RIGHT)),
    "tiny.npy": (npy(CLOUD * 1e-60), Either(RIGHT)),
    "objects.npy": (npy(CLOUD.astype(object), allow_pickle=True), REFUSED),
    "complex.npy": (npy(CLOUD + 0j), REFUSED),
    "text.npy": (npy(CLOUD.astype(str)), REFUSED),
    "fields.npy": (npy(struct(CLOUD)), REFUSED),
    "three-dimensions.npy": (npy(CLOUD[None]), REFUSED),
    "vector.npy": (npy(CLOUD[0]), REFUSED),
    "scalar.npy": (npy(np.float64(1)), REFUSED),
    "no-rows.npy": (npy(CLOUD[:0]), REFUSED),
    "nan.npy": (npy(changed((1, 1), np.nan)), Says("(?i)nan")),
    "cut.npy": (npy(CLOUD)[:-100], REFUSED),
    "only-a-header.npy": (npy(CLOUD)[:128], REFUSED),
    "half-a-header.npy": (npy(CLOUD)[:40], REFUSED),
    "more-than-there-is.npy": (claims((4000, D)), REFUSED),
    "negative-shape.npy": (claims((-N, -D)), REFUSED),
    "huge-shape.npy": (claims((2**62, D)), REFUSED),
    "empty.npy": (b"", REFUSED),
    "zeros.npy": (bytes(500), REFUSED),
    "archive.npy": (npz(CLOUD), REFUSED),
    "table.npy": (b"1,2,3\n4,5,6\n", REFUSED),
    "folder.npy": (None, REFUSED),
    "cloud.npz": (npz(CLOUD), Either(RIGHT)),
    "cloud.csv": (b"1,2,3\n4,5,6\n", REFUSED),
    "cloud.pt": (b"PK\x03\x04", REFUSED),
    "cloud.safetensors": (WHOLE_FILE, RIGHT),
    "float64.safetensors": (stored(points=CLOUD), Either(RIGHT)),
    "float16.safetensors": (stored(points=HALF), Either(truth(HALF))),
    "integers.safetensors": (stored(points=WHOLE.astype(np.int32)), Either(truth(WHOLE))),
    "cut.safetensors": (WHOLE_FILE[:-9], REFUSED),
    "empty.safetensors": (b"", REFUSED),
    "zeros.safetensors": (bytes(500), REFUSED),
    "huge-header.safetensors": (b"\xff" * 8 + WHOLE_FILE[8:], REFUSED),
    "folder.safetensors": (None, REFUSED),
    "no-points.safetensors": (stored(points=None), REFUSED),
    "no-index.safetensors": (stored(sequence_index=None), REFUSED),
    "one-more.safetensors": (stored(more=CLOUD), REFUSED),
    "no-layer.safetensors": (stored(layer=None), REFUSED),
    "layer-x.safetensors": (stored(layer="last"), REFUSED),
    "provenance-cut.safetensors": (stored(provenance='{"a": '), REFUSED),
    "provenance-list.safetensors": (stored(provenance="[1]"), REFUSED),
    "vector.safetensors": (stored(points=CLOUD[0].astype(np.float32)), REFUSED),
    "short-index.safetensors": (stored(sequence_index=np.arange(N - 1)), REFUSED),
    "index-of-reals.safetensors": (stored(sequence_index=np.arange(N) + 0.5), REFUSED),
    "nan.safetensors": (stored(points=changed((1, 1), np.nan, np.float32)), Says("(?i)nan")),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    data, expected = FILES[name]
    (tmp_path / name).mkdir() if data is None else (tmp_path / name).write_bytes(data)
    judge(lambda path: by_evaluate(read_cloud(str(path))), tmp_path / name, expected)


def test_a_file_that_is_not_there(tmp_path):
    for name in ("none.npy", "none.safetensors", "none", ""):
        judge(lambda path: by_evaluate(read_cloud(str(path))), tmp_path / name, REFUSED)
