"""What CONTRIBUTING.md says of a new shape of work: these places and no other know one shape from another."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastact as fa
from fastact import _dispatch, catalog
from fastact.core.described import KINDS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(fa.__file__).parent
SECTION = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a shape of work")[2].partition("\n## ")[0]
PLACES = re.findall(r"^\| `(.*?)` \|", SECTION, re.MULTILINE)
WHERE_INPUTS_ARE_DRAWN = PACKAGE / "measure" / "accuracy" / "errors.py"


def test_five_places_are_named_and_are_there():
    assert len(PLACES) == 5
    assert all(
        ((PACKAGE.parent if place.startswith("fastact") else ROOT) / place).exists() for place in PLACES
    )
    assert WHERE_INPUTS_ARE_DRAWN.relative_to(PACKAGE.parent).as_posix() in SECTION


@pytest.mark.parametrize("kind", catalog.SHAPES)
def test_every_shape_is_in_the_places_of_python(kind):
    assert kind in KINDS
    assert any(row.kind == kind for row in catalog.rows)


def test_every_reader_belongs_to_a_class_and_reads_calls():
    readers = [
        thing
        for thing in vars(_dispatch).values()
        if isinstance(thing, type) and issubclass(thing, _dispatch.Kernels)
    ]
    used = {base for kind in KINDS.values() for base in kind.__mro__ if base in readers}
    used |= {type(held) for made in (*fa.activations.values(), *fa.passes.values()) for held in _held(made)}
    leaves = {
        reader for reader in readers if not any(issubclass(r, reader) and r is not reader for r in readers)
    }
    assert leaves <= used
    text = "".join(path.read_text() for path in (ROOT / "src" / "runtime").glob("*.pxi"))
    assert all(f"cdef class {reader.__name__}" in text for reader in leaves)


def _held(made: object) -> Iterator[object]:
    """What an object holds, and what that holds."""
    for value in vars(made).values():
        yield value
        yield from vars(value).values() if type(value).__module__.startswith("fastact.core") else ()


def test_no_other_place_asks_for_a_kind_by_its_name():
    """Whoever compares `.kind`, or looks it up, would be one more place for the next shape to touch."""
    allowed = {PACKAGE / "catalog" / "row.py", PACKAGE / "__init__.py", WHERE_INPUTS_ARE_DRAWN}
    asking = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "kind" and path not in allowed:
                of = ast.unparse(node.value)
                if of.endswith("row"):
                    asking.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)}")
    assert asking == []
