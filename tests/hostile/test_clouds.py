"""Clouds of every kind: through `evaluate`, the monitor, the accumulated moments, and as files."""

import datetime
import decimal
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import oracles
import pandas as pd
import scipy.sparse
from hostile import NAN, REFUSED, Either, Says, judge, table

import geojax
from geojax.evaluation import evaluate
from geojax.streaming import moments

N, D = 40, 4
CLOUD = np.random.default_rng(0).normal(size=(N, D)) @ np.diag([3.0, 2.0, 1.0, 0.5]) + [1.0, -2.0, 0.0, 5.0]
HALF = CLOUD.astype(np.float16)
BRAIN = CLOUD.astype(ml_dtypes.bfloat16)
WHOLE = np.round(10 * CLOUD)
KEY = jax.random.key(0)


def truth(points):
    """What the two measures are of points, in float64."""
    points = np.asarray(points, np.float64)
    return oracles.eee(points), oracles.isoscore(points)


RIGHT = truth(CLOUD)


def changed(place, value, dtype=np.float64):
    points = CLOUD.astype(dtype)
    points[place] = value
    return points


def struct(points):
    return np.rec.fromarrays(points.T, names="a,b,c,d")


def masked(hidden):
    return np.ma.masked_array(CLOUD, np.arange(N * D).reshape(N, D) < hidden)


class Tensor:
    """An array of another library, by `__array__` alone, which detaches no gradients."""

    def __init__(self, points, requires_grad=False):
        self.points, self.requires_grad = points, requires_grad

    shape, ndim, dtype = property(lambda self: self.points.shape), 2, np.dtype(np.float32)

    def detach(self):
        return Tensor(self.points)

    def reshape(self, *shape):
        return self

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead.")
        return np.asarray(self.points, dtype)


