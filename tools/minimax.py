"""Minimax fits: prints every table of coefficients that src/math/coefficients.hpp holds.

Each fit is P(u) ~ f(u) on an interval, the largest |weight(u) * (P(u) - f(u))| as small as the degree allows
(Remez's exchange, 1934). The weight turns the error of the fit into the relative error of the function it is
a part of. The parts are chosen so that terms in which rounding a coefficient to its dtype would matter most
are exact (1, r, 1/2) and not in the table, or expanded around a point where they happen to be.
Run as a script:

    python tools/minimax.py            all tables
    python tools/minimax.py exp log    those whose name begins so

A function in pieces is fitted otherwise: its coefficients are rounded one by one, the most significant first,
and what a rounding loses goes into those that are fitted after it (`Pieces`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath
import numpy as np

mp = mpmath.MPContext()
mp.dps = 70

Number = mpmath.mpf
Function = Callable[[Number], Number]

BITS = {"float": 24, "double": 53}


@dataclass(frozen=True)
class Fit:
    """What is fitted, where, and with which degree per dtype."""

    name: str
    meaning: str
    function: Function
    weight: Function
    interval: tuple[str, str]
    degrees: dict[str, int]

    def points(self, count: int) -> list[Number]:
        """Of the interval, dense towards both ends."""
        return chebyshev_points(*map(mp.mpf, self.interval), count)


def horner(coefficients: Sequence[Number], u: Number) -> Number:
    total = mp.zero
    for coefficient in reversed(coefficients):
        total = total * u + coefficient
    return total


def chebyshev_points(low: Number, high: Number, count: int) -> list[Number]:
    """None of them at the origin, where most weights vanish."""
    middle, half = (low + high) / 2, (high - low) / 2
    points = [middle - half * mp.cos(mp.pi * k / (count - 1)) for k in range(count)]
    return [u if abs(u) > half / 10**6 else u + half / 10**3 for u in points]


def minimax(fit: Fit, degree: int) -> list[Number]:
    """The coefficients with the smallest largest error over a grid (Remez), lowest first."""
    points, grid = fit.points(degree + 2), fit.points(24 * (degree + 2))
    targets = [(u, fit.function(u), fit.weight(u)) for u in grid]
    for _ in range(12):
        rows = [[*(u**k for k in range(degree + 1)), (-1) ** i / fit.weight(u)] for i, u in enumerate(points)]
        *solution, level = mp.lu_solve(mp.matrix(rows), mp.matrix([fit.function(u) for u in points]))
        errors = [(u, weight * (horner(solution, u) - target)) for u, target, weight in targets]
        points = _alternating_peaks(errors, len(points))
        if max(abs(error) for _, error in errors) < abs(level) * mp.mpf("1.002"):
            break
    return solution


def _alternating_peaks(errors: list[tuple[Number, Number]], count: int) -> list[Number]:
    """Where the error peaks between its changes of sign; of too many, those next to the largest."""
    peaks = [errors[0]]
    for u, error in errors[1:]:
        if error * peaks[-1][1] <= 0:
            peaks.append((u, error))
        elif abs(error) > abs(peaks[-1][1]):
            peaks[-1] = (u, error)
    while len(peaks) > count:
        peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
    if len(peaks) < count:
        raise ArithmeticError("the error of the fit changes sign too seldom: precision or interval is off")
    return [u for u, _ in peaks]


def rounded(value: Number, bits: int) -> Number:
    """`value` to nearest with a significand of `bits` bits."""
    with mp.workprec(bits):
        return +value


def table(fit: Fit, dtype: str) -> tuple[list[Number], Number]:
    """The coefficients as the dtype holds them, lowest first, and their largest weighted error."""
    coefficients = [rounded(c, BITS[dtype]) for c in minimax(fit, fit.degrees[dtype])]
    points = fit.points(400)
    errors = (fit.weight(u) * (horner(coefficients, u) - fit.function(u)) for u in points)
    return coefficients, max(map(abs, errors))


def _exp_tail(r: Number) -> Number:
    return (mp.exp(r) - 1 - r) / r**2


def _expm1_weight(r: Number) -> Number:
    return r**2 / abs(mp.expm1(r))


def _tanhshrink_fit(dtype: str, centre: str, join: str, degree: int) -> Fit:
    middle = mp.mpf(centre)

    def factor(z: Number) -> Number:
        x = mp.sqrt(z + middle)
        return (x - mp.tanh(x)) / x**3 if x else mp.one / 3

    return Fit(
        "tanhshrink_factor",
        f"(x - tanh(x)) / x^3 in z = x^2 - {centre} where |x| <= {join}, relative",
        factor,
        lambda z: 1 / factor(z),
        (f"-{centre}", str(mp.mpf(join) ** 2 - middle)),
        {dtype: degree},
    )


def _mills(a: Number) -> Number:
    """The normal distribution's upper tail over e^(-a^2 / 2)."""
    return mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2


