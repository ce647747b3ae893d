"""What pictures draw: values and derivatives of every activation, and where there is most to see."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa
from fastact.measure import curves


def test_a_derivative_is_the_slope_of_its_function(row):
    x = np.linspace(-3.9, 4.1, 801)
    for settings in curves.family(row):
        drawn = curves.curve(row, settings, x)
        assert drawn.y.shape == drawn.slope.shape == x.shape
        steps = np.diff(drawn.y) / np.diff(x)
        between = (drawn.slope[1:] + drawn.slope[:-1]) / 2
        smooth = np.abs(np.diff(drawn.slope)) < 0.05 * (1 + np.abs(between))
        # A jump of the function itself, as hardshrink has them, is none of its derivative.
        smooth &= np.abs(np.diff(drawn.y)) < 0.9 * (0.05 + np.abs(between) * np.diff(x))
        assert smooth.mean() > 0.95
        np.testing.assert_allclose(steps[smooth], between[smooth], rtol=1e-2, atol=1e-3)


def test_a_family_begins_with_the_defaults(row):
    first, *others = curves.family(row)
    x = np.linspace(-2, 2, 9)
    if row.name != "threshold":
        np.testing.assert_array_equal(curves.curve(row, first, x).y, curves.curve(row, {}, x).y)
    for settings in others:
        assert not np.array_equal(curves.curve(row, settings, x).y, curves.curve(row, first, x).y)
    labels = [curves.curve(row, settings, x).label for settings in (first, *others)]
    assert len(set(labels)) == len(labels)
    assert all(labels) or not others


@pytest.mark.parametrize(
    ("name", "middle"), [("silu", -1.278), ("gelu", -0.75), ("relu", 0.0), ("relu6", 0.0), ("hardtanh", 1.0)]
)
def test_the_inset_is_where_it_turns_or_bends(name, middle):
    (drawn,) = curves.curves(fa.get(name).row, [{}], -6.0, 6.0)
    assert abs(curves.bend(drawn)) == pytest.approx(abs(middle), abs=0.02)


def test_a_straight_line_has_no_inset():
    (drawn,) = curves.curves(fa.identity.row, [{}], -6.0, 6.0)
    assert curves.bend(drawn) is None
