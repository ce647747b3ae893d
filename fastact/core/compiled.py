"""What compiled callers are given: addresses of functions, the capsule of all, the folder of the headers."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import STORED, Function, Row, functions, rows
from .processor import level


def get_include() -> str:
    """The folder of ``fastact.h``, for the compilers of C, C++ and Cython modules that call fastact.

    Returns
    -------
    str
        What belongs into ``include_dirs``.

    Examples
    --------
    >>> import fastact as fa
    >>> from pathlib import Path
    >>> Path(fa.get_include(), "fastact.h").exists()
    True
    """
    # To import pathlib takes a twentieth of the import of fastact.
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), "include")


def address(row: Row, dtype: Any, direction: str) -> int:
    """The address of a function of this row; ValueError where there is none, with what there is."""
    offered = list(functions(row))
    if not offered:
        served = ", ".join(other.name for other in rows if other.shape.counts)
        raise ValueError(f"{row.name} has no functions for compiled callers; those that have are {served}")
    name = _dtype_name(dtype)
    of_dtype = {function.direction: function for function in offered if function.dtype == name}
    if not of_dtype:
        raise ValueError(f"{row.name}: dtype={dtype!r}; allowed are {', '.join(row.shape.compiled_dtypes)}")
    if direction not in of_dtype:
        allowed = ", ".join(of_dtype)
        raise ValueError(f"{row.name}: direction={direction!r}; allowed in {name} are {allowed}")
    return _address(row.name, of_dtype[direction])


def low_level_callable(name: str, values: tuple[float, ...]) -> Any:
    """What SciPy calls for a function of one number with its parameters."""
    import ctypes

    from scipy import LowLevelCallable

    kernels, double = _dispatch.Kernels(name), list(STORED).index("float64")
    if not values:
        plain = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
        return LowLevelCallable(plain(kernels._function("scalar", double)))
    bound = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_void_p)
    parameters = ctypes.cast((ctypes.c_double * len(values))(*values), ctypes.c_void_p)
    return LowLevelCallable(bound(kernels._function("scalar_bound", double)), parameters)


@cache
def c_api() -> object:
    """The capsule that ``fastact_import()`` asks for: every function by its name and signature."""
    offered = [
        (function.name.encode(), function.signature.encode(), _address(row.name, function))
        for row in rows
        for function in functions(row)
    ]
    return _dispatch.c_api(offered, level.encode())


def _address(name: str, function: Function) -> int:
    return _dispatch.Kernels(name)._function(function.kernel, list(STORED).index(function.dtype))


def _dtype_name(dtype: Any) -> str:
    """What NumPy calls the dtype; what it was given as where NumPy does not know it, or bytes are swapped."""
    try:
        known = np.dtype(dtype)
    except TypeError:
        return str(dtype)
    return known.name if known.isnative and dtype is not None else str(dtype)
