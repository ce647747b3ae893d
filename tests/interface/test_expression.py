"""The catalog's texts as functions: worth what Python says, and nothing beyond their words."""

from __future__ import annotations

import math

import pytest

from fastact import catalog
from fastact.catalog import expression

CONDITIONS = sorted(
    {p.constraint for row in catalog.rows for p in row.parameters if p.constraint}
    | {row.output_determines for row in catalog.rows if row.output_determines}
)
PLAIN = ["-2.5", "1 - 2 - 3", "2 / 4 * 3", "-(a + 1) / 2", "(a, 'none', True, None)", "f(a) + f(-a)", " inf"]


@pytest.mark.parametrize("text", CONDITIONS + PLAIN)
@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, math.inf])
def test_a_text_is_worth_what_python_says(text, value):
    names = dict.fromkeys(
        ["a", "alpha", "b", "beta", "lambd", "lower", "negative_slope", "slope", "tau", "temperature"], value
    )
    names |= {
        "min_val": value,
        "max_val": 0.0,
        "upper": 0.25,
        "threshold": math.inf,
        "inf": math.inf,
        "f": abs,
    }
    assert expression.function(text)(names) == eval(text, names)


def test_functions_of_a_name_and_named_values():
    assert expression.function("(lambda x: x + a)")({"a": 2})(3) == 5
    assert expression.function("(t := a + 1) * t")({"a": 2}) == 9


@pytest.mark.parametrize(
    "text",
    [
        *("a.real", "a[0]", "[a]", "{a: a}", "f(*a)", "f(a, b=a)", "f(a)(a)", "a if a else b", "a and b"),
        *("a < b < c", "a ** b", "a % b", "not a", "f'{a}'", "[x for x in a]", "lambda: a", "a is b"),
    ],
)
def test_what_no_text_needs_is_refused(text):
    with pytest.raises(ValueError, match="is no expression of the catalog"):
        expression.function(text)


@pytest.mark.parametrize("text", ["__import__('os')", "open('file')", "exit()"])
def test_what_python_brings_is_unknown(text):
    with pytest.raises(KeyError):
        expression.function(text)({"a": 1})
