"""pandas: labels, NA and dtypes stay, and softmax is along the columns of each row."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa

pd = pytest.importorskip("pandas")


@pytest.fixture
def frame():
    values = np.linspace(-3, 3, 12).reshape(3, 4)
    return pd.DataFrame(values, index=pd.Index(list("abc"), name="key"), columns=list("wxyz"))


def test_a_series_keeps_index_name_and_attributes():
    series = pd.Series([1.0, -2.0], index=["u", "v"], name="s")
    series.attrs["unit"] = "1"
    for result in (fa.silu(series), fa.softmax(series)):
        assert result.name == "s"
        assert result.index.equals(series.index)
        assert result.attrs == {"unit": "1"}


def test_a_frame_keeps_both_labels(frame):
    for result in (fa.silu(frame), fa.softmax(frame), fa.softmax(frame, axis=0), fa.rrelu(frame, seed=1)):
        assert result.index.equals(frame.index)
        assert result.index.name == "key"
        assert result.columns.equals(frame.columns)


@pytest.mark.parametrize(
    "dtype", ["Float32", "Float64", "float[pyarrow]", "double[pyarrow]", "Int64", "int64[pyarrow]"]
)
def test_na_stays_na_and_the_dtype_of_its_family(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    series = pd.Series([1, None, -2], dtype=dtype)
    gradient = pd.Series([1.0, 1.0, None], dtype="Float64" if "pyarrow" not in dtype else "double[pyarrow]")
    result = fa.silu(series)
    family = {"Int64": "Float64", "int64[pyarrow]": "double[pyarrow]"}.get(dtype, dtype)
    assert str(result.dtype) == family
    assert result.isna().tolist() == [False, True, False]
    assert result[0] == fa.silu(np.array([1], result.dtype.numpy_dtype))[0]
    assert fa.silu.backward(gradient, x=series).isna().tolist() == [False, True, True]
    # In a row NA takes no part, and the others sum to 1.
    shares = fa.softmax(series)
    assert str(shares.dtype) == family
    assert shares.isna().tolist() == [False, True, False]
    assert shares.sum() == pytest.approx(1, rel=1e-6)


def test_columns_of_several_families_stay_what_they_are():
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "plain": [1.0, -2.0],
            "single": np.array([1, -2], np.float32),
            "nullable": pd.array([1, None], dtype="Int64"),
            "arrow": pd.array([1.0, None], dtype="float[pyarrow]"),
        }
    )
    expected = ["float64", "float32", "Float64", "float[pyarrow]"]
    for result in (fa.gelu(frame), fa.gelu.backward(frame, x=frame)):
        assert [str(dtype) for dtype in result.dtypes] == expected
        assert result.isna().to_numpy().tolist() == [[False] * 4, [False, False, True, True]]


def test_nan_of_numpys_dtypes_is_a_number_like_others():
    series = pd.Series([1.0, np.nan])
    assert fa.relu(series).isna().tolist() == [False, True]
    assert fa.softmax(series).isna().all()


def test_nan_beside_nullable_columns_is_not_taken_for_missing():
    frame = pd.DataFrame({"plain": [1.0, np.nan], "nullable": pd.array([1.0, 2.0], dtype="Float64")})
    shares = fa.softmax(frame).to_numpy(dtype=float, na_value=np.nan)
    assert shares[0].tolist() == [0.5, 0.5]
    assert np.isnan(shares[1]).all()


def test_numbers_and_bools_of_several_dtypes_are_one_array():
    frame = pd.DataFrame({"a": [True, False], "b": [1, 2], "c": np.array([1, 2], np.float32)})
    for result in (fa.softmax(frame), fa.rrelu(frame, seed=1)):
        assert {str(dtype) for dtype in result.dtypes} == {"float64"}
    assert np.array_equal(fa.softmax(frame), fa.softmax(frame.to_numpy().astype(float)))


def test_several_axes_and_all(frame):
    for axis in (None, (0, 1)):
        result = fa.softmax(frame, axis=axis)
        assert result.index.equals(frame.index)
        assert result.to_numpy().sum() == pytest.approx(1)


def test_an_axis_by_pandas_name(frame):
    assert fa.softmax(frame, axis="index").equals(fa.softmax(frame, axis=0))
    assert fa.softmax(frame, axis="columns").equals(fa.softmax(frame))
    with pytest.raises(ValueError, match="No axis named rows and columns"):
        fa.softmax(frame, axis="rows and columns")


def test_rows_are_of_all_columns_whatever_their_dtypes(frame):
    """pandas would hand over a block for each dtype, transposed (pandas PR 39260)."""
    mixed = frame.astype({"w": np.float32, "y": "Int64"}, errors="ignore")
    mixed["w"] = mixed["w"].astype(np.float32)
    np.testing.assert_allclose(fa.softmax(mixed).sum(axis=1).astype(float), 1, rtol=1e-6)


def test_a_shorter_axis_has_positions_for_labels(frame):
    for result in (fa.glu(frame), fa.maxout(frame, 2)):
        assert result.index.equals(frame.index)
        assert result.columns.tolist() == [0, 1]
    back = fa.glu.backward(fa.glu(frame), x=frame)
    assert back.columns.equals(frame.columns)
    shorter = fa.glu(frame.iloc[:2], axis=0)
    assert shorter.index.tolist() == [0]
    assert shorter.columns.equals(frame.columns)


def test_arrays_are_aligned_by_element_and_equal_along_rows(frame):
    turned = frame.iloc[::-1]
    pd.testing.assert_frame_equal(
        fa.silu.backward(turned, x=frame).loc[frame.index], fa.silu.backward(frame, x=frame)
    )
    with pytest.raises(ValueError, match="different labels"):
        fa.softmax.backward(turned, y=frame)


def test_a_weight_with_labels_goes_to_the_columns_of_its_labels(frame):
    weight = pd.Series([0.4, 0.1, 0.2, 0.3], index=list("zwxy"))
    expected = fa.prelu(frame.to_numpy(), np.array([0.1, 0.2, 0.3, 0.4]))
    assert np.array_equal(fa.prelu(frame, weight), expected)
    _, total = fa.prelu.backward(frame, x=frame, weight=weight)
    assert total.index.tolist() == list("zwxy")
    assert total["w"] == pytest.approx((frame["w"] * frame["w"])[frame["w"] < 0].sum())
    with pytest.raises(ValueError, match=r"weight has labels \['w', 'x'\]"):
        fa.prelu(frame, weight[["w", "x"]])


def test_what_holds_no_numbers_is_refused(frame):
    for wrong in (
        pd.Series(["a"]),
        pd.Series(pd.to_datetime(["2026-01-01"])),
        pd.Series([1, "a"], dtype=object),
    ):
        for call in (fa.silu, fa.softmax):
            with pytest.raises(TypeError, match=r"supported|allowed"):
                call(wrong)


def test_out_of_another_shape_is_refused(frame):
    with pytest.raises(ValueError, match="shape"):
        fa.softmax(frame, out=frame.iloc[:2])


def test_indexes_and_arrays_of_pandas_come_back_too():
    assert isinstance(fa.silu(pd.Index([1.0, 2.0])), pd.Index)
    assert fa.silu(pd.array([1.0, None], dtype="Float32")).dtype == "Float32"
