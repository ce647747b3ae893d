"""A row of the catalog is an activation: complete, callable, documented."""

from __future__ import annotations

import ast
import copy
import doctest
import importlib
import inspect
import pickle
import pydoc
import re
from collections.abc import Callable
from dataclasses import fields, replace
from operator import attrgetter
from pathlib import Path

import mpmath_reference as reference
import numpy as np
import pytest
from cases import Case

import fastact as fa
from fastact import _dispatch, catalog

ROOT = Path(__file__).parents[2]
NAME = attrgetter("name")
SECTIONS = ("Parameters", "Returns", "References", "Examples")


def _names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}


def test_the_eleven_activations_are_there():
    eleven = [
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "prelu",
        "rrelu",
        "elu",
        "maxout",
        "softmax",
        "silu",
        "swish",
    ]
    assert set(eleven) <= set(fa.activations)


def test_names_are_unique_and_all_of_them_are_objects():
    names = [row.name for row in catalog.rows]
    assert len(set(names)) == len(names)
    assert list(fa.activations) == names


def test_a_row_is_complete(row):
    assert row.name.isidentifier()
    assert row.kind in catalog.SHAPES
    for text in (row.formula, row.range, row.strengths, row.weaknesses, row.reference):
        assert text.strip()
    assert row.derivatives
    assert set(row.derivatives) <= {"x", "y"}
    assert row.saves == tuple(row.derivatives)
    assert all(type(flag) is bool for flag in (row.monotonic, row.saturates, row.zero_centered))
    for parameter in row.parameters:
        assert parameter.name.isidentifier()
        assert parameter.meaning.strip()
        assert parameter.default is not catalog.REQUIRED or parameter.example is not None, parameter.name


def test_what_is_said_of_a_kind_holds(row):
    """Its arguments are those of the signature, and the result is as much smaller than x as it says."""
    given = inspect.signature(fa.get(row.name)).parameters
    needed = {name for name, parameter in given.items() if parameter.default is inspect.Parameter.empty}
    assert row.shape.along_axis == ("axis" in given)
    assert needed == {"x", *row.needs}
    assert set(row.shape.may_have) <= set(given) - needed
    assert fa.get(row.name)(np.ones((4, 8)), **row.needs).size * row.shape.inputs == 32


DECLARED = {
    name: struct
    for struct, name in re.findall(
        r'elementwise<(\w+)(?:, \d)?>\("(\w+)"', (ROOT / "src" / "declarations.hpp").read_text()
    )
}
FORMULAS = "".join(path.read_text() for path in sorted((ROOT / "src" / "formulas").glob("*.hpp")))
STRUCTS = re.findall(r"template <class T> struct (\w+)", FORMULAS)


@pytest.mark.parametrize("row", catalog.passes, ids=NAME)
def test_a_pass_is_complete(row):
    one = fa.passes[row.name]
    assert one.row is row
    for text in (row.formula, row.strengths, row.weaknesses, row.reference, *row.derivatives.values()):
        assert text.strip()
    assert row.derivatives
    assert all(0 < allowed <= 4 for allowed in row.allowed), "more than the contract allows"
    for text in (row.strengths, row.weaknesses):
        assert all(one[0].isupper() or one[0] == "l" for one in _sentences(text)), text
        assert text.endswith(".")
        assert len(_sentences(text)) <= 3
        assert not re.search(r"\s\s|- ", text), "joined wrongly"


def test_names_of_passes_are_none_of_activations_and_all_of_them_are_objects():
    names = [row.name for row in catalog.passes]
    assert len({*names, *fa.activations}) == len(names) + len(fa.activations)
    assert list(fa.passes) == names


@pytest.mark.parametrize("row", catalog.passes, ids=NAME)
def test_a_pass_is_the_same_in_another_process(row):
    assert pickle.loads(pickle.dumps(row)) == row