FRAME = pd.DataFrame(CLOUD, columns=list("abcd"))
ARRAYS = {  # name: (array, expected), for all three doors
    "float32": (CLOUD.astype(np.float32), RIGHT),
    "float64": (CLOUD, RIGHT),
    "float16": (HALF, truth(HALF)),
    "bfloat16": (BRAIN, truth(BRAIN)),
    "bfloat16 as V2": (BRAIN.view("V2"), Either(truth(BRAIN))),
    "big-endian float32": (CLOUD.astype(">f4"), RIGHT),
    "big-endian float64": (CLOUD.astype(">f8"), RIGHT),
    "big-endian float16": (HALF.astype(">f2"), truth(HALF)),
    "long double": (CLOUD.astype(np.longdouble), RIGHT),
    "columns first": (np.asfortranarray(CLOUD), RIGHT),
    "transposed": (CLOUD.T.copy().T, RIGHT),
    "reversed": (CLOUD[::-1, ::-1], RIGHT),
    "every second row": (np.repeat(CLOUD, 2, 0)[::2], RIGHT),
    "read-only": (np.frombuffer(CLOUD.tobytes()).reshape(N, D), RIGHT),
    "unaligned": (np.frombuffer(b"x" + CLOUD.tobytes(), np.uint8)[1:].view(np.float64).reshape(N, D), RIGHT),
    "jax": (jnp.asarray(CLOUD, jnp.float32), RIGHT),
    "jax bfloat16": (jnp.asarray(BRAIN), truth(BRAIN)),
    "objects": (CLOUD.astype(object), Either(RIGHT)),
    "decimals": (np.vectorize(decimal.Decimal)(CLOUD), Either(RIGHT)),
    "a None": (changed((3, 1), None, object), REFUSED),
    "texts in objects": (changed((3, 1), "x", object), REFUSED),
    "rows of lengths": (np.array([[1.0, 2.0], [1.0]] * 20, object), REFUSED),
    "numbers as text": (CLOUD.astype(str), REFUSED),
    "bytes": (CLOUD.astype("S"), REFUSED),
    "text": ("points.npy", REFUSED),
    "none": (None, REFUSED),
    "a number": (3.0, REFUSED),
    "a dict": ({"points": CLOUD}, REFUSED),
    "complex": (CLOUD + 1j, REFUSED),
    "dates": (CLOUD.astype("datetime64[s]"), REFUSED),
    "durations": (CLOUD.astype("timedelta64[s]"), REFUSED),
    "date objects": (np.full((N, D), datetime.date(2024, 1, 1)), REFUSED),
    "booleans": (CLOUD > 0, REFUSED),
    "int64": (WHOLE.astype(np.int64), Either(truth(WHOLE))),
    "int8": (WHOLE.astype(np.int8), Either(truth(WHOLE.astype(np.int8)))),
    "uint64": (WHOLE.astype(np.int64).astype(np.uint64), REFUSED),
    "masked nowhere": (masked(0), Either(RIGHT)),
    "masked somewhere": (masked(3), REFUSED),
    "fields": (struct(CLOUD), REFUSED),
    "a matrix": (np.asmatrix(CLOUD), RIGHT),
    "lists": (CLOUD.tolist(), Either(RIGHT)),
    "tuples": (tuple(map(tuple, CLOUD)), Either(RIGHT)),
    "lists of lengths": ([[1.0, 2.0], [3.0]], REFUSED),
    "sparse csr": (scipy.sparse.csr_matrix(CLOUD), REFUSED),
    "sparse coo array": (scipy.sparse.coo_array(CLOUD), REFUSED),
    "a frame": (FRAME, Either(RIGHT)),
    "a frame of nullable numbers": (FRAME.astype("Float64"), Either(RIGHT)),
    "a frame with NA": (FRAME.astype("Float64").mask(FRAME > 3), REFUSED),
    "a frame with text": (FRAME.assign(a="x"), REFUSED),
    "a tensor": (Tensor(CLOUD.astype(np.float32)), Either(RIGHT)),
    "a tensor with gradient": (Tensor(CLOUD.astype(np.float32), True), Either(RIGHT)),
    "a vector": (CLOUD[0], REFUSED),
    "no points": (CLOUD[:0], REFUSED),
    "no coordinates": (CLOUD[:, :0], REFUSED),
    "moved by 1e8": (CLOUD + 1e8, Either(RIGHT)),
    "moved by 1e8 along an axis": (CLOUD + [0, 0, 1e8, 0], Either(RIGHT)),
    "timestamps": (CLOUD + 1.7e9, Either(RIGHT)),
    "moved by 1e5 in float32": ((CLOUD + 1e5).astype(np.float32), truth((CLOUD + 1e5).astype(np.float32))),
    "of the size 1e-60": (CLOUD * 1e-60, Either(RIGHT)),
    "of the size 1e-300": (CLOUD * 1e-300, Either(RIGHT)),
    "of the size 1e60": (CLOUD * 1e60, Either(RIGHT)),
    "of the size 1e300": (CLOUD * 1e300, Either(RIGHT)),
    "of the size 1e-30": ((CLOUD * 1e-30).astype(np.float32), RIGHT),
    "of the size 1e30": ((CLOUD * 1e30).astype(np.float32), RIGHT),
    "of the size 1e37": ((CLOUD * 1e37).astype(np.float32), RIGHT),
    "twice": (np.repeat(CLOUD[:20], 2, 0), truth(np.repeat(CLOUD[:20], 2, 0))),
    "a constant coordinate": (CLOUD * [1, 1, 1, 0], truth(CLOUD * [1, 1, 1, 0])),
    "one coordinate": (CLOUD * [1, 0, 0, 0], truth(CLOUD * [1, 0, 0, 0])),
    "a coordinate of 1e15": (CLOUD * [1e15, 1, 1, 1], truth(CLOUD * [1e15, 1, 1, 1])),
}  # fmt: skip
UNDEFINED = {  # what has no spread, or no numbers
    "all points equal": (np.tile(CLOUD[:1], (N, 1)), NAN),
    "all points zero": (np.zeros((N, D)), NAN),
    "all points equal at 1e8": (np.full((N, D), 1e8), NAN),
    "one point": (CLOUD[:1], NAN),
    "a NaN": (changed((7, 2), np.nan), Says("(?i)nan")),
    "an infinity": (changed((7, 2), np.inf), Says("[Ii]nf")),
    "a float32 NaN": (changed((7, 2), np.nan, np.float32), Says("(?i)nan")),
    "only NaN": (np.full((N, D), np.nan), REFUSED),
}


def by_evaluate(cloud, **options):
    found = evaluate(cloud, "eee,isoscore", KEY, groups=0, **options).results
    if all(np.isnan(one.value) for one in found):
        assert all(one.warnings for one in found), "undefined without a reason"
        return NAN
    return tuple(one.value for one in found)


def by_monitor(hidden):
    values = geojax.monitor("eee,isoscore", points=N)(hidden)
    return NAN if np.isnan(values["eee"]) else (values["eee"], values["isoscore"])


def by_moments(hidden):
    found = moments.finish(moments.update(moments.init(D), hidden), "eee,isoscore")
    return NAN if np.isnan(found["eee"]) else (float(found["eee"]), float(found["isoscore"]))


@table(ARRAYS, UNDEFINED)
def test_evaluate(given, expected):
    judge(by_evaluate, given, expected)


