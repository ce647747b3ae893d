"""The tables of src/math/coefficients.hpp are what tools/minimax.py fits, and as good as it says."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import minimax
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HEADER = (ROOT / "src" / "math" / "coefficients.hpp").read_text()
SOURCES = "".join(path.read_text() for path in (ROOT / "src").rglob("*.hpp"))
REDUCTION = (ROOT / "src" / "math" / "exp.hpp").read_text()


mp = minimax.mp

TABLES = [pytest.param(fit, dtype, id=f"{fit.name}-{dtype}") for fit in minimax.FITS for dtype in fit.degrees]


@pytest.mark.parametrize(("fit", "dtype"), TABLES)
def test_header_holds_what_the_fit_prints(fit, dtype):
    assert minimax.declaration(fit, dtype) in HEADER


@pytest.mark.parametrize(("fit", "dtype"), TABLES)
def test_coefficients_in_the_header_err_by_no_more_than_is_written_above_them(fit, dtype):
    coefficients = _coefficients(fit.name, dtype)
    first = re.escape(f"inline constexpr {dtype} {fit.name}<{dtype}>[]")
    written = re.search(rf"// error 2\^(\S+)\ntemplate <> {first}", HEADER).group(1)
    # Points of the same density as the fit's, but others.
    errors = [
        abs(fit.weight(u) * (mp.fsum(c * u**k for k, c in enumerate(coefficients)) - fit.function(u)))
        for u in [(a + 2 * b) / 3 for a, b in pairwise(fit.points(98))]
    ]
    assert max(errors) <= mp.mpf(2) ** (mp.mpf(written) + mp.mpf("0.01"))


PIECES = [pytest.param(pieces, id=pieces.name) for pieces in minimax.PIECES]


@pytest.mark.parametrize("pieces", PIECES)
def test_header_holds_the_pieces_that_the_fit_prints(pieces):
    assert minimax.declaration_of_pieces(pieces) in HEADER


@pytest.mark.parametrize("pieces", PIECES)
def test_pieces_in_the_header_err_by_no_more_than_is_written_above_them(pieces):
    written, body = re.search(
        rf"// error 2\^(\S+)\ninline constexpr float {pieces.name}\[\d+\]\[8\] = {{(.*?)}};",
        HEADER,
        re.DOTALL,
    ).groups()
    rows = [
        [np.float32(text.strip().rstrip("f")) for text in row.split(",")]
        for row in re.findall(r"{(.*?)}", body)
    ]
    # Points of nearly the same density as the fit's, but others.
    assert pieces.error(rows, 67) <= mp.mpf(2) ** (mp.mpf(written) + mp.mpf("0.01"))


@pytest.mark.parametrize("pieces", PIECES)
def test_up_to_their_reach_there_are_pieces(pieces):
    [(step, reach)] = re.findall(
        rf"table{{(?:math::)?{pieces.name}}};\n.*?step = (\S+)f, reach = (\S+)f;", SOURCES
    )
    assert float(step) == pieces.step
    assert float(reach) / pieces.step * (1 + 2**-20) < 7.5


def test_every_table_of_the_header_has_a_fit():
    names = set(re.findall(r"inline constexpr (?:float|double) (\w+)(?:<\w+>\[\]|\[\d+\])", HEADER))
    assert names == {fit.name for fit in (*minimax.FITS, *minimax.PIECES)}


def test_the_best_line_through_the_exponential():
    # The classic example: on [-1, 1] the error of the best line is 0.27880 at both ends and once between.
    fit = minimax.Fit("line", "", mp.exp, lambda u: mp.one, ("-1", "1"), {"double": 1})
    constant, slope = minimax.minimax(fit, 1)
    assert (round(float(constant), 4), round(float(slope), 4)) == (1.2643, 1.1752)


def _coefficients(name: str, dtype: str) -> list:
    body = re.search(rf"inline constexpr {dtype} {name}<{dtype}>\[\] = {{([^}}]*)}}", HEADER).group(1)
    return [
        minimax.rounded(mp.mpf(text.strip().rstrip("f")), minimax.BITS[dtype]) for text in body.split(",")
    ]


def test_ln2_in_two_parts_is_exact_enough_and_its_products_are_exact():
    for index, (bits, exponent_bits) in enumerate([(24, 8), (53, 11)]):
        high, low = (
            minimax.rounded(mp.mpf(float.fromhex(re.search(pattern, REDUCTION).group(index + 1))), bits)
            for pattern in (
                r"ln2_high = T\(sizeof\(T\) == 4 \? (\S+) : (\S+)\)",
                r"ln2_low = T\(sizeof\(T\) == 4 \? (\S+) : (\S+)\)",
            )
        )
        assert abs(high + low - mp.ln(2)) < mp.mpf(2) ** (-bits - exponent_bits - 4)
        assert minimax.rounded(high, bits - exponent_bits) == high