def _lacks(row: catalog.Row) -> list[str]:
    """What an elementwise activation needs and this one has not, in the order of CONTRIBUTING.md."""
    struct = DECLARED.get(row.name)
    if struct is None:
        return [f'src/declarations.hpp: a line elementwise<…>("{row.name}")']
    lacking = [] if struct in STRUCTS else [f"src/formulas/<family>.hpp: struct {struct}"]
    kernels = _dispatch.Kernels(row.name)._kernel_saves
    if _dispatch.Kernels(row.name)._kernel_parameters != len(row.numbers):
        lacking.append(f"src/declarations.hpp: {len(row.numbers)} parameters of {struct}")
    lacking += [f"{struct}: backward_{saved}" for saved in row.saves if not kernels[saved]]
    lacking += [
        f"row: derivative from {saved}" for saved in "xy" if kernels[saved] and saved not in row.saves
    ]
    needed = ("formula", "range", "strengths", "weaknesses", "reference")
    texts = {field: getattr(row, field) for field in needed}
    lacking += [f"row: {field}" for field, text in texts.items() if not text.strip()]
    for parameter in row.parameters:
        if parameter.default is catalog.REQUIRED and parameter.example is None:
            lacking.append(f"row: an example for {parameter.name}, which has no default")
        if not parameter.meaning.strip():
            lacking.append(f"row: the meaning of {parameter.name}")
    return lacking


@pytest.mark.parametrize("row", [row for row in catalog.rows if row.kind == "elementwise"], ids=NAME)
def test_a_row_lacks_none_of_its_parts(row):
    assert not _lacks(row)


def test_every_declaration_has_its_row():
    assert set(DECLARED) == {row.name for row in catalog.rows if row.kind in ("elementwise", "random")}


def test_what_a_row_lacks_is_named():
    row, parameter = fa.threshold.row, catalog.Parameter("level", catalog.REQUIRED, "")
    lacking = {
        "declarations.hpp": replace(row, name="treshold"),
        "1 parameters": replace(row, parameters=(parameter,)),
        "backward_y": replace(row, derivatives={"x": "1", "y": "1"}),
        "derivative from x": replace(row, derivatives={}),
        "formula": replace(row, formula=""),
        "strengths": replace(row, strengths=""),
        "an example for level": replace(row, parameters=(parameter,)),
        "the meaning of level": replace(row, parameters=(parameter,)),
    }
    for word, incomplete in lacking.items():
        assert any(word in part for part in _lacks(incomplete)), word


# What an activation is for and where it fails: nothing that its row does not bear out.

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=\.) ", text)


def _made_up(row: catalog.Row) -> list[str]:
    """Numbers of the texts that are none of the row's, nor one of them rounded to three digits or more."""
    held = [row.formula, *row.derivatives.values(), row.range, *row.properties.facts().values()]
    held += [parameter.constraint for parameter in row.parameters]
    held += [f"{value:g}" for value in (*row.numbers.values(), *row.shape.needs.values())]
    held += [f"{claim.said} {claim.why}" for claim in row.claims]
    known = [float(number) for number in NUMBER.findall(" ".join(held))]
    return [
        number
        for number in NUMBER.findall(f"{row.strengths} {row.weaknesses}")
        if float(number) not in known and not _rounds_one_of(known, number)
    ]


def _rounds_one_of(known: list[float], number: str) -> bool:
    unit = 10.0 ** -len(number.partition(".")[2])
    near = any(abs(exact - float(number)) <= unit / 2 * (1 + 1e-9) for exact in known)
    return near and len(number.replace(".", "").lstrip("-0")) >= 3


def _computes(*functions: str) -> Callable[[catalog.Row], bool]:
    return lambda row: any(
        _names_in(text) & set(functions) for text in (row.formula, *row.derivatives.values())
    )