@table(ARRAYS)
def test_monitor(given, expected):
    judge(by_monitor, given, expected)


@table(ARRAYS)
def test_moments(given, expected):
    judge(by_moments, given, expected)


FLAGS = np.arange(N) % 2 == 0
KEPT = truth(CLOUD[FLAGS])
BIG = np.arange(N, dtype=np.int64) // 4 << 33


def with_index(index):
    return SimpleNamespace(points=CLOUD, sequence_index=index)


def error_of(cloud):
    """The standard error over sequences."""
    return evaluate(cloud, "eee", KEY, groups=10).results[0].std_error


BESIDE = {  # name: (what evaluate takes beside the points, expected)
    "a mask": ({"mask": FLAGS}, KEPT),
    "a mask of JAX": ({"mask": jnp.asarray(FLAGS)}, KEPT),
    "a mask of integers": ({"mask": FLAGS.astype(int)}, Either(KEPT)),
    "a mask as a list": ({"mask": FLAGS.tolist()}, Either(KEPT)),
    "a mask of texts": ({"mask": FLAGS.astype(str)}, REFUSED),
    "a mask of objects": ({"mask": FLAGS.astype(object)}, Either(KEPT)),
    "a mask that is too short": ({"mask": FLAGS[:-1]}, REFUSED),
    "a mask of two dimensions": ({"mask": FLAGS[:, None]}, REFUSED),
    "a mask that keeps nothing": ({"mask": np.zeros(N, bool)}, REFUSED),
    "an additive mask": ({"mask": np.where(FLAGS, 0.0, -1e9)}, REFUSED),
    "no groups": ({"convention": "papers"}, REFUSED),
}


@table(BESIDE)
def test_what_stands_beside_the_points(given, expected):
    judge(lambda options: by_evaluate(CLOUD, **options), given, expected)


INDEX = np.arange(N) // 4
INDICES = {  # name: the sequence of every point, or what is expected of it
    "of 64 bits": (BIG, "same"),
    "unsigned": (INDEX.astype(np.uint64) << 60, "same"),
    "negative": (INDEX - 7, "same"),
    "big-endian": (INDEX.astype(">i8"), "same"),
    "bytes": (INDEX.astype(np.int8), "same"),
    "a list": (INDEX.tolist(), "same"),
    "of JAX": (jnp.asarray(INDEX), "same"),
    "reals": (INDEX + 0.5, REFUSED),
    "texts": (INDEX.astype(str), REFUSED),
    "too short": (INDEX[:-1], REFUSED),
    "of two dimensions": (INDEX[:, None], REFUSED),
}


@table(INDICES)
def test_sequence_indices(given, expected):
    right = error_of(with_index(INDEX))
    judge(error_of, with_index(given), Either(right) if expected == "same" else expected)


LABELS = (CLOUD[:, 0] > CLOUD[:, 0].mean()).astype(int)
NEAREST = ((CLOUD[:, None] - CLOUD) ** 2).sum(-1) + np.diag(np.full(N, np.inf))
VOTES = np.sort(LABELS[np.argsort(NEAREST, 1)[:, :5]], 1)[:, 2]
ACCURACY = float((VOTES == LABELS).mean())
LABELLED = {
    "int64": (LABELS, ACCURACY),
    "int8": (LABELS.astype(np.int8), ACCURACY),
    "uint8": (LABELS.astype(np.uint8), ACCURACY),
    "big-endian": (LABELS.astype(">i4"), ACCURACY),
    "a list": (LABELS.tolist(), Either(ACCURACY)),
    "booleans": (LABELS.astype(bool), Either(ACCURACY)),
    "objects": (LABELS.astype(object), Either(ACCURACY)),
    "reals": (LABELS + 0.0, REFUSED),
    "texts": (np.array(["no", "yes"])[LABELS], REFUSED),
    "negative": (LABELS - 1, REFUSED),
    "from 5 billion on": (LABELS + (5 << 30), REFUSED),
    "two to the 32": (LABELS.astype(np.int64) << 32, REFUSED),
    "too few": (LABELS[:-1], REFUSED),
    "one hot": (np.eye(2)[LABELS], REFUSED),
    "missing": (None, Says("labels")),
    "one class": (LABELS * 0, NAN),
}


def by_labels(labels):
    (found,) = evaluate(CLOUD, "knn_accuracy", KEY, labels=labels, groups=0).results
    return (NAN if found.warnings else "NaN without a reason") if np.isnan(found.value) else found.value


@table(LABELLED)
def test_labels(given, expected):
    judge(by_labels, given, expected)