def _quotient(centre: str, pole: str) -> tuple[Function, Function]:
    """t = (a - centre) / (a + pole), and what a is for a t."""
    c, p = mp.mpf(centre), mp.mpf(pole)
    return lambda a: (a - c) / (a + p), lambda t: (c + p * t) / (1 - t)


def _mills_fall_fit(dtype: str, centre: str, pole: str, end: str, degree: int) -> Fit:
    factor = 1 / mp.sqrt(2 * mp.pi)
    lost = factor - rounded(factor, BITS[dtype])
    distance = mp.mpf(pole)
    position, place = _quotient(centre, pole)

    def fall(t: Number) -> Number:
        a = place(t)
        return ((mp.one / 2 - _mills(a)) / a + lost) * (a + distance)

    def weight(t: Number) -> Number:
        a = place(t)
        return a / (a + distance) / (_mills(a) + a * factor)

    return Fit(
        "mills_fall",
        f"((1/2 - R(a)) / a + what 1 / sqrt(2 pi) loses in rounding) (a + {pole}) in t = (a - {centre}) / "
        f"(a + {pole}), relative to R(a) + a / sqrt(2 pi)",
        fall,
        weight,
        (mp.nstr(position(mp.mpf("0.001")), 30), mp.nstr(position(mp.mpf(end)), 30)),
        {dtype: degree},
    )


def _normal_near_fit(dtype: str, degree: int) -> Fit:
    slope = rounded(1 / mp.sqrt(2 * mp.pi), BITS[dtype])

    def bend(u: Number) -> Number:
        x = mp.sqrt(u)
        return (mp.erf(x / mp.sqrt(2)) / 2 - x * slope) / x**3

    return Fit(
        "normal_near",
        "(Phi(x) - 1/2 - c x) / x^3 in u = x^2 where |x| <= 0.8, c ~ 1 / sqrt(2 pi), relative to Phi(-|x|)",
        bend,
        lambda u: u**1.5 / (mp.erfc(mp.sqrt(u / 2)) / 2),
        ("1e-6", "0.6401"),
        {dtype: degree},
    )