_exponential = _computes("exp", "expm1", "tanh", "sigmoid", "x_minus_tanh")
_transcendental = _computes("exp", "expm1", "tanh", "sigmoid", "x_minus_tanh", "erf", "erfc", "log", "log1p")
BORNE_OUT = {
    r"(?<!not )zero-centred": lambda row: row.zero_centered,
    r"not zero-centred": lambda row: not row.zero_centered,
    r"not monotonic": lambda row: not row.monotonic,
    r"\b(is|and) smooth": lambda row: row.properties.smoothness == "Cinf",
    r"\bconvex": lambda row: row.properties.convex,
    r"\bbounded": lambda row: row.saturates,
    r"\bno kink": lambda row: row.properties.differentiable,
    r"\b(a kink|kinks)": lambda row: 1 in row.properties.breaks,
    r"It jumps": lambda row: row.properties.smoothness == "jumps",
    r"grows? without bound": lambda row: row.properties.lipschitz == np.inf,
    r"positive everywhere": lambda row: row.properties.sign == "positive",
    r"cannot die": lambda row: row.properties.slope[0] > 0,
    r"can die|stays dead": lambda row: "hard" in (row.properties.left, row.properties.right),
    r"Backward needs the output alone": lambda row: "y" in row.saves,
    r"[Bb]ackward needs the input": lambda row: "y" not in row.saves,
    r"no exponential": lambda row: not _transcendental(row),
    r"an exponential": _exponential,
    r"an error function and": _computes("erfc"),
    r"a logarithm": _computes("log", "log1p"),
    r"a square root": _computes("sqrt"),
    r"outputs are (never negative|positive)": lambda row: row.range[1] == "0",
    r"outputs are negative": lambda row: row.range.endswith("0)"),
}
"""What is said in these words is said only of rows that it holds for."""


def _unfounded(row: catalog.Row) -> list[str]:
    text = f"{row.strengths} {row.weaknesses}"
    return [words for words, holds in BORNE_OUT.items() if re.search(words, text) and not holds(row)]


NEGATIONS = {"not", "no", "nor", "neither", "never", "none", "nowhere", "cannot"}
SMALL = {"it", "is", "its", "a", "an", "the", "and", "so", "as", "that", "of", "does", "has", "at"}


def _repeated(row: catalog.Row) -> list[str]:
    """Claims that are made here too: word for word, or all their words without a negation of them."""
    texts = [_words(one) for text in (row.strengths, row.weaknesses) for one in _sentences(text)]
    return [claim.said for claim in row.claims if any(_repeats(words, _words(claim.said)) for words in texts)]


def _repeats(words: list[str], said: list[str]) -> bool:
    verbatim = f" {' '.join(said)} " in f" {' '.join(words)} "
    negated_alike = bool(NEGATIONS & set(said)) == bool(NEGATIONS & set(words))
    # A name alone is no claim: what is compared with gelu has its name.
    telling = set(said) - SMALL - set(fa.activations)
    return verbatim or bool(telling and telling <= set(words) and negated_alike)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower())


def test_strengths_and_weaknesses_are_a_few_sentences(row):
    for text in (row.strengths, row.weaknesses):
        assert all(one[0].isupper() and one.endswith(".") for one in _sentences(text)), text
        assert len(_sentences(text)) <= 3
        assert len(text) < 300
        assert not re.search(r"\s\s|- ", text), "joined wrongly"


def test_strengths_and_weaknesses_are_borne_out_by_the_row(row):
    assert (_made_up(row), _unfounded(row), _repeated(row)) == ([], [], [])


def test_all_words_that_rows_are_held_to_are_used():
    texts = " ".join(f"{row.strengths} {row.weaknesses}" for row in catalog.rows)
    assert [words for words in BORNE_OUT if not re.search(words, texts)] == []


