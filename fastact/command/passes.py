"""What ``fastact show`` and ``fastact list --passes`` say of a pass around activations, from its row."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import fastact as fa

from ..catalog import Pass
from ..measure.passes.forms import measured_of

CALLS = ("", "backward", "with_gradient")
"""What a pass is called as: itself, and its methods."""


def calls(row: Pass) -> dict[str, inspect.Signature]:
    """How it is called, each as it is written."""
    known = fa.passes[row.name]
    found = {f"fastact.{row.name}": inspect.signature(known)}
    for method in CALLS[1:]:
        if hasattr(known, method):
            found[f"fastact.{row.name}.{method}"] = inspect.signature(getattr(known, method))
    return found


def record(row: Pass) -> dict[str, Any]:
    """What is shown of it, as JSON has it."""
    return {
        "name": row.name,
        "kind": "pass",
        "calls": [f"{name}{signature}" for name, signature in calls(row).items()],
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
    for name, signature in calls(row).items():
        yield name.rpartition(".")[2] if name.count(".") > 1 else "call", f"{name}{signature}"
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