def _normal_far_fit(dtype: str, centre: str, pole: str, end: str, degree: int) -> Fit:
    position, place = _quotient(centre, pole)

    def four_a_mills(t: Number) -> Number:
        return 4 * place(t) * _mills(place(t))

    return Fit(
        "normal_far",
        f"4 a R(a) - 1 in t = (a - {centre}) / (a + {pole}) where a >= 0.8, relative to 4 a R(a)",
        lambda t: four_a_mills(t) - 1,
        lambda t: 1 / four_a_mills(t),
        (str(position(mp.mpf("0.8"))), str(position(mp.mpf(end)))),
        {dtype: degree},
    )


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
        lambda u: (mp.tanh(mp.sqrt(u)) - mp.sqrt(u)) / mp.sqrt(u) ** 3,
        lambda u: u**1.5 / mp.tanh(mp.sqrt(u)),
        ("0", "0.4901"),
        {"float": 5, "double": 11},
    ),
    _tanhshrink_fit("float", "0.7734375", "1.1875", 9),
    _tanhshrink_fit("double", "0.765625", "1.1875", 17),
    Fit(
        "log1p_tail",
        "(log(1 + f) - f + f^2 / 2) / f^3 where -1/4 <= f <= 1/2, relative to log(1 + f)",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: abs(f**3 / mp.log1p(f)),
        ("-0.25", "0.5"),
        {"float": 7},
    ),
    Fit(
        "atanh_tail",
        "(2 atanh(s) - 2 s) / s^3 in w = s^2 where -1/7 <= s <= 1/5, relative to 2 atanh(s)",
        lambda w: 2 * (mp.atanh(mp.sqrt(w)) - mp.sqrt(w)) / (mp.sqrt(w) * w),
        lambda w: w**1.5 / mp.atanh(mp.sqrt(w)) / 2,
        ("0", "0.04001"),
        {"double": 6},
    ),
    _normal_near_fit("float", 3),
    _normal_near_fit("double", 8),
    _normal_far_fit("float", "1.53125", "3", "18.6", 8),
    _normal_far_fit("double", "1.546875", "3", "53.2", 22),
    _mills_fall_fit("float", "1.75", "3.5", "19.3", 7),
    _mills_fall_fit("double", "1.75", "3.5", "54", 21),
)


@dataclass(frozen=True)
class Pieces:
    """A function of a >= 0 as one polynomial in a - centre for each of eight pieces, in float32.

    Piece i lies around i * step and goes half a step to both sides. A centre is where the function is nearly
    a float, nearer to the end where it is small, so that terms have one sign where they are large; or 0,
    where the function is.
    """

    name: str
    meaning: str
    function: Function
    weight: Function
    step: float
    centres: tuple[float, ...]
    degree: int

    def interval(self, piece: int) -> tuple[float, float]:
        """A little wider than what the index of a piece leaves, for what that rounds."""
        low, high = (piece - 0.5) * self.step - 2e-6, (piece + 0.5) * self.step + 2e-6
        return (low if piece else 1e-4 if self.centres[0] == 0 else 0), high

    def coefficients(self, piece: int) -> list[np.float32]:
        """Each is that of the best fit (Lawson 1961) with those before it as they are rounded."""
        low, high = self.interval(piece)
        a = np.array([float(u) for u in chebyshev_points(mp.mpf(low), mp.mpf(high), 240)])
        values = np.array([float(self.function(mp.mpf(u))) for u in a])
        weights = np.array([float(self.weight(mp.mpf(u))) for u in a])
        offset = a - self.centres[piece]
        scale = np.abs(offset).max()
        rest, found = values.copy(), [np.float32(0)] * (self.centres[piece] == 0)
        while len(found) <= self.degree:
            powers = np.arange(len(found), self.degree + 1)
            columns = (offset[:, None] / scale) ** powers * weights[:, None]
            steps = 60 if len(found) < 4 else 25
            found.append(np.float32(_lawson(columns, rest * weights, steps)[0] / scale ** powers[0]))
            rest = rest - float(found[-1]) * offset ** powers[0]
        return found

    def table(self) -> list[list[np.float32]]:
        """The centre of each piece, and then each coefficient of each piece, lowest first."""
        pieces = range(len(self.centres))
        columns = [[np.float32(self.centres[i]), *self.coefficients(i)] for i in pieces]
        return [list(row) for row in zip(*columns, strict=True)]

    def error(self, table: list[list[np.float32]], points: int) -> Number:
        """The largest weighted error of the polynomials, as they are in the table."""
        largest = mp.zero
        for piece, column in enumerate(zip(*table, strict=True)):
            centre, *coefficients = (mp.mpf(float(value)) for value in column)
            for a in chebyshev_points(*map(mp.mpf, self.interval(piece)), points):
                error = horner(coefficients, a - centre) - self.function(a)
                largest = max(largest, abs(error * self.weight(a)))
        return largest


