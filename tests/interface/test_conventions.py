"""The page of conventions is what the catalog says, and what the catalog says of others is so."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest
from website import conventions

import fastact as fa
from fastact import catalog

LIBRARIES = {"torch": "torch.nn.functional", "jax": "jax.nn", "keras": "keras.activations"}
WITH_CONVENTIONS = [(row, entry) for row in catalog.rows for entry in row.conventions]
OF_PASSES = [(row, entry) for row in catalog.passes for entry in row.conventions]


def _id(value) -> str:
    return getattr(value, "name", None) or getattr(value, "library", str(value))


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The page of the site: the text under each heading."""
    return dict(part.split("\n", 1) for part in conventions.page().split("\n## ")[1:])


def test_the_page_has_every_activation_and_pass_with_its_signature(sections):
    assert list(sections) == [*fa.activations, *fa.passes]
    for name, text in sections.items():
        assert f"`fastact.{name}{getattr(fa, name).__signature__}`" in text


def test_the_page_has_one_line_for_each_library_that_has_the_activation(sections):
    for row in (*catalog.rows, *catalog.passes):
        lines = [line for line in sections[row.name].splitlines() if line.startswith("| ")][2:]
        shown = [line.split(" | ")[0].removeprefix("| ") for line in lines]
        spelled = {library for library in (*LIBRARIES, "onnx") if getattr(row, library, "")}
        assert len(shown) == len(set(shown))
        assert set(shown) == spelled | {entry.library for entry in row.conventions}
        assert bool(lines) != ("In none of them." in sections[row.name])


def test_the_page_says_what_the_rows_say(sections):
    for row, entry in (*WITH_CONVENTIONS, *OF_PASSES):
        call = f"`{entry.call}`" if entry.call else ""
        line = f"| {entry.library} | `{entry.theirs}` | {entry.differs or 'no'} | {call} |"
        assert line in sections[row.name].splitlines()


@pytest.mark.parametrize(("row", "entry"), [*WITH_CONVENTIONS, *OF_PASSES], ids=_id)
def test_an_entry_names_a_library_and_what_to_call(row, entry):
    assert entry.library in {*LIBRARIES, "onnx", "tensorflow", "thinc"}
    assert entry.theirs.endswith(")")
    assert [e.library for e in row.conventions].count(entry.library) == 1
    assert entry.differs or not entry.call


def _functions(library: str):
    """Rows beside the library's function of the same meaning, where its text is a plain call of it."""
    for row in catalog.rows:
        text = getattr(row, library)
        call = ast.parse(text, mode="eval").body if text else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            yield row, call


def _default_of_ours(row, name: str):
    return fa.get(row.name).__signature__.parameters[name].default


@pytest.mark.parametrize("library", LIBRARIES)
def test_defaults_that_differ_are_said_to(library):
    """Each argument of a row's text stands for a parameter there; its default is ours, or a line says not."""
    if library == "keras":
        pytest.importorskip("jax")
    pytest.importorskip(library)
    functions = importlib.import_module(LIBRARIES[library])
    said = {row.name for row, entry in WITH_CONVENTIONS if entry.library == library and entry.differs}
    compared, silent = 0, []
    for row, call in _functions(library):
        try:
            theirs = list(inspect.signature(getattr(functions, call.func.id)).parameters.values())
        except (AttributeError, ValueError):
            continue  # torch writes some of its functions in C, without a signature
        for parameter, argument in zip(theirs[1:], call.args[1:], strict=False):
            if isinstance(argument, ast.Name) and argument.id in fa.get(row.name).__signature__.parameters:
                compared += 1
                if parameter.default != _default_of_ours(row, argument.id) and row.name not in said:
                    silent.append(f"{row.name}: {parameter} there, {_default_of_ours(row, argument.id)} here")
    assert compared
    assert not silent


def test_onnx_defaults_that_differ_are_said_to():
    defs = pytest.importorskip("onnx.defs")
    said = {row.name for row, entry in WITH_CONVENTIONS if entry.library == "onnx" and entry.differs}
    silent = []
    for row, call in _functions("onnx"):
        attributes = defs.get_schema(call.func.id).attributes
        for keyword in call.keywords:
            default = attributes[keyword.arg].default_value
            value = default.f or default.i or default.s.decode()
            if isinstance(keyword.value, ast.Name):
                ours = _default_of_ours(row, keyword.value.id)
                same = value == (pytest.approx(ours, rel=1e-6) if isinstance(ours, float) else ours)
                if not same and row.name not in said:
                    silent.append(f"{row.name}: {keyword.arg}={value} there, {ours} here")
    assert not silent


@pytest.mark.parametrize(("row", "entry"), [(r, e) for r, e in OF_PASSES if e.call], ids=_id)
def test_what_to_call_for_the_pass_of_another_library_is_a_call_of_ours(row, entry):
    calls = [node for node in ast.walk(ast.parse(entry.call)) if isinstance(node, ast.Call)]
    (call, *_) = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == row.name]
    given = [ast.Name("given")] * len(call.args), {keyword.arg: None for keyword in call.keywords}
    fa.passes[row.name].__signature__.bind(*given[0], **given[1])


@pytest.mark.parametrize("row", [row for row in catalog.passes if row.torch], ids=_id)
def test_torchs_text_of_a_pass_is_a_call_of_its_function(row):
    functional = pytest.importorskip("torch.nn.functional")
    call = ast.parse(row.torch, mode="eval").body
    assert isinstance(call, ast.Call)
    assert callable(
        getattr(functional, ast.unparse(call.func), None) or getattr(functional.torch, ast.unparse(call.func))
    )
