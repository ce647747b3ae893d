"""Masked arrays: what is masked stays masked, and takes no part in what is made of the others."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, ELEMENTWISE

import fastact as fa

MASK = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)


@pytest.fixture
def masked():
    values = np.random.default_rng(2).standard_normal((3, 4))
    values[MASK] = np.nan
    return np.ma.MaskedArray(values, MASK)


ROWS = [case for case in CASES if case.row.shape.by_row and not case.saved]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=str)
def test_an_element_is_masked_where_what_it_is_made_of_is(case, masked):
    arrays = (masked,) if not case.saved else (np.ma.MaskedArray(np.ones((3, 4)), MASK[::-1]), masked)
    expected = MASK if not case.saved else MASK | MASK[::-1]
    result = case(*arrays)
    assert np.array_equal(np.ma.getmaskarray(result), expected)
    plain = case(*(np.ma.filled(a, 0.5) for a in arrays))
    assert np.array_equal(result.compressed(), plain[~expected])


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_a_masked_element_takes_no_part_in_its_row(case, masked):
    result = case(masked)
    assert np.array_equal(np.ma.getmaskarray(result), MASK)
    if case.row.shape.needs:
        return  # what is drawn for an element comes from its place
    for values, row in zip(result, masked, strict=True):
        if row.count():
            np.testing.assert_array_equal(values.compressed(), case(row.compressed()))


@pytest.mark.parametrize("case", [c for c in CASES if c.row.shape.by_row and c.saved], ids=str)
def test_nor_in_the_gradient_of_its_row(case, masked):
    y, dy = case.activation(masked, **case.needs), np.ma.MaskedArray(np.ones((3, 4)) * np.arange(4), MASK)
    result = case(dy, y)
    assert np.array_equal(np.ma.getmaskarray(result), MASK)
    for values, dy_row, y_row in zip(result, dy, y, strict=True):
        if y_row.count():
            np.testing.assert_allclose(
                values.compressed(), case(dy_row.compressed(), y_row.compressed()), atol=1e-16
            )


def test_a_gate_is_masked_where_either_half_is(masked):
    assert np.ma.getmaskarray(fa.glu(masked)).tolist() == [[False, True], [False, False], [True, True]]
    gradient = fa.glu.backward(np.ma.MaskedArray(np.ones((3, 2)), [[1, 0], [0, 0], [0, 0]]), x=masked)
    assert np.ma.getmaskarray(gradient)[0].tolist() == [True, True, True, True]
    assert not np.ma.getmaskarray(gradient)[1].any()


def test_maxout_takes_the_largest_of_what_is_not_masked(masked):
    result = fa.maxout(masked, 2)
    assert np.ma.getmaskarray(result).tolist() == [[False, False], [False, False], [True, True]]
    assert result[0, 0] == masked[0, 0]
    gradient = fa.maxout.backward(np.ones((3, 2)), x=masked, pieces=2)
    assert gradient[0, 0] == 1
    assert np.ma.getmaskarray(gradient)[0].tolist() == [False, True, False, False]


def test_a_parameters_gradient_is_a_sum_of_what_is_not_masked(masked):
    filled = masked.filled(0)
    assert (
        fa.prelu.backward(masked, x=masked, weight=0.1)[1]
        == fa.prelu.backward(filled, x=filled, weight=0.1)[1]
    )
    assert (
        fa.swish.backward(masked, x=masked, beta_grad=True)[1]
        == fa.swish.backward(filled, x=filled, beta_grad=True)[1]
    )


def test_in_place_the_mask_is_written_too(masked):
    before = masked.copy()
    out = np.ma.MaskedArray(np.zeros((3, 4)))
    assert fa.silu(masked, out=out) is out
    assert np.array_equal(np.ma.getmaskarray(out), MASK)
    assert fa.silu(masked, out=masked) is masked
    assert np.array_equal(masked.compressed(), fa.silu(before).compressed())


def test_a_mask_has_no_place_in_an_out_without_one(masked):
    out = np.zeros((3, 4))
    with pytest.raises(TypeError, match="out is no masked array"):
        fa.silu(masked, out=out)
    assert not out.any()


def test_a_single_element_is_a_scalar_or_masked():
    assert fa.silu(np.ma.array(1.0, mask=True)) is np.ma.masked
    assert fa.silu(np.ma.array(1.0)) == fa.silu(1.0)


def test_fill_value_hard_mask_and_type_stay():
    array = np.ma.MaskedArray([1.0, 2.0], [0, 1], fill_value=-7.0, hard_mask=True)
    result = fa.silu(array)
    assert result.fill_value == -7.0
    assert result.hardmask
