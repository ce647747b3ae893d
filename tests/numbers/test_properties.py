"""What the catalog says of activations as functions is found again, from the formula and on the kernels.

The first half knows nothing but the text of the formula (tests/found.py), the second asks fastact itself.
Claims that are not so are tried: the condition is false, and each number of the answer comes out as it says.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from operator import attrgetter

import numpy as np
import pytest
from cases import Case
from found import Found, curve, places, shown
from found_along_axis import AlongAxis

import fastact as fa
from fastact import catalog
from fastact.catalog import Properties

NAME = attrgetter("name")
CURVES = [row for row in catalog.rows if row.shape.by_element]
IN_ROWS = [row for row in catalog.rows if not row.shape.by_element]
of_curves = pytest.mark.parametrize("row", CURVES, ids=NAME)
in_rows = pytest.mark.parametrize("row", IN_ROWS, ids=NAME)
ROUNDED = 5e-6
"""How far a number of six digits may be from what it stands for; the catalog's are below 10."""
X = np.linspace(-12, 12, 24 * 2**14 + 1)


@of_curves
def test_the_derivative_has_these_bounds_there(row):
    found, said = curve(row.name), row.properties
    assert list(zip(said.slope, said.slope_at, strict=True)) == [found.least(), found.most()]
    assert [x for x, _ in places(said.turns)] == found.turns


@of_curves
def test_it_is_as_smooth_as_it_says(row):
    found = [(entry.order, entry.x) for entry in curve(row.name).breaks]
    assert found == sorted((order, x) for order, where in row.properties.breaks.items() for x in where)


@of_curves
def test_it_bends_as_it_says(row):
    said = row.properties
    assert curve(row.name).curvature == (said.curvature if said.nonlinear else "straight")


@of_curves
def test_it_saturates_as_it_says(row):
    found = curve(row.name)
    assert (row.properties.left, row.properties.right) == (found.saturation(-1), found.saturation(1))


@of_curves
def test_its_fixed_points_are_these(row):
    assert row.properties.fixed_points == curve(row.name).fixed_points


@of_curves
def test_its_mean_output_is_this(row):
    assert row.properties.mean == shown(curve(row.name).mean)


@of_curves
def test_its_range_is_this(row):
    low, high = row.range[1:-1].rsplit(",", 1)
    ends = [shown(eval(end, {}, {"inf": np.inf, **row.names()})) for end in (low, high)]
    assert curve(row.name).range() == f"{row.range[0]}{ends[0]:g}, {ends[1]:g}{row.range[-1]}"


@cache
def _along_axis(row_name: str) -> AlongAxis:
    """What is found of it, once for all tests of a process."""
    return AlongAxis(fa.get(row_name).row)


@in_rows
def test_its_derivatives_have_these_bounds(row):
    """Some are for long rows alone: the largest of sparsemax is 1 - 1/n in rows of n."""
    least, most = row.properties.slope
    found = _along_axis(row.name)
    assert least - 1e-9 <= found.slopes[0] <= least + 1 / 250
    assert most - 1 / 250 <= found.slopes[1] <= most + 1e-9
    assert found.lipschitz == pytest.approx(row.properties.lipschitz, abs=1e-4)


@in_rows
def test_its_outputs_are_as_smooth_and_bend_as_it_says(row):
    assert _along_axis(row.name).orders == set(row.properties.breaks)
    assert _along_axis(row.name).curvature == row.properties.curvature


@in_rows
def test_an_output_saturates_as_its_own_input_moves(row):
    own, said = _along_axis(row.name).own, row.properties
    assert (said.left, said.right) == ((own.saturation(-1), own.saturation(1)) if own else (None, None))
    if row.shape.by_row:
        assert own.range() == row.range


@in_rows
def test_its_mean_output_is_this_of_the_kernel(row):
    """A million outputs; a row's mean is that of its length, so it says none."""
    if row.shape.by_row:
        assert row.properties.mean is None
    else:
        x = np.random.default_rng(1).standard_normal((1_000_000, row.shape.inputs))
        assert row.properties.mean == round(float(Case(row)(x).mean()), 2) + 0.0


def _kernel(row: catalog.Row, x, saved: str = "") -> np.ndarray:
    """fastact's own values, or its derivative from x; without a seed slopes are the mean."""
    x = np.atleast_1d(np.asarray(x, float))
    evaluated = dict.fromkeys(row.shape.may_have)
    return Case(row, saved)(*((np.ones_like(x), x) if saved else (x,)), **evaluated)


@of_curves
def test_the_kernel_rises_and_bends_as_it_says(row):
    said, y = row.properties, _kernel(row, X)
    assert said.monotonic == bool((np.diff(y) >= -1e-14).all())
    bends = np.diff(y[::256], 2)
    assert said.convex == bool((bends >= -1e-10).all())
    assert said.concave == bool((bends <= 1e-10).all())


