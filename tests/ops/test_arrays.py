"""Arrays of any library are read with every digit, or refused in one sentence."""

from decimal import Decimal

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from foreign import Foreign

from geojax.errors import InputError
from geojax.ops import arrays

WHOLE = np.arange(12, dtype=np.float64).reshape(4, 3) * 2**30 + 1  # float32 keeps no such number
SMALL = np.arange(12, dtype=np.float32).reshape(4, 3) / 4  # bfloat16 keeps all


class Tensor(Foreign):
    """A tensor of another library, as torch's: shares its buffer by DLPack, but not while it requires gradients."""

    def __init__(self, array, requires_grad=False):
        super().__init__(array)
        self.requires_grad = requires_grad

    def detach(self):
        return Tensor(self.array)

    def __dlpack__(self, **options):
        if self.requires_grad:
            raise RuntimeError("Can't export tensors that require gradient, use tensor.detach()")
        return super().__dlpack__(**options)


READ = {
    "big-endian": (WHOLE.astype(">f8"), WHOLE),
    "big-endian integers": (WHOLE.astype(">i8"), WHOLE.astype(np.int64)),
    "float64": (WHOLE, WHOLE),
    "long doubles": (WHOLE.astype(np.longdouble), WHOLE),
    "objects": (WHOLE.astype(object), WHOLE),
    "decimals": (np.vectorize(Decimal, otypes=[object])(WHOLE), WHOLE),
    "vectors": (pd.Series(list(WHOLE)), WHOLE),
    "a table": (pd.DataFrame(WHOLE), WHOLE),
    "a table of extension arrays": (pd.DataFrame(WHOLE).astype("Float64"), WHOLE),
    "a table of pyarrow": (pd.DataFrame(WHOLE).astype("double[pyarrow]"), WHOLE),
    "a category": (pd.Categorical([3, 1, 3]), np.array([3, 1, 3])),
    "lists": (WHOLE.tolist(), WHOLE),
    "lists of JAX": ([jnp.asarray(row) for row in SMALL], SMALL),
    "nothing masked": (np.ma.masked_array(WHOLE, mask=False), WHOLE),
    "a foreign tensor": (Tensor(WHOLE), WHOLE),
    "a tensor that requires gradients": (Tensor(WHOLE, requires_grad=True), WHOLE),
    "a bfloat16 tensor": (Tensor(jnp.asarray(SMALL, jnp.bfloat16), requires_grad=True), SMALL),
    "bfloat16": (SMALL.astype(ml_dtypes.bfloat16), SMALL),
    "bfloat16 as numpy.save keeps it": (SMALL.astype(ml_dtypes.bfloat16).view("V2"), SMALL),
    "booleans": (SMALL > 1, SMALL > 1),
}


@pytest.mark.parametrize("name", READ)
def test_numbers_keep_every_digit(name):
    given, expected = READ[name]
    found = arrays.as_numbers(given, "the cloud")
    assert found.dtype.isnative and found.dtype.itemsize <= 8
    np.testing.assert_array_equal(np.asarray(found, expected.dtype), expected)


REFUSED = {
    "masked entries": (np.ma.masked_array(SMALL, mask=SMALL > 1), "has 7 masked entries"),
    "a sparse matrix": (scipy.sparse.csr_array(SMALL), "is a sparse matrix .csr_array.: make it dense"),
    "a structured array": (np.zeros(3, [("x", "f4"), ("y", "f4")]), "structured array with the fields x, y"),
    "a missing object": (np.array([[1.0, None]]), "holds NoneType objects such as None"),
    "a missing number": (pd.DataFrame({"a": [1, None], "b": 1}, dtype="Float64"), "holds NAType objects"),
    "text": (SMALL.astype(str), "is text.4, 3.: real numbers"),
    "text among objects": (np.array([[1.0, "a"]], object), "is text"),
    "dates": (np.zeros((2, 2), "M8[s]"), "datetime64.s..2, 2."),
    "durations": (np.zeros((2, 2), "m8[s]"), "timedelta64"),
    "complex numbers": (SMALL + 1j, "complex64.4, 3."),
    "long complex numbers": (SMALL.astype(np.clongdouble), "complex"),
    "raw bytes": (np.zeros((2, 2), "V1"), "V1"),
    "ragged lists": ([[1.0, 2.0], [3.0]], "cannot be read as an array .list: .*inhomogeneous"),
    "ragged objects": (pd.Series([[1.0, 2.0], [3.0]]), "rows of different lengths"),
    "huge integers": ([2**70, 1], "integers of more than 64 bits"),
    "nothing": (None, "is a NoneType"),
    "a record": ({"a": 1}, "is a dict"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_array_of_numbers_is_refused(name):
    given, message = REFUSED[name]
    with pytest.raises(InputError, match=f"^the cloud .*{message}") as caught:
        arrays.as_numbers(given, "the cloud")
    assert "\n" not in str(caught.value)


def test_arrays_of_jax_stay_as_they_are():
    array = jnp.ones(3)
    assert arrays.as_numbers(array, "x") is array
    jax.jit(lambda traced: arrays.as_numbers(traced, "x") + 1)(array)


@pytest.mark.parametrize("dtype", [bool, np.int64, ">i4", np.uint64, np.float64, object])
def test_masks_of_any_type(dtype):
    """Entries whose lower 32 bits are zero, or that float32 does not keep, count."""
    entry = {np.int64: 2**32, np.uint64: 2**63, np.float64: 1e-60}.get(dtype, 1)
    found = arrays.as_flags(np.array([entry, 0, entry]).astype(dtype), "the mask")
    assert found.dtype == bool and found.tolist() == [True, False, True]


@pytest.mark.parametrize("wrong", [[0, -1e9], [0.0, -np.inf], [1.0, np.nan], [1, -1]])
def test_additive_masks_are_refused(wrong):
    with pytest.raises(InputError, match="1 entries that are negative or NaN"):
        arrays.as_flags(np.array(wrong), "the mask")
    if np.array(wrong).dtype.kind == "f":
        with pytest.raises(InputError, match="1 entries that are negative or NaN"):
            arrays.as_flags(jnp.asarray(wrong), "the mask")


def test_groups_of_64_bits_stay_apart():
    documents = np.array([7, 3, 7, 5], np.int64) << 32
    np.testing.assert_array_equal(arrays.as_groups(documents, 4, "ids"), [2, 0, 2, 1])
    np.testing.assert_array_equal(arrays.as_groups(documents.astype(np.uint64) << 28, 4, "ids"), [2, 0, 2, 1])
    with pytest.raises(InputError, match="an integer for each of the 5 rows"):
        arrays.as_groups(documents, 5, "ids")
    with pytest.raises(InputError, match="float64.*integers are needed"):
        arrays.as_groups(documents * 1.0, 4, "ids")


@pytest.mark.parametrize("bad", [10, -1, 2**32])
def test_an_index_that_a_table_lacks_is_named(bad):
    places = np.array([[0, 9], [3, bad]])
    with pytest.raises(InputError, match=rf"the token id at \[1, 1\] is {bad}, but the vocabulary has 0 to 9"):
        arrays.check_places(places, 10, "token id", "the vocabulary")
    arrays.check_places(places[0], 10, "token id", "the vocabulary")
    jax.jit(lambda traced: arrays.check_places(traced, 10, "token id", "the vocabulary"))(places[0])
