"""xarray: dimensions by name, coordinates, names and attributes stay; a Dataset is its variables."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa

xr = pytest.importorskip("xarray")


@pytest.fixture
def array():
    values = np.random.default_rng(1).standard_normal((3, 4, 6))
    coords = {"time": [10, 20, 30], "x": list("abcd"), "area": ("x", np.arange(4.0))}
    return xr.DataArray(values, coords, ("time", "x", "y"), name="field", attrs={"units": "1"})


def test_everything_but_the_numbers_stays(array):
    for result in (fa.silu(array), fa.softmax(array, axis="x"), fa.rrelu(array, seed=3)):
        xr.testing.assert_equal(result.copy(data=array.data), array)
        assert result.name == "field"
        assert result.attrs == {"units": "1"}
        assert result.dims == array.dims


@pytest.mark.parametrize("dim", ["time", "x", "y"])
def test_an_axis_is_a_dimension_by_name(array, dim):
    assert np.array_equal(fa.softmax(array, axis=dim), fa.softmax(array.values, axis=array.dims.index(dim)))
    xr.testing.assert_identical(
        fa.softmax(array.transpose("y", "x", "time"), axis=dim).transpose(*array.dims),
        fa.softmax(array, axis=dim),
    )


def test_several_dimensions_by_name(array):
    assert np.array_equal(fa.softmax(array, axis=("x", "y")), fa.softmax(array.values, axis=(1, 2)))


def test_an_unknown_dimension_is_named_with_those_there_are(array):
    with pytest.raises(ValueError, match=r"axis='z'.*'time', 'x', 'y'"):
        fa.softmax(array, axis="z")


def test_a_shorter_dimension_loses_its_coordinates_alone(array):
    for result in (fa.glu(array, axis="x"), fa.maxout(array, 2, axis="x")):
        assert result.sizes == {"time": 3, "x": 2, "y": 6}
        assert set(result.coords) == {"time"}
        assert result.attrs == {"units": "1"}
    back = fa.glu.backward(fa.glu(array, axis="x"), x=array, axis="x")
    assert set(back.coords) == set(array.coords)


def test_arrays_meet_by_dimension_not_by_position(array):
    turned = array.transpose("y", "x", "time")
    for result in (
        fa.silu.backward(turned, x=array).transpose(*array.dims),
        fa.softmax.backward(turned, y=array, axis="x").transpose(*array.dims),
    ):
        assert result.dims == array.dims
    assert np.array_equal(
        fa.softmax.backward(turned, y=array, axis="x"),
        fa.softmax.backward(array.values, y=array.values, axis=1),
    )


def test_arrays_of_different_places_are_xarrays_error(array):
    with pytest.raises(ValueError, match="cannot align"):
        fa.softmax.backward(array.isel(time=[0, 1]), y=array, axis="x")


def test_a_dataset_is_its_variables(array):
    both = xr.Dataset({"a": array, "b": array[0]}, attrs={"title": "t"})
    for call in (fa.silu, lambda x: fa.softmax(x, axis="x")):
        result = call(both)
        assert result.attrs == {"title": "t"}
        for name in ("a", "b"):
            xr.testing.assert_identical(result[name], call(both[name]))
    gradient = fa.softmax.backward(both, y=both, axis="x")
    xr.testing.assert_identical(gradient["b"], fa.softmax.backward(both["b"], y=both["b"], axis="x"))
    with pytest.raises(TypeError, match="same variables"):
        fa.softmax.backward(both[["a"]], y=both, axis="x")


def test_weights_and_masks_with_dimensions(array):
    weight = xr.DataArray(np.array([0.1, 0.2, 0.3, 0.4]), dims="x")
    dx, total = fa.prelu.backward(array, x=array, weight=weight)
    expected = fa.prelu.backward(array.values, x=array.values, weight=weight.values)
    assert np.array_equal(dx, expected[0])
    assert np.array_equal(total, expected[1])
    assert total.dims == ("x",)
    where = array[0] > 0
    assert np.array_equal(
        fa.softmax(array, axis="x", where=where), fa.softmax(array.values, axis=1, where=where.values)
    )


def test_what_is_inside_stays_what_it_is(array):
    da = pytest.importorskip("dask.array")
    for call in (fa.silu, lambda x: fa.softmax(x, axis="y"), lambda x: fa.rrelu(x, seed=2)):
        lazy = call(array.chunk(time=1))
        assert isinstance(lazy.data, da.Array)
        assert lazy.chunksizes["time"] == (1, 1, 1)
        xr.testing.assert_identical(lazy.compute(), call(array))


def test_a_variable_comes_back_as_one(array):
    assert isinstance(fa.softmax(array.variable, axis="x"), xr.Variable)
    assert isinstance(fa.silu(array.variable), xr.Variable)


def test_out_is_refused_before_anything_is_written(array):
    before = array.copy(deep=True)
    for call in (fa.silu, fa.softmax):
        with pytest.raises(TypeError, match="out="):
            call(array, out=array)
    xr.testing.assert_identical(array, before)