@of_curves
def test_the_kernels_derivative_has_these_bounds_there(row):
    said, slopes = row.properties, _kernel(row, X, "x")
    assert (slopes >= said.slope[0] - ROUNDED).all()
    assert (slopes <= said.slope[1] + ROUNDED).all()
    for bound, where in zip(said.slope, said.slope_at, strict=True):
        for low, high in places(where):
            if low == high and low in said.breaks.get(0, ()):
                assert np.sign(np.diff(_kernel(row, [low - 1e-9, low + 1e-9]))) == np.sign(bound)
                continue
            middle = low if low == high else (max(low, -9) + min(high, 9)) / 2
            beside = _kernel(row, [middle - 1e-8, middle + 1e-8], "x")
            assert np.isclose(beside, bound, rtol=0, atol=2 * ROUNDED).any(), (bound, middle)


@of_curves
def test_the_kernels_derivative_jumps_and_turns_there(row):
    said = row.properties
    for x in said.breaks.get(1, ()):
        below, above = _kernel(row, [x - 1e-9, x + 1e-9], "x")
        assert abs(below - above) > 1e-3
    for x, _ in places(said.turns):
        below, above = _kernel(row, [x - 1e-4, x + 1e-4], "x")
        assert below * above < 0
    slopes = _kernel(row, X, "x")
    signs = np.sign(slopes[slopes != 0])
    assert np.count_nonzero(np.diff(signs)) == len(places(said.turns))
    assert said.differentiable == bool((abs(np.diff(slopes)) < 1e-3 * max(1, slopes.max())).all())


@of_curves
def test_the_kernel_saturates_as_it_says(row):
    for side, sign in ((row.properties.left, -1), (row.properties.right, 1)):
        near, nearer_still, far, farther = _kernel(row, sign * np.array([8.0, 9.0, 1e9, 2e9]))
        with np.errstate(invalid="ignore"):
            assert bool(side) == bool(abs(far - farther) < 1e-6)
        assert (side == "hard") == (near == nearer_still == far)


@of_curves
def test_the_kernel_has_these_fixed_points_and_no_others(row):
    known = places(row.properties.fixed_points)
    for low, high in known:
        middle = np.array([low if low == high else (max(low, -9) + min(high, 9)) / 2])
        assert _kernel(row, middle) == pytest.approx(middle, abs=1e-5)
    x = X[::64][abs(X[::64]) < 5]  # beyond, gelu(x) is rounded to x
    side = np.sign(_kernel(row, x) - x)
    met = x[:-1][(side[:-1] == 0) | (side[:-1] * side[1:] < 0)]
    assert all(any(low - 0.01 <= x <= high + 0.01 for low, high in known) for x in met)


@of_curves
def test_the_kernels_mean_output_is_this(row):
    density = np.exp(-X * X / 2) / np.sqrt(2 * np.pi)
    found = np.dot(_kernel(row, X), density) * (X[1] - X[0])
    assert found == pytest.approx(row.properties.mean, abs=1e-3 if 0 in row.properties.breaks else ROUNDED)


# What follows from other facts.


def test_what_follows_from_the_bounds_of_the_derivative():
    falling_jump = Properties(slope=(-np.inf, 1), slope_at=("0.1", "(0.1, inf)"), breaks={0: (0.1,)})
    assert (falling_jump.monotonic, falling_jump.lipschitz, falling_jump.sign) == (False, np.inf, "both")
    assert (falling_jump.smoothness, falling_jump.differentiable) == ("jumps", False)
    assert falling_jump.not_differentiable_at == (0.1,)
    straight = Properties(slope=(2, 2), slope_at=("(-inf, inf)", "(-inf, inf)"))
    assert (straight.nonlinear, straight.convex, straight.concave, straight.lipschitz) == (
        False,
        True,
        True,
        2,
    )
    assert (straight.smoothness, straight.not_differentiable_at, straight.sign) == ("Cinf", (), "positive")


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        *(("sigmoid", "positive"), ("leaky_relu", "positive"), ("elu", "positive")),
        *(("relu", "not negative"), ("tanhshrink", "not negative"), ("maxout", "not negative")),
        *(("silu", "both"), ("softmax", "both")),
    ],
)
def test_the_sign_of_the_derivative_is_that_of_the_kernel(name, sign):
    row = fa.get(name).row
    assert row.properties.sign == sign
    if row.shape.by_element:
        slopes = _kernel(row, np.append(X, 0.0), "x")
        found = "both" if slopes.min() < 0 else "positive" if slopes.min() > 0 else "not negative"
        assert found == sign


