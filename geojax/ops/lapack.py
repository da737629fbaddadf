"""LAPACK on the host, called so that several threads can work at once."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float


def host_eigenvalues(matrix: Float[np.ndarray, "q q"]) -> Float[np.ndarray, "q"]:
    """Eigenvalues of a symmetric matrix of float32, ascending; all NaN where it has a NaN. Overwrites the matrix."""
    q = len(matrix)
    found = np.full(q, np.nan, np.float32)
    if not np.isfinite(matrix).all():
        return found
    # Room for the widest blocks that LAPACK works in, 64 columns.
    work = np.empty((64 + 2) * q + 1, np.float32)
    # Each in 64 bits, the lower half of which is the number for builds with integers of 32.
    order, width, of_integers, scratch, failed = np.array([[q], [len(work)], [1], [0], [0]], np.int64)
    letters = np.frombuffer(b"NU", np.uint8)  # no vectors, upper triangle
    arguments = (letters, letters[1:], order, matrix, order, found, work, width, scratch, of_integers, failed)
    _ssyevd()(*(argument.ctypes.data for argument in arguments))
    return np.where(failed, np.float32(np.nan), found)


@cache
def _ssyevd() -> Any:
    """The routine as SciPy hands it to compiled code, which jaxlib takes too.

    Called through ctypes it lets other threads run meanwhile; neither `scipy.linalg` nor `numpy.linalg` does.
    """
    # Loaded on use, so that geojax without eigenvalues does without SciPy's linear algebra.
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__["ssyevd"]
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 11)(pointer_of(capsule, name_of(capsule)))