@pytest.mark.parametrize(
    ("name", "text", "noticed_by"),
    [
        ("sigmoid", "Its derivative is at most 0.3.", _made_up),
        ("sigmoid", "Its derivative is at most 0.250001.", _made_up),
        ("relu", "Its mean output is 0.398.", _made_up),
        ("relu", "Its mean output is 0.4.", _made_up),
        ("silu", "It falls below -1.27.", _made_up),
        ("silu", "It falls below 1.28.", _made_up),
        ("elu", "It is zero-centred.", _repeated),
        ("elu", "Its outputs are zero-centred and it is smooth.", _repeated),
        ("gelu", "It is bounded below and monotonic.", _repeated),
        ("gelu_tanh", "In practice it is gelu.", _repeated),
        ("relu", "It does not saturate.", _repeated),
        ("silu", "Unlike that of mish, its derivative is positive everywhere.", _repeated),
        ("elu", "It is smooth.", _unfounded),
        ("relu", "Backward needs the input.", _unfounded),
        ("softplus", "It needs no exponential.", _unfounded),
        ("gelu", "A unit can die.", _unfounded),
    ],
)
def test_a_wrong_number_or_a_false_claim_is_noticed(name, text, noticed_by):
    row = fa.get(name).row
    assert noticed_by(replace(row, strengths=text))
    assert noticed_by(replace(row, weaknesses=f"{row.weaknesses} {text}"))


def test_a_row_is_the_same_in_another_process(row):
    """`fastact bench --peers` sends it there."""
    sent = pickle.loads(pickle.dumps(row))
    assert sent == row
    assert sent.required == row.required


