"""Minimax fits: prints every table of coefficients that src/vmath.hpp holds.

Each fit is P(u) ~ f(u) on an interval, the largest |weight(u) * (P(u) - f(u))| as small as a polynomial
of that degree allows (Remez's exchange, 1934). The weight turns the error of P into the relative error of
the function it is a part of. The parts are chosen so that terms in which rounding a coefficient to its
dtype would matter are exact (1, r, 1/2) and not in the table. Run as a script:

    python tools/minimax.py            all tables
    python tools/minimax.py exp log    those whose name begins so
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import mpmath

mp = mpmath.MPContext()
mp.dps = 70

Function = Callable[[mpmath.mpf], mpmath.mpf]

BITS = {"float": 24, "double": 53}


@dataclass(frozen=True)
class Fit:
    """One table: what is fitted, where, and with how many coefficients per dtype."""

    name: str
    meaning: str
    function: Function
    weight: Function
    interval: tuple[str, str]
    degrees: dict[str, int]


@dataclass(frozen=True)
class Table:
    """The rounded coefficients of a fit, lowest first, and their largest weighted error."""

    coefficients: tuple[mpmath.mpf, ...]
    error: mpmath.mpf


def horner(coefficients, u):
    total = mp.zero
    for coefficient in reversed(coefficients):
        total = total * u + coefficient
    return total


def chebyshev_points(low, high, count: int) -> list:
    """Dense towards both ends; none at the origin, where most weights vanish."""
    middle, half = (low + high) / 2, (high - low) / 2
    points = [middle - half * mp.cos(mp.pi * k / (count - 1)) for k in range(count)]
    return [u if abs(u) > half / 10**6 else u + half / 10**3 for u in points]


def remez(function: Function, weight: Function, interval, degree: int, rounds: int = 12) -> list:
    """The coefficients of the minimax polynomial, lowest first."""
    low, high = map(mp.mpf, interval)
    points = chebyshev_points(low, high, degree + 2)
    grid = chebyshev_points(low, high, 24 * (degree + 2))
    values = [(u, function(u), weight(u)) for u in grid]
    coefficients: list = []
    for _ in range(rounds):
        rows = [[u**k for k in range(degree + 1)] + [(-1) ** i / weight(u)] for i, u in enumerate(points)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([function(u) for u in points]))
        coefficients, level = list(solution[: degree + 1]), abs(solution[degree + 1])
        errors = [(u, w * (horner(coefficients, u) - f)) for u, f, w in values]
        points = _alternating_peaks(errors, degree + 2)
        if max(abs(error) for _, error in errors) < level * mp.mpf("1.002"):
            break
    return coefficients


def _alternating_peaks(errors, count: int) -> list:
    """Where the error peaks between its changes of sign; of too many, those next to the largest."""
    peaks = [errors[0]]
    for u, error in errors[1:]:
        if error * peaks[-1][1] > 0:
            if abs(error) > abs(peaks[-1][1]):
                peaks[-1] = (u, error)
        else:
            peaks.append((u, error))
    while len(peaks) > count:
        peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
    if len(peaks) < count:
        raise ArithmeticError("the error of the fit changes sign too seldom: precision or interval is off")
    return [u for u, _ in peaks]


def rounded(value, bits: int):
    """`value` to nearest with a significand of `bits` bits."""
    with mp.workprec(bits):
        return +value


def table(fit: Fit, dtype: str) -> Table:
    coefficients = [
        rounded(c, BITS[dtype]) for c in remez(fit.function, fit.weight, fit.interval, fit.degrees[dtype])
    ]
    return Table(tuple(coefficients), largest_error(fit, coefficients))


def largest_error(fit: Fit, coefficients) -> mpmath.mpf:
    low, high = map(mp.mpf, fit.interval)
    grid = chebyshev_points(low, high, 400)
    return max(abs(fit.weight(u) * (horner(coefficients, u) - fit.function(u))) for u in grid)


def _exp_tail(r):
    return (mp.exp(r) - 1 - r) / r**2


def _expm1_weight(r):
    return r**2 / abs(mp.expm1(r))


def _tanh_tail(u):
    x = mp.sqrt(u)
    return (mp.tanh(x) - x) / x**3


def _log1p_tail(f):
    return (mp.log1p(f) - f + f**2 / 2) / f**3


def _atanh_tail(w):
    s = mp.sqrt(w)
    return 2 * (mp.atanh(s) - s) / (s * w)


# A little wider than the reductions leave, for what they round.
FITS = (
    Fit(
        "exp_tail",
        "(e^r - 1 - r) / r^2 where |r| <= ln(2) / 2, relative to e^r",
        _exp_tail,
        lambda r: r**2 / mp.exp(r),
        ("-0.347", "0.347"),
        {"float": 4, "double": 9},
    ),
    Fit(
        "expm1_tail",
        "(e^r - 1 - r) / r^2 where |r| <= 3/4 ln(2), relative to e^r - 1",
        _exp_tail,
        _expm1_weight,
        ("-0.521", "0.521"),
        {"float": 6, "double": 11},
    ),
    Fit(
        "expm1_negative_tail",
        "(e^r - 1 - r) / r^2 where -3/4 ln(2) <= r <= 1/4 ln(2), relative to e^r - 1",
        _exp_tail,
        _expm1_weight,
        ("-0.521", "0.174"),
        {"float": 5, "double": 10},
    ),
    Fit(
        "tanh_tail",
        "(tanh(x) - x) / x^3 in u = x^2 where |x| <= 0.7, relative to tanh(x)",
        _tanh_tail,
        lambda u: u**1.5 / mp.tanh(mp.sqrt(u)),
        ("0", "0.4901"),
        {"float": 5, "double": 11},
    ),
    Fit(
        "log1p_tail",
        "(log(1 + f) - f + f^2 / 2) / f^3 where -1/4 <= f <= 1/2, relative to log(1 + f)",
        _log1p_tail,
        lambda f: abs(f**3 / mp.log1p(f)),
        ("-0.25", "0.5"),
        {"float": 7},
    ),
    Fit(
        "atanh_tail",
        "(2 atanh(s) - 2 s) / s^3 in w = s^2 where -1/7 <= s <= 1/5, relative to 2 atanh(s)",
        _atanh_tail,
        lambda w: w**1.5 / mp.atanh(mp.sqrt(w)) / 2,
        ("0", "0.04001"),
        {"double": 6},
    ),
)


def literal(value, dtype: str) -> str:
    return repr_float32(value) + "f" if dtype == "float" else repr(float(value))


def repr_float32(value) -> str:
    """The shortest decimal that float32 reads back as `value`."""
    for digits in range(1, 10):
        text = f"{float(value):.{digits}g}"
        if rounded(mp.mpf(text), 24) == value:
            break
    return text if "." in text or "e" in text else text + ".0"


def declaration(fit: Fit, dtype: str) -> str:
    """The C++ lines of one table."""
    fitted = table(fit, dtype)
    lines = ",\n    ".join(literal(c, dtype) for c in fitted.coefficients)
    error = f"error 2^{mp.nstr(mp.log(fitted.error, 2), 4)}"
    return f"// {error}\ntemplate <> inline constexpr {dtype} {fit.name}<{dtype}>[] = {{\n    {lines}}};"


def main(prefixes: list[str]) -> None:
    for fit in FITS:
        if not prefixes or fit.name.startswith(tuple(prefixes)):
            print(f"// {fit.meaning}\ntemplate <class T> inline constexpr T {fit.name} = 0;")
            for dtype in fit.degrees:
                print(declaration(fit, dtype))


if __name__ == "__main__":
    main(sys.argv[1:])
