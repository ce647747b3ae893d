"""Passes, and what is added to an activation, on arrays of other libraries: nothing is dropped in silence.

Either the kind comes back with what it holds, or a TypeError says what to pass. Memory that is numbers
alone is read and written where it lies, and a tensor comes back for a tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from around import EXAMPLES
from cases import same_bits

import fastact as fa

LEAD, N = (6,), 4


class Kind(NamedTuple):
    """One kind of array of one or two axes: its library, how it is made, and what an error names."""

    library: str
    make: Callable[[np.ndarray], Any]
    named: str
    instead: str


def _pandas(array: np.ndarray) -> Any:
    import pandas as pd

    return pd.Series(array) if array.ndim == 1 else pd.DataFrame(array)


def _nullable(array: np.ndarray) -> Any:
    return _pandas(array).convert_dtypes()


def _xarray(array: np.ndarray) -> Any:
    import xarray as xr

    return xr.DataArray(array)


def _dask(array: np.ndarray) -> Any:
    import dask.array as da

    return da.from_array(array)


def _pint(array: np.ndarray) -> Any:
    import pint

    return pint.get_application_registry().Quantity(array, "m")


def _astropy(array: np.ndarray) -> Any:
    from astropy.units import Quantity

    return Quantity(array, "m")


def _polars(array: np.ndarray) -> Any:
    import polars as pl

    return pl.Series(array) if array.ndim == 1 else pl.DataFrame(array)


def _scipy(array: np.ndarray) -> Any:
    from scipy.sparse import csr_array

    return csr_array(array)


class Subclass(np.ndarray):
    """An array of a type of its own."""


KINDS = {
    "pandas": Kind("pandas", _pandas, "pandas", ".to_numpy()"),
    "nullable": Kind("pandas", _nullable, "pandas", ".to_numpy()"),
    "xarray": Kind("xarray", _xarray, "xarray", ".to_numpy()"),
    "dask": Kind("dask", _dask, "dask", ".compute()"),
    "masked": Kind("numpy", lambda a: np.ma.masked_less(a, 0), "MaskedArray", ".filled("),
    "pint": Kind("pint", _pint, "Quantity", ".magnitude"),
    "astropy": Kind("astropy", _astropy, "Quantity", ".value"),
    "polars": Kind("polars", _polars, "polars", ".to_numpy()"),
    "scipy.sparse": Kind("scipy", _scipy, "csr_array", ".toarray()"),
    "subclass": Kind("numpy", lambda a: a.view(Subclass), "Subclass", "made of it"),
}


@pytest.fixture(params=KINDS)
def kind(request) -> Kind:
    kind = KINDS[request.param]
    pytest.importorskip(kind.library)
    return kind


REFUSING = [example for example in EXAMPLES if example.name != "dropout"]


@pytest.mark.parametrize("example", REFUSING, ids=str)
def test_a_pass_names_what_it_does_not_take_and_what_to_pass(example, kind):
    drawn = example.draw(np.float64, LEAD, N)
    for name, array in drawn.items():
        arrays = {**drawn, name: kind.make(array)}
        with pytest.raises(TypeError) as raised:
            example(arrays)
        text = str(raised.value)
        assert text.startswith((f"{example.name}: {name} is a", f"{example.name}.backward: {name} is a")), (
            text
        )
        assert kind.named in text
        assert kind.instead in text


@pytest.mark.parametrize("example", [e for e in REFUSING if e.out], ids=str)
def test_it_is_no_place_for_a_result_either(example, kind):
    arrays = example.draw(np.float64, LEAD, N)
    expected = example(arrays)
    for place in example.out:
        out = np.full_like(expected[place], 7)
        given = kind.make(out)
        with pytest.raises(TypeError, match=re.escape(kind.named)):
            example.into(arrays, {place: given})
        assert (out == 7).all()


def _values(array: Any) -> np.ndarray:
    library = type(array).__module__.partition(".")[0]
    seen = {"dask": "compute", "scipy": "toarray", "pint": "magnitude", "astropy": "value"}.get(library)
    if seen:
        array = getattr(array, seen)() if callable(getattr(array, seen)) else getattr(array, seen)
    return np.asarray(np.ma.getdata(array) if isinstance(array, np.ma.MaskedArray) else array)


def _attempt(call: Callable[..., Any], *given: Any) -> tuple[Any, Exception | None]:
    try:
        return call(*given), None
    except Exception as error:
        return None, error


@pytest.mark.parametrize("seed", [5, None])
@pytest.mark.parametrize("shape", [(24,), (6, 4)], ids=str)
def test_dropout_gives_the_kind_back_or_says_why_not(kind, seed, shape):
    x, residual = np.random.default_rng(0).standard_normal((2, *shape))
    for call in (
        lambda a, b: fa.dropout(a, 0.3, seed=seed),
        lambda a, b: fa.dropout(a, 0.3, seed=seed, residual=b),
        lambda a, b: fa.dropout(x, 0.3, seed=seed, residual=b),
        lambda a, b: fa.dropout(a, 0.3, seed=seed, residual=residual),
        lambda a, b: fa.dropout.backward(a, p=0.3, seed=seed),
    ):
        given = kind.make(x), kind.make(residual)
        result, error = _attempt(call, *given)
        if error:
            # A unit that is not dimensionless is the library's error; polars' frames are computed otherwise.
            assert kind.library in ("pint", "astropy") or isinstance(error, TypeError), error
            continue
        assert type(result) is type(given[0])
        assert same_bits(_values(result).astype(float), call(x, residual))


def test_what_is_masked_stays_masked_in_dropout():
    x = np.ma.masked_less(np.random.default_rng(1).standard_normal((6, 4)), 0)
    residual = np.ma.masked_greater(np.random.default_rng(2).standard_normal((6, 4)), 1)
    result = fa.dropout(x, 0.5, seed=1, residual=residual)
    assert (result.mask == (x.mask | residual.mask)).all()


X, B = np.linspace(-3, 3, 24).reshape(6, 4), np.linspace(-1, 1, 4)
BESIDE = {
    "bias": lambda a: fa.gelu(X, bias=a),
    "bias with another residual": lambda a: fa.gelu(X, bias=a, residual=X),
    "bias of a gate": lambda a: fa.swiglu(X, bias=a),
    "bias backward": lambda a: fa.gelu.backward(X, x=X, bias=a, bias_grad=True),
    "weight": lambda a: fa.prelu(X, weight=a),
}
"""What is given one array of one axis beside ndarrays, or one of two axes."""
OF_TWO_AXES = {
    "x with a bias": lambda a: fa.gelu(a, bias=B),
    "residual": lambda a: fa.gelu(X, bias=B, residual=a),
    "x with a residual": lambda a: fa.silu(a, residual=X),
    "residual backward": lambda a: fa.silu.backward(X, x=X, residual=a),
    "dy with the bias's gradient": lambda a: fa.silu.backward(a, x=X, bias_grad=True),
    "gate": lambda a: fa.swiglu(X, gate=a),
    "x with a gate": lambda a: fa.swiglu(a, gate=X),
    "gate backward": lambda a: fa.swiglu.backward(X, x=X, gate=a),
    "x of a gate with a bias": lambda a: fa.swiglu(a, bias=B),
    "mask": lambda a: fa.softmax(X, mask=a),
    "mask of logsumexp": lambda a: fa.logsumexp(X, mask=a),
}


@pytest.mark.parametrize("called", [*BESIDE, *OF_TWO_AXES])
def test_beside_ndarrays_it_is_refused_or_its_kind_comes_back(kind, called):
    call = {**BESIDE, **OF_TWO_AXES}[called]
    given = kind.make(B if called in BESIDE else X)
    result, error = _attempt(call, given)
    if error:
        of_units = kind.library in ("pint", "astropy") and not isinstance(error, TypeError)
        assert of_units or kind.named in str(error) or kind.library in str(error), error
        return
    first = result[0] if isinstance(result, tuple) else result
    assert type(first).__module__.partition(".")[0] == type(given).__module__.partition(".")[0]
    assert type(first) is not np.ndarray


# Memory


class Producer:
    """An array that is known by DLPack alone."""

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory

    def __dlpack__(self, **options):
        return self.memory.__dlpack__(**options)

    def __dlpack_device__(self):
        return (1, 0)


class Converted:
    """What makes an array of itself when it is asked for one."""

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory

    def __array__(self, dtype=None, copy=None):
        return self.memory


def _mapped(array: np.ndarray, folder: Any) -> np.memmap:
    mapped = np.memmap(folder / "numbers", array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    return mapped


@pytest.mark.parametrize("lend", [memoryview, Producer, Converted, "memmap"], ids=str)
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_memory_is_read_where_it_lies(example, lend, tmp_path):
    drawn = example.draw(np.float32, LEAD, N)
    expected = example(drawn)
    for name, array in drawn.items():
        lent = _mapped(array, tmp_path) if lend == "memmap" else lend(array)
        for result, wanted in zip(example({**drawn, name: lent}), expected, strict=True):
            assert isinstance(result, np.ndarray | np.generic)
            assert same_bits(result, wanted)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.out], ids=str)
def test_memory_is_written_where_it_lies(example):
    arrays = example.draw(np.float32, LEAD, N)
    expected = example(arrays)
    for place in example.out:
        for lend in (memoryview, Producer):
            memory = np.zeros_like(expected[place])
            lent = lend(memory)
            assert example.into(arrays, {place: lent})[place] is lent
            assert same_bits(memory, expected[place])


class TestTensors:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def _tensors(self, torch, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    @pytest.mark.parametrize("example", EXAMPLES, ids=str)
    def test_they_come_back(self, torch, example):
        for dtype in (np.float32, np.float64, np.float16):
            arrays = example.draw(dtype, LEAD, N)
            results = example(self._tensors(torch, arrays))
            for result, expected in zip(results, example(arrays), strict=True):
                assert isinstance(result, torch.Tensor)
                assert same_bits(result.numpy(), np.asarray(expected))

    @pytest.mark.parametrize("example", EXAMPLES, ids=str)
    def test_one_among_arrays_is_enough(self, torch, example):
        arrays = example.draw(np.float32, LEAD, N)
        expected = example(arrays)
        for name in arrays:
            given = {**arrays, name: torch.from_numpy(arrays[name].copy())}
            for result, wanted in zip(example(given), expected, strict=True):
                assert isinstance(result, torch.Tensor)
                assert same_bits(result.numpy(), np.asarray(wanted))

    @pytest.mark.parametrize("example", [e for e in EXAMPLES if e.out], ids=str)
    def test_out_is_written_where_it_lies(self, torch, example):
        arrays = example.draw(np.float32, LEAD, N)
        expected = example(arrays)
        for place in example.out:
            out = torch.zeros(expected[place].shape)
            assert example.into(arrays, {place: out})[place] is out
            assert same_bits(out.numpy(), expected[place])
            array = np.zeros_like(expected[place])
            assert example.into(self._tensors(torch, arrays), {place: array})[place] is array
            assert same_bits(array, expected[place])
            wide = torch.full((1,), 7.0).expand(expected[place].shape)
            with pytest.raises(ValueError, match=r"expanded|read-only"):
                example.into(arrays, {place: wide})
            assert (wide == 7).all()

    @pytest.mark.parametrize("example", [e for e in EXAMPLES if e.in_place], ids=str)
    def test_in_place(self, torch, example):
        arrays = example.draw(np.float32, LEAD, N)
        expected = example(arrays)
        for place, names in example.in_place.items():
            for name in names:
                tensors = self._tensors(torch, arrays)
                assert example.into(tensors, {place: tensors[name]})[place] is tensors[name]
                assert same_bits(tensors[name].numpy(), expected[place])

    def test_bfloat16(self, torch):
        ml_dtypes = pytest.importorskip("ml_dtypes")
        x = torch.linspace(-3, 3, 24).reshape(6, 4).to(torch.bfloat16)
        for call in (fa.layer_norm, lambda a: fa.dropout(a, seed=1), fa.logsumexp):
            result = call(x)
            assert result.dtype is torch.bfloat16
            array = x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
            assert same_bits(result.view(torch.int16).numpy().view(ml_dtypes.bfloat16), call(array))

    @pytest.mark.parametrize("example", EXAMPLES, ids=str)
    def test_one_that_requires_grad_is_for_fastact_torch(self, torch, example):
        drawn = example.draw(np.float32, LEAD, N)
        for name in drawn:
            if name == "target":
                continue
            arrays = {**drawn, name: torch.from_numpy(drawn[name].copy()).requires_grad_()}
            with pytest.raises(TypeError, match=r"requires grad.*fastact\.torch"):
                example(arrays)
            elsewhere = {**drawn, name: torch.from_numpy(drawn[name]).to("meta")}
            with pytest.raises(TypeError, match="tensor on meta"):
                example(elsewhere)

    @pytest.mark.parametrize("called", [*BESIDE, *OF_TWO_AXES])
    def test_beside_ndarrays(self, torch, called):
        call = {**BESIDE, **OF_TWO_AXES}[called]
        array = B if called in BESIDE else X
        result, expected = call(torch.from_numpy(array.copy())), call(array)
        pairs = zip(result, expected, strict=True) if isinstance(result, tuple) else [(result, expected)]
        for one, other in pairs:
            assert isinstance(one, torch.Tensor)
            assert same_bits(one.numpy(), np.asarray(other))


def test_statistics_of_a_call_on_tensors_are_taken_by_its_backward():
    torch = pytest.importorskip("torch")
    x, dy = torch.linspace(-3, 3, 24).reshape(6, 4), torch.ones(6, 4)
    _, mean, rstd = fa.layer_norm(x, return_stats=True)
    dx, *_ = fa.layer_norm.backward(dy, x=x, mean=mean, rstd=rstd)
    assert same_bits(dx.numpy(), fa.layer_norm.backward(dy.numpy(), x=x.numpy())[0])


def test_running_statistics_move_where_a_tensor_holds_them():
    torch = pytest.importorskip("torch")
    x, mean, var = np.random.default_rng(0).standard_normal((6, 4)), torch.zeros(4), torch.ones(4)
    fa.batch_norm(x, mean, var, training=True)
    plain = np.zeros(4, np.float32), np.ones(4, np.float32)
    fa.batch_norm(x, *plain, training=True)
    assert same_bits(mean.numpy(), plain[0])
    assert same_bits(var.numpy(), plain[1])
