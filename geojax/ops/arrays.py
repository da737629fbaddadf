"""Arrays of any library as NumPy's or JAX's, of types that both know: the one place where data of a caller enter."""

from collections.abc import Iterator
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Integer

from geojax.errors import InputError


def as_numbers(value: Any, what: str) -> Array | np.ndarray:
    """The real numbers of an array of any library: on the host as they are, 64 bits included, in native byte order.

    JAX's own arrays stay as they are, traced or not. Long doubles become float64; two raw bytes (V2), which is how
    `numpy.save` keeps bfloat16, become bfloat16; objects that are all numbers become numbers. Tensors that require
    gradients are detached. The result may share memory with `value`.

    Args:
      value: an array of NumPy or JAX, anything with `__dlpack__` or `__array__` (torch, CuPy, pandas), nested lists.
      what: the name of the array in a message, such as "the mask".

    Raises:
      InputError: masked entries, a sparse, structured or complex array, text, dates, missing values or other objects.
    """
    if isinstance(value, jax.Array):
        return value
    array = _dense(value, what)
    if isinstance(array, jax.Array):
        return array
    if array.dtype.kind == "O":
        array = _of_objects(array, value, what)
    kind = array.dtype.kind
    if array.dtype.names:
        raise InputError(
            f"{what} is a structured array with the fields {', '.join(array.dtype.names)}: stack them as columns of one"
        )
    if array.dtype == np.dtype("V2"):
        return array.view(jnp.bfloat16)
    if kind == "f" and array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # infinite, which the reader of the numbers reports with its place
            return array.astype(np.float64)
    if kind in "fiub":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if kind not in "cm" and jnp.issubdtype(array.dtype, jnp.number):  # bfloat16 and its like
        return array
    said = "text" if kind in "UST" else array.dtype
    raise InputError(f"{what} is {said}{list(array.shape)}: real numbers are needed, such as float32")


def as_flags(value: Any, what: str) -> Array | np.ndarray:
    """A mask of any type as booleans: true where an entry is not 0.

    Raises:
      InputError: as in `as_numbers`; a negative or NaN entry, as additive masks have, unless the mask is traced.
    """
    array = as_numbers(value, what)
    if array.dtype == bool:
        return array
    # The integers of JAX are not read here: that would wait for the device at every step of a loop.
    if not isinstance(array, jax.core.Tracer) and (isinstance(array, np.ndarray) or array.dtype.kind not in "iu"):
        if odd := int(np.sum(~(np.asarray(array) >= 0))):
            raise InputError(
                f"{what} has {odd} entries that are negative or NaN: give 1 where a position counts and 0 elsewhere "
                "(of an additive mask, where it is 0 and elsewhere)"
            )
    return array != 0  # of 64 bits before they are cut to 32


def as_places(value: Any, what: str) -> Integer[np.ndarray, "..."]:
    """Integers on the host, such as indices into a table.

    Raises:
      InputError: as in `as_numbers`, or numbers that are not integers.
    """
    array = as_numbers(value, what)
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} is {array.dtype}{list(array.shape)}: integers are needed")
    return np.asarray(array)


def as_groups(value: Any, n: int, what: str) -> Int[np.ndarray, "n"]:
    """The group of each of n rows as int32 from 0 on, in the order of the ids, which may have 64 bits.

    Raises:
      InputError: not one integer for each row.
    """
    ids = as_places(value, what)
    if ids.shape != (n,):
        raise InputError(f"{what} is {ids.dtype}{list(ids.shape)}: an integer for each of the {n} rows is needed")
    return np.unique(ids, return_inverse=True)[1].astype(np.int32)


def check_places(value: Any, size: int, what: str, table: str) -> None:
    """Raises an InputError for the first index that a table lacks: inside a program JAX would read another row.

    Traced indices cannot be checked.

    Args:
      value: integers of any shape.
      size: number of rows of the table.
      what: the name of the indices, such as "token id".
      table: the name of the table, such as "the vocabulary".
    """
    if isinstance(value, jax.core.Tracer):
        return
    places = as_places(value, what)
    bad = (places < 0) | (places >= size)
    if bad.any():
        where = np.unravel_index(int(np.argmax(bad)), places.shape)
        at = f" at {list(map(int, where))}" if where else ""
        raise InputError(
            f"the {what}{at} is {places[where]}, but {table} has 0 to {size - 1}"
            f"{f': {int(bad.sum())} of {places.size} do not fit' if bad.sum() > 1 else ''}"
        )


def _dense(value: Any, what: str) -> Array | np.ndarray:
    """An array of another library as NumPy's, on the host, or as JAX's, of any type."""
    if isinstance(value, np.ma.MaskedArray) and not value.dtype.names:
        if hidden := int(np.ma.getmaskarray(value).sum()):
            raise InputError(f"{what} has {hidden} masked entries: fill them, or leave their rows out")
        return value.data
    if hasattr(value, "todense") or "sparse" in str(getattr(value, "layout", "")):
        raise InputError(f"{what} is a sparse matrix ({type(value).__name__}): make it dense")
    if hasattr(value, "__jax_array__"):
        return value.__jax_array__()
    if getattr(value, "requires_grad", False):
        value = value.detach()
    readers = [np.asarray]
    if isinstance(value, (list, tuple)) and any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
        readers = [jnp.asarray]
    elif hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        readers = [np.from_dlpack, _shared_with_jax, np.asarray]  # NumPy first: JAX would cut 64 bits
    for reader in readers:
        try:
            return reader(value)
        except Exception as error:  # of any library
            reason = error
    said = (str(reason) or type(reason).__name__).splitlines()[0]
    raise InputError(f"{what} cannot be read as an array ({type(value).__name__}: {said})") from reason


def _shared_with_jax(value: Any) -> Array:
    """An array with `__dlpack__`, copied, so that the caller may overwrite its buffer afterwards."""
    return jnp.array(jnp.from_dlpack(value)).block_until_ready()


def _of_objects(array: np.ndarray, value: Any, what: str) -> np.ndarray:
    """An array of objects as an array of numbers, where all of them are numbers or vectors of one length."""
    try:
        found = np.array(array.tolist())
    except ValueError as error:
        raise InputError(f"{what} has rows of different lengths: all need the same number of entries") from error
    if found.dtype.kind != "O":
        return found
    odd = next(_no_numbers(found), None)
    if odd is None and not all(isinstance(each, Integral) for each in found.flat):
        return found.astype(np.float64)
    if found.ndim == 0:
        raise InputError(f"{what} is a {type(value).__name__}: an array of real numbers is needed")
    said = "integers of more than 64 bits" if odd is None else f"{type(odd[0]).__name__} objects such as {odd[0]!r:.40}"
    raise InputError(f"{what} holds {said}: real numbers are needed, such as float32")


def _no_numbers(array: np.ndarray) -> Iterator[tuple[Any]]:
    """The entries that are no real numbers, each in a tuple, because None may be one."""
    return ((each,) for each in array.flat if not isinstance(each, (Real, Decimal)))
