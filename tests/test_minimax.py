"""The tables of src/vmath.hpp are what tools/minimax.py fits, and as good as it says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADER = (ROOT / "src" / "vmath.hpp").read_text()


def _load_minimax():
    spec = importlib.util.spec_from_file_location("minimax", ROOT / "tools" / "minimax.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


minimax = _load_minimax()
mp = minimax.mp

TABLES = [pytest.param(fit, dtype, id=f"{fit.name}-{dtype}") for fit in minimax.FITS for dtype in fit.degrees]


@pytest.mark.parametrize(("fit", "dtype"), TABLES)
def test_header_holds_what_the_fit_prints(fit, dtype):
    assert minimax.declaration(fit, dtype) in HEADER


@pytest.mark.parametrize(("fit", "dtype"), TABLES)
def test_coefficients_in_the_header_err_by_no_more_than_is_written_above_them(fit, dtype):
    written, body = re.search(
        rf"// error 2\^(\S+)\ntemplate <> inline constexpr {dtype} {fit.name}<{dtype}>\[\] = {{([^}}]*)}}",
        HEADER,
    ).groups()
    coefficients = [
        minimax.rounded(mp.mpf(text.strip().rstrip("f")), minimax.BITS[dtype]) for text in body.split(",")
    ]
    low, high = map(mp.mpf, fit.interval)
    points = [low + (high - low) * (k + mp.mpf("0.37")) / 97 for k in range(97)]
    errors = [
        abs(fit.weight(u) * (mp.fsum(c * u**k for k, c in enumerate(coefficients)) - fit.function(u)))
        for u in points
    ]
    assert max(errors) <= mp.mpf(2) ** (mp.mpf(written) + mp.mpf("0.01"))


def test_every_table_of_the_header_has_a_fit():
    names = set(re.findall(r"inline constexpr (?:float|double) (\w+)<\w+>\[\]", HEADER))
    assert names == {fit.name for fit in minimax.FITS}


def test_the_best_line_through_the_exponential():
    # The classic example: on [-1, 1] the error of the best line is 0.27880 at both ends and once between.
    coefficients = minimax.remez(mp.exp, lambda u: mp.mpf(1), ("-1", "1"), 1)
    assert [round(float(c), 4) for c in coefficients] == [1.2643, 1.1752]


def test_ln2_in_two_parts_is_exact_enough_and_its_products_are_exact():
    for index, (bits, exponent_bits) in enumerate([(24, 8), (53, 11)]):
        high, low = (
            minimax.rounded(mp.mpf(float.fromhex(re.search(pattern, HEADER).group(index + 1))), bits)
            for pattern in (
                r"ln2_high = T\(sizeof\(T\) == 4 \? (\S+) : (\S+)\)",
                r"ln2_low = T\(sizeof\(T\) == 4 \? (\S+) : (\S+)\)",
            )
        )
        assert abs(high + low - mp.ln(2)) < mp.mpf(2) ** (-bits - exponent_bits - 4)
        assert minimax.rounded(high, bits - exponent_bits) == high
