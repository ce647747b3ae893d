"""The stub is what the catalog says today, and what the objects are."""

from __future__ import annotations

import ast
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import stubs

import fastact as fa
from fastact import catalog

PACKAGE = Path(fa.__file__).parent
TEXT = stubs.stub(catalog)
TREE = ast.parse(TEXT)
CLASSES = {node.name.removeprefix("_"): node for node in TREE.body if isinstance(node, ast.ClassDef)}


def test_the_installed_one_is_what_the_catalog_gives_today():
    """Built before a row was changed? ``python tools/stubs.py``, or build again."""
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "__init__.pyi").read_text(encoding="utf-8") == TEXT


def test_the_build_needs_nothing_built_to_make_it(tmp_path):
    """Nor NumPy: -S leaves out all that is installed."""
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "*.pyi", "__pycache__")
    copy = shutil.copytree(PACKAGE, tmp_path / "fastact", ignore=compiled)
    tools = str(Path(stubs.__file__).parent)
    code = f"import sys, pathlib; sys.path.insert(0, {tools!r}); import stubs\n"
    code += f"print(stubs.stub(stubs.catalog_of(pathlib.Path({str(copy)!r}))), end='')"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.stdout == TEXT, run.stderr


def _overloads(name: str, method: str) -> list[ast.arguments]:
    return [n.args for n in CLASSES[name].body if isinstance(n, ast.FunctionDef) and n.name == method]


def _defaults(arguments: ast.arguments) -> dict[str, object]:
    """The arguments of one overload but self, with their defaults, `empty` where there is none."""
    by_position = arguments.args[1:]
    missing: list[ast.expr | None] = [None] * (len(by_position) - len(arguments.defaults))
    pairs = [*zip(by_position, [*missing, *arguments.defaults], strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    empty = inspect.Parameter.empty
    return {a.arg: empty if default is None else ast.literal_eval(default) for a, default in pairs}


@pytest.mark.parametrize("method", ["__call__", "backward"])
def test_a_signature_is_that_of_the_object(row, method):
    """An overload needs one of what the object takes one of; for the rest it has the object's defaults.

    It may need `out` by name alone, or behind all that is taken by position.
    """
    call = fa.get(row.name).backward if method == "backward" else fa.get(row.name)
    of_object = inspect.signature(call).parameters
    assert _overloads(row.name, method)
    for arguments in _overloads(row.name, method):
        given = _defaults(arguments)
        assert list(given) == list(of_object)
        by_name = [name for name, p in of_object.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        out = given["out"] is inspect.Parameter.empty
        assert [a.arg for a in arguments.kwonlyargs if not (out and a.arg == "out")] == [
            name for name in by_name if not (out and name == "out")
        ]
        behind_all = out and "out" not in {a.arg for a in arguments.kwonlyargs}
        for name, default in given.items():
            chosen = default is inspect.Parameter.empty and of_object[name].default in (None, False)
            before_out = behind_all and name not in by_name
            assert chosen or before_out or default == of_object[name].default, name


def test_every_way_to_call_has_its_overload(row):
    """From all that was saved, with and without what makes a pair of the result."""
    needed = [
        {name for name, default in _defaults(arguments).items() if default is inspect.Parameter.empty}
        for arguments in _overloads(row.name, "backward")
    ]
    for saved in row.saves:
        assert any(saved in names and not set(row.saves) - {saved} & names for names in needed)
    for method, call in (("__call__", fa.get(row.name)), ("backward", fa.get(row.name).backward)):
        for name, parameter in inspect.signature(call).parameters.items():
            if parameter.default is False and (name.startswith("return_") or name.endswith("_grad")):
                switched = [_defaults(a)[name] for a in _overloads(row.name, method)]
                assert set(switched) == {False, inspect.Parameter.empty}


def test_what_can_be_bound_is_what_the_object_binds(row):
    (arguments,) = _overloads(row.name, "bind")
    names = [a.arg for a in arguments.kwonlyargs]
    allowed = {n: fa.get(row.name).parameters.get(n) for n in names}
    values = {name: row.numbers.get(name, row.needs.get(name, value)) for name, value in allowed.items()}
    fa.get(row.name).bind(**values)
    with pytest.raises(TypeError) as refused:
        fa.get(row.name).bind(steepness=3)
    assert all(repr(name) in str(refused.value) for name in names)


def test_its_names_are_those_of_the_package():
    (listed,) = (
        n.value for n in TREE.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    )
    assert sorted(ast.literal_eval(listed)) == sorted(fa.__all__)


def test_a_pass_has_its_class():
    imported = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in TREE.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    typed = {n.target.id: ast.unparse(n.annotation) for n in TREE.body if isinstance(n, ast.AnnAssign)}
    for name, one in fa.passes.items():
        assert imported[typed[name]] == f"core.{type(one).__module__.rpartition('.')[2]}.{type(one).__name__}"


def test_its_attributes_are_those_of_the_objects(row):
    source = ast.parse((PACKAGE / "core" / "bound.py").read_text())
    (base,) = (n for n in source.body if isinstance(n, ast.ClassDef) and n.name == "Activation")
    attributes = {ast.unparse(n.target) for n in base.body if isinstance(n, ast.AnnAssign)}
    methods = {n.name for n in CLASSES[row.name].body if isinstance(n, ast.FunctionDef)} - {"__call__"}
    assert sorted(attributes | methods) == dir(fa.get(row.name))
