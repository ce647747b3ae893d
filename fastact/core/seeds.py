"""The numbers of what is drawn: seeds and probabilities, checked, as kernels take them."""

from __future__ import annotations

import struct
from typing import Any

from . import arrays

_WHOLE, _NUMBER = struct.Struct("=Q"), struct.Struct("=d")


def seed_as_parameter(name: str, seed: Any, otherwise: str = "") -> float:
    """The number whose bits are the seed's, as kernels take it."""
    if type(seed) is not int and not arrays.is_whole(seed):
        raise TypeError(f"{name}: {arrays.given('seed', seed)}; allowed is an integer{otherwise}")
    whole = seed.__index__()
    if not 0 <= whole < 2**64:
        raise ValueError(f"{name}: {arrays.given('seed', seed)}; allowed is 0 <= seed < 2**64")
    number: float = _NUMBER.unpack(_WHOLE.pack(whole))[0]
    return number


def probability(name: str, p: Any) -> float:
    """The probability of being left out."""
    number = p if type(p) is float else arrays.number(name, "p", p)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: {arrays.given('p', p)}; allowed is 0 <= p <= 1")
    return number


def dropout(name: str, given: Any) -> tuple[float, ...]:
    """What ``dropout=`` of a call says, p and the seed; empty where nothing is left out."""
    if given is None:
        return ()
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError(f"{name}: {arrays.given('dropout', given)}; allowed is a pair (p, seed)")
    p, seed = given
    numbers = probability(name, p), 0.0 if seed is None else seed_as_parameter(name, seed, " or None")
    return () if seed is None or not numbers[0] else numbers
