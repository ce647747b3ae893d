"""Arrays in two parts, for arguments of exponentials.

What an exponential is given is off by the rounding error of the argument, times its size: for the arguments
near -745 of a float64 by more than the bits that long double has to spare. So the names of a formula are
pairs whose sums, products and quotients carry what was lost in rounding, until a function takes them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np


def _of_sums(compare: Callable[[Any, Any], Any]) -> Callable[[Pair, Any], Any]:
    return lambda self, other: compare(value(self), value(other))


class Pair:
    """The sum of two arrays, the second below the rounding error of the first."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, high: Any, low: Any = 0.0) -> None:
        self.high, self.low = high, low

    def __neg__(self) -> Pair:
        return Pair(-self.high, -self.low)

    def __add__(self, other: Any) -> Pair:
        """TwoSum (Knuth 1969)."""
        a, (b, low) = self.high, parts(other)
        total = a + b
        part = total - a
        return _finite(total, (a - (total - part)) + (b - part) + (self.low + low))

    def __mul__(self, other: Any) -> Pair:
        """TwoProduct (Dekker 1971)."""
        a, (b, low) = self.high, parts(other)
        product = a * b
        (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
        error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
        return _finite(product, error + (a * low + self.low * b))

    def __truediv__(self, other: Any) -> Pair:
        divisor = pair(other)
        quotient = self.high / divisor.high
        return _finite(quotient, value(self - divisor * quotient) / divisor.high)

    def __sub__(self, other: Any) -> Pair:
        return self + -pair(other)

    def __rsub__(self, other: Any) -> Pair:
        return -self + other

    def __rtruediv__(self, other: Any) -> Pair:
        return pair(other) / self

    __radd__, __rmul__ = __add__, __mul__

    __gt__, __ge__, __lt__, __le__, __eq__ = map(
        _of_sums, (operator.gt, operator.ge, operator.lt, operator.le, operator.eq)
    )


def parts(number: Any) -> tuple[Any, Any]:
    return (number.high, number.low) if isinstance(number, Pair) else (np.longdouble(number), 0.0)


def pair(number: Any) -> Pair:
    return Pair(*parts(number))


def value(number: Any) -> Any:
    """A pair as one array; anything else as it is."""
    return number.high + number.low if isinstance(number, Pair) else number


def exp(number: Any) -> Any:
    high, low = parts(number)
    # Of a huge number the low part is large too, and nothing depends on it.
    return np.exp(high) * (1 + np.clip(low, -0.5, 0.5))


def sqrt(number: Any) -> Pair:
    high, low = parts(number)
    root = np.sqrt(high)
    return _finite(root, value(pair(high) - pair(root) * root + low) / (2 * root))


def _finite(high: Any, low: Any) -> Pair:
    """Beyond the range of numbers there is nothing to carry."""
    return Pair(high, np.where(np.isfinite(low), low, 0))


def _split(a: Any) -> tuple[Any, Any]:
    scaled = a * np.longdouble((1 << (np.finfo(np.longdouble).nmant // 2 + 1)) + 1)
    high = scaled - (scaled - a)
    return high, a - high
