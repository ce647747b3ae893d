"""The page of conventions: what other libraries call activations and passes, and where they differ."""

from __future__ import annotations

from pathlib import Path

import fastact as fa
from fastact.catalog import Convention, Pass, Row

LIBRARIES = {
    "torch": "torch.nn.functional",
    "jax": "jax.nn",
    "keras": "keras.activations (Keras 3)",
    "onnx": "ONNX operators",
    "tensorflow": "tf",
    "thinc": "thinc.api.Ops",
}

INTRODUCTION = """\
# Conventions

Names, parameters and defaults are those of torch.nn.functional, with `axis` for `dim`. Beside each
activation, and each pass around one, stands what other libraries call it; where something is not the same
there, the line says what, and how to call fastact to get theirs. The names are those in
{libraries}.

Everywhere, limits are the mathematical ones (`gelu(-inf)` is 0, where some libraries return NaN), NaN stays
NaN, and softmax and its relatives run along the last axis by default. The derivative at a kink is that of
torch, unless a line says otherwise.
"""


def conventions(row: Row | Pass) -> list[Convention]:
    """One entry per library that has the activation or pass: what the row says of it, or its text there."""
    said = {entry.library: entry for entry in row.conventions}
    for library in ("torch", "jax", "keras", "onnx"):
        text = getattr(row, library, "")
        if text and library not in said:
            said[library] = Convention(library, text)
    return [said[library] for library in LIBRARIES if library in said]


def section(row: Row | Pass) -> str:
    signature = getattr(fa, row.name).__signature__
    return f"## {row.name}\n\n`fastact.{row.name}{signature}`\n\n{table(row)}\n"


def table(row: Row | Pass) -> str:
    """What each library calls one activation or pass, and what is not the same there."""
    entries = conventions(row)
    if not entries:
        return "In none of them."
    lines = ["| library | call | differs | in fastact |", "| --- | --- | --- | --- |"]
    for entry in entries:
        call = f"`{entry.call}`" if entry.call else ""
        lines.append(f"| {entry.library} | `{entry.theirs}` | {entry.differs or 'no'} | {call} |")
    return "\n".join(lines)


def page() -> str:
    libraries = ", ".join(
        f"{where} ({name})" if name not in where else where for name, where in LIBRARIES.items()
    )
    sections = [section(each.row) for each in (*fa.activations.values(), *fa.passes.values())]
    return "\n".join([INTRODUCTION.format(libraries=libraries), *sections])


def write(docs: Path) -> None:
    """Write the page below `docs`."""
    (docs / "conventions.md").write_text(page(), encoding="utf-8")