def test_orders_of_breaks_are_classes_of_smoothness():
    said = {order: Properties(slope=(0, 1), breaks={order: (0.0,)}).smoothness for order in range(4)}
    assert said == {0: "jumps", 1: "C0", 2: "C1", 3: "C2"}
    assert fa.silu.properties.smoothness == "Cinf"


def test_a_parameter_moves_what_depends_on_it():
    """What the rows say is said at the defaults: elu has a kink at any alpha but 1."""
    assert [entry.order for entry in curve("elu", alpha=2.0).breaks] == [1]
    assert curve("hardtanh", min_val=0.0, max_val=2.0).fixed_points == "[0, 2]"
    assert fa.elu.bind(alpha=2.0).properties is fa.elu.properties


def test_a_break_of_any_order_is_found():
    """A function whose third derivative jumps has two continuous ones; none of the catalog has."""
    cubic = Found(lambda x: np.maximum(x - 1, 0) ** 3)
    assert [(entry.order, entry.x) for entry in cubic.breaks] == [(3, 1.0)]


def test_what_it_is_reads_as_a_table():
    lines = repr(fa.silu.properties).splitlines()
    assert "derivative              from -0.0998393 at -2.39936 to 1.09984 at 2.39936" in lines
    assert "sign of the derivative  both, changing at -1.27846" in lines
    assert "saturating              left (soft)" in lines
    in_words = repr(fa.reglu.properties)
    assert "C0 where b is 0 and a is not" in in_words
    assert "fixed points" not in in_words
    assert "None" not in "".join(repr(row.properties) for row in catalog.rows)


# What is widely said and is not so.

CLAIMS = [(row, claim) for row in catalog.rows for claim in row.claims]
of_claims = pytest.mark.parametrize(
    ("row", "claim"), CLAIMS, ids=[f"{row.name}-{claim.said}" for row, claim in CLAIMS]
)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


def _words(row: catalog.Row, **parameters: float) -> dict[str, object]:
    """What claims and their figures are written in: all of it found numerically."""
    if not row.shape.by_element:
        found = _along_axis(row.name)
        return {
            **{"jacobian": found.jacobian, "lipschitz": found.lipschitz, "breaks": found.orders},
            "mean": lambda: float(Case(row)(np.random.default_rng(1).standard_normal((10**6, 4))).mean()),
        }
    found = curve(row.name, **parameters)
    (least, least_at), (most, most_at) = found.least(), found.most()
    return {
        **{"f": found, "slope": found.slope, "breaks": [entry.x for entry in found.breaks]},
        **{
            "least": least,
            "least_at": places(least_at)[0][0],
            "most": most,
            "most_at": places(most_at)[0][0],
        },
        **{"turns": found.turns, "mean": lambda name=row.name: curve(name).mean},
        **{
            "left": lambda x, order=1: found.side(x, -1, order),
            "right": lambda x, order=1: found.side(x, 1, order),
        },
        "mean_slope": lambda: found.mean_of(found.slope),
        "share_flat": lambda: found.mean_of(lambda x: (abs(found.slope(x)) < 1e-9).astype(int)),
        "backward": lambda x: _kernel(row, [x], "x")[0],
        "distance": lambda name: found.distance(curve(name)),
        "curve": curve,
        "given": lambda **others: curve(row.name, **others),
    }


def _value(row: catalog.Row, text: str):
    return eval(text, {"__builtins__": {"abs": abs, "len": len}, "isnan": np.isnan}, _words(row))


@of_claims
def test_a_false_claim_is_false(row, claim):
    assert not _value(row, claim.formally)


@of_claims
def test_every_number_that_shows_it_is_the_one_found(row, claim):
    numbers = NUMBER.findall(claim.why)
    assert len(numbers) == len(claim.figures) > 0
    for number, figure in zip(numbers, claim.figures, strict=True):
        assert _as_precisely(number, float(_value(row, figure))), (number, figure, _value(row, figure))


def _as_precisely(written: str, found: float) -> bool:
    """Whether a number rounds to what is written, with as many digits."""
    digits, _, exponent = written.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(found - float(written)) <= unit / 2 * (1 + 1e-9)


@of_claims
def test_a_claim_is_a_sentence_and_asks_something(row, claim):
    assert all(text[0].isupper() and text.endswith(".") for text in (claim.said, claim.why))
    names = {node.id for node in ast.walk(ast.parse(claim.formally)) if isinstance(node, ast.Name)}
    assert names <= {*_words(row), "abs", "len", "isnan"}


def test_the_claims_that_are_heard_most_are_there():
    heard = {row.name for row, _ in CLAIMS}
    assert {"silu", "swish", "softmax", "elu", "relu", "gelu"} <= heard
