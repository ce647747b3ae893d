"""What ``fastact show`` and ``fastact list --passes`` say of a pass around activations, from its row."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import fastact as fa

from ..catalog import Pass
from ..measure.passes.forms import measured_of

METHODS = ("backward", "with_gradient")
"""What a pass may be called as beside itself."""


def calls(row: Pass) -> dict[str, str]:
    """How it is called, by the name of the method, none for the pass itself."""
    known, name = fa.passes[row.name], f"fastact.{row.name}"
    found = {"": f"{name}{_signature(known)}"}
    for method in METHODS:
        if hasattr(known, method):
            found[method] = f"{name}.{method}{_signature(getattr(known, method))}"
    return found


def _signature(function: Any) -> inspect.Signature:
    """Names and defaults: of types the docstring says more than an annotation does."""
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    return signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)


def record(row: Pass) -> dict[str, Any]:
    """What is shown of it, as JSON has it."""
    return {
        "name": row.name,
        "kind": "pass",
        "calls": list(calls(row).values()),
        "formula": row.formula,
        "derivatives": dict(row.derivatives),
        "strengths": row.strengths,
        "weaknesses": row.weaknesses,
        "allowed": dict(zip(("forward", "backward"), row.allowed, strict=True)),
        "reference": row.reference,
        "torch": row.torch,
        "measured-as": measured_of(row),
        "differences": [
            {"library": c.library, "theirs": c.theirs, "differs": c.differs, "here": c.call}
            for c in row.conventions
            if c.differs
        ],
    }


def facts(row: Pass) -> Iterator[tuple[str, str]]:
    """The same in words, each with what it is."""
    for method, text in calls(row).items():
        yield method or "call", text
    yield "formula", row.formula
    for name, text in row.derivatives.items():
        yield f"gradient of {name}", text
    yield "strengths", row.strengths
    yield "weaknesses", row.weaknesses
    yield "kind", "pass"
    forward, backward = row.allowed
    yield "errors allowed", f"{forward:g} forward, {backward:g} backward, in ULP of the largest term"
    yield "reference", row.reference
    if row.torch:
        yield "torch", row.torch
    yield "measured as", ", ".join(measured_of(row))
