"""Every activation in every direction on arrays of other libraries: their kind comes back, and what it holds.

References are the same calls on ndarrays; what only one library has is in a file of its own.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from cases import CASES, Case, other_parameters, output_determines, same_bits

import fastact as fa


class Kind(NamedTuple):
    """One kind of array: how it is made of an ndarray of two axes, and how it is looked at."""

    library: str
    make: Callable[[np.ndarray], Any]
    values: Callable[[Any], np.ndarray]


def _plain(array: Any) -> np.ndarray:
    return np.asarray(array)


def _pandas(array: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame(array, index=[f"r{i}" for i in range(len(array))])


def _nullable(family: str) -> Callable[[np.ndarray], Any]:
    def make(array: np.ndarray) -> Any:
        names = {"float32": ("Float32", "float[pyarrow]"), "float64": ("Float64", "double[pyarrow]")}
        return _pandas(array).astype(names[array.dtype.name][family == "arrow"])

    return make


def _of_extension(frame: Any) -> np.ndarray:
    return frame.to_numpy(frame.dtypes.iloc[0].numpy_dtype)


def _xarray(chunks: dict | None = None) -> Callable[[np.ndarray], Any]:
    def make(array: np.ndarray) -> Any:
        import xarray as xr

        made = xr.DataArray(
            array, dims=("row", "column"), coords={"row": np.arange(len(array))}, attrs={"a": 1}
        )
        return made if chunks is None else made.chunk(chunks)

    return make


def _dask(array: np.ndarray) -> Any:
    import dask.array as da

    return da.from_array(array, chunks=(5, -1))


def _pint(array: np.ndarray) -> Any:
    import pint

    return pint.get_application_registry().Quantity(array, "")


def _astropy(array: np.ndarray) -> Any:
    from astropy.units import Quantity

    return Quantity(array)


class Subclass(np.ndarray):
    """An array of a type of its own."""


KINDS = {
    "pandas.DataFrame": Kind("pandas", _pandas, lambda a: a.to_numpy()),
    "pandas.DataFrame, nullable": Kind("pandas", _nullable("nullable"), _of_extension),
    "pandas.DataFrame, pyarrow": Kind("pyarrow", _nullable("arrow"), _of_extension),
    "xarray.DataArray": Kind("xarray", _xarray(), lambda a: a.values),
    "xarray.DataArray of dask": Kind("xarray", _xarray({"row": 5}), lambda a: a.values),
    "dask.Array": Kind("dask", _dask, lambda a: a.compute()),
    "numpy.ma": Kind("numpy", np.ma.MaskedArray, np.ma.getdata),
    "pint.Quantity": Kind("pint", _pint, lambda a: a.magnitude),
    "astropy.Quantity": Kind("astropy", _astropy, lambda a: a.value),
    "subclass": Kind("numpy", lambda a: a.view(Subclass), _plain),
}  # fmt: skip


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    kind = KINDS[request.param]
    pytest.importorskip(kind.library)
    return kind


def _arrays(case: Case, dtype: Any) -> tuple[np.ndarray, ...]:
    return case.draw((12, 8), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kind_comes_back_with_the_bits_of_the_ndarray(case, kind, dtype):
    arrays = _arrays(case, dtype)
    result = case(*map(kind.make, arrays))
    expected = case(*arrays)
    assert type(result) is type(kind.make(expected))
    assert result.shape == expected.shape
    assert same_bits(kind.values(result), expected)


def test_parameters_reach_the_kernel(case, kind):
    for parameters in other_parameters(case.row):
        if case.saved == "y" and not output_determines(case.row, parameters):
            continue
        case_with = Case(case.row, case.saved, parameters)
        arrays = _arrays(case_with, np.float64)
        assert same_bits(kind.values(case_with(*map(kind.make, arrays))), np.asarray(case_with(*arrays)))


def test_parameters_by_position_are_those_by_name(kind):
    x = np.linspace(-4, 4, 24).reshape(12, 2)
    given = kind.make(x)
    for result, expected in [
        (fa.elu(given, 0.5), fa.elu(x, alpha=0.5)),
        (fa.hardtanh(given, -2, 3), fa.hardtanh(x, min_val=-2, max_val=3)),
        (fa.gelu(given, "tanh"), fa.gelu(x, approximate="tanh")),
        (fa.rrelu(given, 0.1, 0.2, 5), fa.rrelu(x, lower=0.1, upper=0.2, seed=5)),
        (fa.softmax(given, -1), fa.softmax(x, axis=1)),
    ]:
        assert same_bits(kind.values(result), expected)


AXES = [case for case in CASES if case.row.shape.along_axis and not case.row.shape.by_element]


@pytest.mark.parametrize("case", AXES, ids=str)
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_an_axis_is_that_of_the_ndarray(case, kind, axis):
    if kind.library == "dask" or kind is KINDS["xarray.DataArray of dask"]:
        pytest.skip("the chunks are cut along rows: test_dask.py")
    arrays = case.draw((12, 12), np.float64)
    if case.saved == "y":
        arrays = (
            arrays[0],
            np.asarray(Case(case.row)(_along(case.draw((12, 12), np.float64)[-1], 0), axis=axis)),
        )
    elif case.row.shape.shrinks:
        arrays = tuple(_along(a, axis) for a in arrays)
    assert same_bits(kind.values(case(*map(kind.make, arrays), axis=axis)), case(*arrays, axis=axis))


def _along(array: np.ndarray, axis: int) -> np.ndarray:
    return array if axis in (1, -1) else np.ascontiguousarray(array.T)


def test_two_results_are_those_of_the_ndarray(kind):
    x, dy = np.random.default_rng(3).standard_normal((2, 12, 8))
    weight = np.linspace(-1, 1, 8)
    y, which = fa.maxout(kind.make(x), 4, return_which=True)
    expected_y, expected_which = fa.maxout(x, 4, return_which=True)
    assert same_bits(kind.values(y), expected_y)
    assert np.array_equal(np.asarray(which), expected_which)
    for call in (
        lambda dy, x: fa.prelu.backward(dy, x=x, weight=weight),
        lambda dy, x: fa.prelu.backward(dy, x=x, weight=0.25),
        lambda dy, x: fa.swish.backward(dy, x=x, beta=2.0, beta_grad=True),
    ):
        dx, total = call(kind.make(dy), kind.make(x))
        expected_dx, expected_total = call(dy, x)
        assert same_bits(kind.values(dx), expected_dx)
        # A sum over chunks is added in another order.
        np.testing.assert_allclose(np.asarray(total), expected_total, rtol=1e-12)


def test_a_gradient_of_one_kind_takes_an_ndarray_too(kind):
    x, dy = np.random.default_rng(3).standard_normal((2, 12, 8))
    for given in [(kind.make(dy), x), (dy, kind.make(x))]:
        assert same_bits(kind.values(fa.silu.backward(given[0], x=given[1])), fa.silu.backward(dy, x=x))


def test_errors_are_those_of_an_ndarray(kind):
    """A wrong parameter, a missing array and a dtype that is not computed with."""
    x = kind.make(np.ones((12, 8)))
    with pytest.raises(ValueError, match=r"celu: alpha=0"):
        fa.celu(x, alpha=0.0)
    with pytest.raises(TypeError, match="exactly one of x="):
        fa.silu.backward(x, y=x)
    with pytest.raises(TypeError, match="'slope'"):
        fa.leaky_relu(x, slope=1)
    if kind.values is not _of_extension:  # pandas has no complex dtype of its own
        with pytest.raises(TypeError, match="complex128"):
            fa.silu(kind.make(np.ones((12, 8), complex)))


def test_in_place_gives_the_array_itself(kind):
    """Where the library has such a thing: its own error otherwise, and nothing written."""
    x = np.linspace(-3, 3, 96).reshape(12, 8)
    for call in (fa.silu, fa.softmax):
        given = kind.make(x.copy())
        try:
            result = call(given, out=given)
        except (TypeError, NotImplementedError):
            assert kind.library in ("xarray", "dask")
            assert same_bits(kind.values(given), x)
        else:
            assert result is given
            assert same_bits(kind.values(given), call(x))


def test_what_a_library_is_handed_is_pickled_hashed_and_compared_by_its_parameters():
    from fastact.core.foreign import Operation

    def operation(alpha: float, names: tuple[str, ...] = ("x",)) -> Operation:
        return Operation(fa.elu, names, {"alpha": alpha})

    assert pickle.loads(pickle.dumps(operation(0.5))) == operation(0.5)
    assert hash(operation(0.5)) == hash(operation(0.5))
    assert operation(0.5) != operation(0.25)
    assert operation(0.5) != operation(0.5, ("dy", "x"))
    assert (operation(1.0).nin, operation(1.0).nout, operation(1.0).__name__) == (1, 1, "elu")
    assert (operation(1.0, ("dy", "x")).nin, operation(1.0, ("dy", "x")).__name__) == (2, "elu.backward")
    assert operation(0.5).__dask_tokenize__() == operation(0.5).__dask_tokenize__()


@pytest.mark.parametrize(
    "library", ["pandas", "xarray", "dask", "polars", "pint", "astropy", "sparse", "scipy", "torch"]
)
def test_fastact_imports_no_library_whose_array_has_not_come(fresh_python, library):
    run = fresh_python(
        "import sys, numpy as np, fastact as fa\n"
        "fa.silu(np.ones(3)), fa.silu(1.0), fa.softmax([1, 2]), fa.silu(np.ones(3).view(np.matrix))\n"
        f"print({library!r} in sys.modules, any(m.startswith('fastact.integrations') for m in sys.modules))"
    )
    assert run.stdout.split() == ["False", "False"], run.stderr


def test_each_integration_says_what_it_takes():
    """A module is named in the core, or the user imports it; each is one library."""
    from fastact.core.foreign import INTEGRATIONS

    for name in set(INTEGRATIONS.values()) - {"masked"}:
        library = {"scipy_sparse": "scipy"}.get(name, name)
        pytest.importorskip(library)
        module = importlib.import_module(f"fastact.integrations.{name}")
        assert callable(module.compute)
