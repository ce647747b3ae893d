"""Signatures name what a call takes, forward and backward, and nothing else."""

from __future__ import annotations

import inspect
import pickle
import pydoc

import numpy as np
import pytest
from cases import BACKWARD, CASES, same_bits

import fastact as fa

ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameters(call) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(call).parameters)


def test_every_parameter_has_its_name(row):
    for call in (fa.get(row.name), fa.get(row.name).backward):
        assert not [p for p in _parameters(call).values() if p.kind in ANY_NUMBER]


def test_backward_takes_the_parameters_of_forward_by_name(row):
    forward, backward = _parameters(fa.get(row.name)), _parameters(fa.get(row.name).backward)
    for name in fa.get(row.name).parameters:
        assert backward[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert backward[name].default == forward[name].default


def test_backward_takes_what_was_saved_and_needs_it_where_there_is_no_other(row):
    backward = _parameters(fa.get(row.name).backward)
    of_saved = [backward[name].default for name in ("x", "y", "which") if name in backward]
    assert set(row.saves) <= set(backward)
    assert of_saved == ([inspect.Parameter.empty] if len(of_saved) == 1 else [None] * len(of_saved))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_signature_says_is_taken_and_its_defaults_change_nothing(case):
    arrays = case.draw((4, 8), np.float64)
    call = case.activation.backward if case.saved else case.activation
    given = {
        name: parameter.default
        for name, parameter in _parameters(call).items()
        if parameter.default is not inspect.Parameter.empty
    }
    given |= case.needs | ({case.saved: arrays[1]} if case.saved else {})
    given = {name: value for name, value in given.items() if name != "out"}
    result = call(arrays[0], **given)
    assert same_bits(result[0] if isinstance(result, tuple) else result, case(*arrays))


@pytest.mark.parametrize("case", BACKWARD, ids=str)
def test_the_docstring_of_backward_has_every_parameter(case):
    text = pydoc.getdoc(case.activation.backward)
    section = text.partition("Parameters\n")[2].partition("\nReturns\n")[0]
    entries = [line.split(" : ")[0].split(", ") for line in section.splitlines() if " : " in line]
    assert [name for names in entries for name in names] == list(_parameters(case.activation.backward))


def test_help_of_backward_begins_with_its_signature(row):
    backward = fa.get(row.name).backward
    text = pydoc.plain(pydoc.render_doc(backward))
    assert f"backward{inspect.signature(backward)}" in text


def test_backward_survives_pickle(row):
    backward = fa.get(row.name).backward
    assert pickle.loads(pickle.dumps(backward)) == backward


@pytest.mark.parametrize("name", fa.passes)
def test_a_pass_names_its_parameters_and_backward_takes_them_by_name(name):
    one = fa.passes[name]
    for method in ("__call__", *(public for public in dir(one) if callable(getattr(one, public)))):
        given = _parameters(getattr(one, method))
        assert not [p for p in given.values() if p.kind in ANY_NUMBER]
        by_name = inspect.Parameter.KEYWORD_ONLY
        assert "out" not in given or given["out"].kind is by_name or name == "logsumexp"
        if method == "backward":
            behind = [p for p in given.values() if p.kind is not by_name]
            assert all(parameter.name.startswith("d") for parameter in behind)
            for other, parameter in _parameters(one).items():
                if other in given and parameter.default is not inspect.Parameter.empty:
                    assert given[other].default == parameter.default, other