def _lawson(columns: np.ndarray, values: np.ndarray, steps: int) -> np.ndarray:
    """Least squares, weighted anew by what is left until the largest rest is small."""
    weights, best, least = np.ones_like(values), None, np.inf
    for _ in range(steps):
        roots = np.sqrt(weights)
        solution = np.linalg.lstsq(columns * roots[:, None], values * roots, rcond=None)[0]
        rest = np.abs(columns @ solution - values)
        if rest.max() < least:
            best, least = solution, rest.max()
        weights = weights * (rest + 1e-30)
        weights /= weights.sum()
    return best


def _times_normal_tail(a: Number) -> Number:
    return a * mp.erfc(a / mp.sqrt(2)) / 2


def _silu_slope(a: Number) -> Number:
    """silu's derivative at -a; at a it is 1 less this."""
    sigma = 1 / (1 + mp.exp(a))
    return sigma * (1 - a * (1 - sigma))


# The zero of the slope is at 1.2785, near which its error is absolute.
PIECES = (
    Pieces(
        "normal_pieces",
        "a Phi(-a), relative",
        _times_normal_tail,
        lambda a: 1 / _times_normal_tail(a),
        0.703125,
        (
            0.0,
            0.6953125,
            1.4755859375,
            2.17822265625,
            2.9365234375,
            3.73193359375,
            4.4287109375,
            5.102783203125,
        ),
        9,
    ),
    Pieces(
        "silu_slope_pieces",
        "h(a) = (1 - a / (1 + e^-a)) / (1 + e^a), relative to it, or to 0.12 within 1 of its zero",
        _silu_slope,
        lambda a: 1 / max(abs(_silu_slope(a)), mp.mpf("0.12") if abs(a - mp.mpf("1.2785")) < 1 else 0),
        1.34375,
        (
            0.2783203125,
            1.3193359375,
            2.6591796875,
            3.9677734375,
            5.42578125,
            6.8056640625,
            8.0478515625,
            9.5693359375,
        ),
        8,
    ),
)


def literal(value: Number, dtype: str) -> str:
    """The shortest decimal that the dtype reads back as `value`."""
    return str(np.float32(float(value))) + "f" if dtype == "float" else repr(float(value))


def declaration(fit: Fit, dtype: str) -> str:
    """The C++ lines of one fit."""
    coefficients, error = table(fit, dtype)
    lines = ",\n    ".join(literal(c, dtype) for c in coefficients)
    return (
        f"// error 2^{mp.nstr(mp.log(error, 2), 4)}\n"
        f"template <> inline constexpr {dtype} {fit.name}<{dtype}>[] = {{\n    {lines}}};"
    )


def declaration_of_pieces(pieces: Pieces) -> str:
    """The C++ lines of a function in pieces: a row for the centres and for each coefficient."""
    table = pieces.table()
    error = mp.nstr(mp.log(pieces.error(table, 100), 2), 4)
    rows = ",\n".join("    {" + ", ".join(literal(value, "float") for value in row) + "}" for row in table)
    size = f"[{len(table)}][{len(pieces.centres)}]"
    return f"// error 2^{error}\ninline constexpr float {pieces.name}{size} = {{\n{rows}}};"


def main(prefixes: list[str]) -> None:
    declared: set[str] = set()
    for fit in FITS:
        if prefixes and not fit.name.startswith(tuple(prefixes)):
            continue
        print(f"// {fit.meaning}")
        if fit.name not in declared:
            print(f"template <class T> inline constexpr T {fit.name} = 0;")
        declared.add(fit.name)
        for dtype in fit.degrees:
            print(declaration(fit, dtype))
    for pieces in PIECES:
        if not prefixes or pieces.name.startswith(tuple(prefixes)):
            print(f"// {pieces.meaning}: of pieces {pieces.step} wide the centres, then coefficients")
            print(declaration_of_pieces(pieces))


if __name__ == "__main__":
    main(sys.argv[1:])
