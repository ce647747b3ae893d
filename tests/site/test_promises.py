"""The page of promises: its tests are there, its figures are the records', and no test is left out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from website import promises

TESTS = Path(__file__).parents[1]
SAID = [promise for section in promises.promises().values() for promise in section]
NAMED = sorted({test for promise in SAID for test in promise["tests"]})
OF_THE_CONTRACT = ("core", "shapes", "numbers", "passes", "compiled", "integrations")
OF_OUR_TOOLS = {"numbers/test_minimax.py"}
"""What holds no promise to a user, but how we fit polynomials."""


def functions(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("test", NAMED)
def test_a_test_that_is_named_is_there(test):
    file, _, name = test.partition("::")
    tests = {function for function in functions(file) if function.startswith("test_")}
    assert tests & {name} if name else tests


def test_every_test_of_the_contract_holds_a_promise():
    files = {str(path.relative_to(TESTS)) for f in OF_THE_CONTRACT for path in (TESTS / f).glob("test_*.py")}
    assert len(files) > 60
    assert files - {test.partition("::")[0] for test in NAMED} == OF_OUR_TOOLS


def test_each_promise_is_a_sentence_with_its_tests_on_the_page():
    text = "\n".join(promises.page())
    for promise in SAID:
        assert set(promise) <= {"says", "tests", "errors", "table"}
        assert promise["says"].endswith(".")
        part = text.partition(f"- **{promise['says']}**")[2].partition("\n- **")[0]
        assert part.count("  - `") == len({test.partition("::")[0] for test in promise["tests"]})
        assert all(test.partition("::")[0] in part for test in promise["tests"])
        assert bool(promise["tests"]) is not (promises.NOTHING in part)
        assert ("Last figure: " in part) is bool({"errors", "table"} & set(promise))
    assert text.count("- **") == len(SAID)


@pytest.mark.parametrize("promise", [p for p in SAID if "errors" in p], ids=lambda promise: promise["says"])
def test_an_error_is_the_largest_of_the_record(promise):
    """Looked for in the lines themselves."""
    asked = promise["errors"]
    kinds = {"elementwise": "silu", "rows": "softmax", "gated": "swiglu"}
    known = [kinds.get(name, name) for name in asked["of"] if name in kinds or "_" in name]
    for dtype in asked.get("dtypes", ("float32", "float64")):
        shown = [part for part in promises.figure(promise).split("; ") if part.startswith(f"{dtype} ")]
        assert shown
        most = max(float(part.split()[1]) for part in shown)
        lines = (TESTS.parent / "docs" / "accuracy.md").read_text().replace(r"\|", "").splitlines()
        cells = [[cell.strip() for cell in line.split("|")[1:]] for line in lines if f"| {dtype} |" in line]
        unit = asked.get("unit", "").replace("|", "")
        errors = [
            float(c[3])
            for c in cells
            if c[0] in known and c[1].startswith(asked.get("direction", "")) and c[4] == (unit or c[4])
        ]
        assert errors
        assert max(errors) <= most


def test_a_table_is_read_by_its_names():
    (promise,) = (promise for promise in SAID if "table" in promise)
    figure = promises.figure(promise)
    text = (TESTS.parent / "docs" / "threads.md").read_text()
    last = text.partition("<!-- busy -->")[2].partition("\n\n|")[2].partition("\n\n")[0].splitlines()[-1]
    assert all(cell in figure.split("; ")[-1] for cell in last.replace("|", " ").split())


def test_a_name_that_is_not_there_is_noticed():
    with pytest.raises(AssertionError):
        test_a_test_that_is_named_is_there("core/test_import.py::test_nothing")
    with pytest.raises(FileNotFoundError):
        test_a_test_that_is_named_is_there("core/test_nothing.py")