def test_contributing_walks_through_what_is_there():
    """Its example is in the sources, word for word, and its table has every field of a row."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition("## Add an activation")[2].partition("\n## ")[0]
    families = Path(catalog.__file__).parent.glob("*.py")
    sources = {
        "src/formulas": FORMULAS,
        "src/declarations.hpp": (ROOT / "src" / "declarations.hpp").read_text(),
        "fastact/catalog": "\n".join(path.read_text() for path in families),
    }
    examples = re.findall(r"```(?:cpp|python)\n(.*?)```", section, re.DOTALL)
    for (name, source), example in zip(sources.items(), examples, strict=True):
        assert example in source, name
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert {field.name for field in fields(catalog.Row)} <= named


def test_a_formula_uses_the_vocabulary_only(row):
    own = {parameter.name for parameter in row.parameters} | set(row.shape.names)
    assert _names_in(row.formula) <= {"x", *own, *catalog.VOCABULARY}
    for saved, text in row.derivatives.items():
        assert _names_in(text) <= {saved, *own, *catalog.VOCABULARY}
    names = {"inf", *row.numbers}
    for text in [row.output_determines, *(parameter.constraint for parameter in row.parameters)]:
        assert not text or _names_in(text) <= names


def test_the_references_know_the_whole_vocabulary():
    assert set(catalog.VOCABULARY) == set(reference.VOCABULARY)


def test_defaults_meet_their_constraints(row):
    defaults = {"inf": np.inf, **row.numbers}
    texts = [parameter.constraint for parameter in row.parameters] + [row.output_determines]
    assert all(eval(text, {}, defaults) for text in texts if text)


def test_the_objects_attributes_are_the_rows(row):
    activation = fa.activations[row.name]
    assert activation is getattr(fa, row.name) is fa.get(row.name)
    assert activation.name == row.name
    attributes = ["formula", "range", "properties", "monotonic", "saturates", "zero_centered", "reference"]
    for attribute in [*attributes, "saves"]:
        assert getattr(activation, attribute) == getattr(row, attribute), attribute
    for parameter in row.parameters:
        default = None if parameter.default is catalog.REQUIRED else parameter.default
        assert activation.parameters[parameter.name] == default
    assert row.name in fa.__all__
    assert row.name in dir(fa)


def test_a_row_computes_forward_and_backward_from_all_it_saves(row, dtype):
    for saved in ("", *row.saves):
        case = Case(row, saved)
        arrays = case.draw((6, 8), dtype)
        assert np.isfinite(case(*arrays)).all()


@pytest.mark.parametrize(
    "row", [row for row in catalog.rows if row.parameters and row.shape.by_element], ids=NAME
)
def test_parameters_by_position_or_by_name_or_left_out(row, dtype):
    x = np.linspace(-3, 3, 40).astype(dtype)
    activation = fa.get(row.name)
    expected = activation(x, **row.required)
    np.testing.assert_array_equal(activation(x, *row.numbers.values()), expected)
    np.testing.assert_array_equal(activation(x, **row.numbers), expected)
    np.testing.assert_array_equal(
        activation.backward(x, x=x, **row.numbers), activation.backward(x, x=x, **row.required)
    )


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_docstrings_read_like_numpys(row, part):
    activation = fa.get(row.name)
    text = pydoc.getdoc(activation if part == "forward" else activation.backward)
    sections = SECTIONS if part == "forward" else ("Parameters", "Returns")
    positions = [text.find(f"\n{title}\n{'-' * len(title)}\n") for title in sections]
    assert -1 not in positions, text
    assert positions == sorted(positions), text
    assert "out" in text
    if part == "forward":
        assert row.formula in text
        assert row.reference.split(",")[0] in text
        _, strengths, weaknesses = re.split("\n\nStrengths: |\n\nWeaknesses: |\n\nProperties", text)[:3]
        assert strengths.replace("\n", " ") == row.strengths
        assert weaknesses.replace("\n", " ") == row.weaknesses
        assert max(map(len, f"{strengths}\n{weaknesses}".splitlines())) <= 100
        for parameter in row.parameters:
            assert f"\n{parameter.name} : " in text
            assert parameter.meaning.lower() in text.lower()


def test_help_shows_the_activations_docstring(row):
    text = pydoc.plain(pydoc.render_doc(fa.get(row.name)))
    assert "Parameters\n" in text
    assert row.name in text
    assert row.formula in text


def test_repr_names_the_activation(row):
    assert row.name in repr(fa.get(row.name))


def test_an_activation_survives_pickle_and_copy_as_itself(row):
    activation = fa.get(row.name)
    assert pickle.loads(pickle.dumps(activation)) is activation
    assert copy.deepcopy(activation) is activation


def _module_names() -> list[str]:
    """Without importing any: those of other libraries import these."""
    folder = Path(fa.__file__).parent
    parts = (path.relative_to(folder).with_suffix("").parts for path in sorted(folder.rglob("*.py")))
    names = {".".join(["fastact", *(p for p in names if p != "__init__")]) for names in parts}
    return sorted(name for name in names if "__main__" not in name and "__pyinstaller" not in name)


OF_LIBRARIES = [
    name for name in _module_names() if name.startswith(("fastact.integrations.", "fastact.torch"))
]


@pytest.mark.parametrize("name", OF_LIBRARIES)
def test_examples_of_what_needs_a_library_run(name, fresh_python):
    code = f"""if True:
        import doctest, importlib
        try:
            module = importlib.import_module({name!r})
        except ModuleNotFoundError as error:
            if error.name.startswith("fastact"):
                raise
            print("without", error.name)
        else:
            print(doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed, "failed")"""
    run = fresh_python(code, KERAS_BACKEND="numpy")
    if run.stdout.startswith("without"):
        pytest.skip(run.stdout.strip())
    assert run.stdout.split("\n")[-2] == "0 failed", run.stdout + run.stderr


def test_the_packages_examples_run():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    modules = [importlib.import_module(name) for name in _module_names() if name not in OF_LIBRARIES]
    for module in modules:
        for test in finder.find(module):
            runner.run(test)
    for name, activation in fa.activations.items():
        for text in (pydoc.getdoc(activation), pydoc.getdoc(activation.backward)):
            runner.run(doctest.DocTestParser().get_doctest(text, {}, name, None, 0))
    results = runner.summarize(verbose=False)
    assert results.attempted > len(fa.activations)
    assert results.failed == 0
