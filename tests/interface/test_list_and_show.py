"""``fastact list`` and ``fastact show``: what the catalog says of activations, as tables and as JSON."""

from __future__ import annotations

import json

import pytest
from terminal import run_in_terminal

import fastact as fa
from fastact import catalog
from fastact.command import main as cli
from fastact.command.properties import PROPERTIES, text


def printed(capsys, *words: str) -> str:
    assert cli.main(words) == 0
    return capsys.readouterr().out


def listed(capsys, *words: str) -> list[str]:
    """The names of a table that is no terminal's."""
    heading, *lines = printed(capsys, "list", *words).splitlines()
    assert heading.split()[0] == "name"
    return [line.split()[0] for line in lines]


def test_all_are_listed_in_the_order_of_the_catalog(capsys):
    assert listed(capsys) == list(fa.activations)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--saturates", "no", "--saves", "y"], lambda row: not row.saturates and "y" in row.saves),
        (["--monotonic", "no"], lambda row: not row.monotonic),
        (["--zero-centered", "yes"], lambda row: row.zero_centered),
        (["--kind", "rows"], lambda row: row.shape is catalog.SHAPES["rows"]),
        (["--range", "[0, inf)"], lambda row: row.range == "[0, inf)"),
        (["--parameters", "alpha"], lambda row: "alpha" in row.numbers),
        (["--parameters", "none"], lambda row: not row.parameters),
        (["--reference", "hinton"], lambda row: "hinton" in row.reference.lower()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_properties_choose(capsys, options, chosen):
    expected = [row.name for row in catalog.rows if chosen(row)]
    assert listed(capsys, *options) == expected
    assert expected


def test_names_are_sorted_either_way(capsys):
    assert listed(capsys, "--sort", "name") == sorted(fa.activations)
    assert listed(capsys, "--sort", "name", "--reverse") == sorted(fa.activations, reverse=True)
    falling = [name for name in fa.activations if not fa.activations[name].monotonic]
    assert listed(capsys, "--sort", "monotonic")[: len(falling)] == falling


def test_a_list_as_json_has_every_property(capsys):
    found = json.loads(printed(capsys, "list", "--json"))
    assert [row["name"] for row in found] == list(fa.activations)
    for row, record in zip(catalog.rows, found, strict=True):
        assert list(record) == [known.name for known in PROPERTIES]
        assert record["monotonic"] is row.monotonic
        assert record["saves"] == list(row.saves)


def test_nothing_has_it(capsys):
    assert printed(capsys, "list", "--kind", "rows", "--saturates", "yes", "--parameters", "alpha") == ""
    assert json.loads(printed(capsys, "list", "--kind", "rows", "--parameters", "alpha", "--json")) == []


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_list_fits_terminals(columns):
    ended = run_in_terminal(columns, "list", "--saturates", "yes")
    assert ended.status == 0
    assert "hardsigmoid" in ended.out
    assert "zero-centered" not in ended.out
    assert "…" not in ended.out
    if columns >= 60:
        assert max(map(len, ended.out.splitlines())) <= columns


@pytest.mark.parametrize("name", fa.activations)
def test_everything_is_shown(capsys, name):
    row = fa.activations[name].row
    shown = printed(capsys, "show", name)
    lines = shown.splitlines()
    assert lines[0] == name
    for fact in (row.formula, row.range, row.reference, *row.derivatives.values()):
        assert any(line.endswith(fact) for line in lines)
    for parameter in row.parameters:
        assert parameter.meaning in shown
        assert parameter.constraint in shown
    for convention in row.conventions:
        assert not convention.differs or convention.differs in shown
    for word in (*row.saves, "backward needs", f"fastact.{name}(x"):
        assert word in shown


def test_what_others_call_it_is_shown_with_what_is_bound(capsys):
    assert printed(capsys, "show", "SiLU").splitlines()[0] == "silu"
    shown = printed(capsys, "show", "keras:leaky_relu")
    assert "negative_slope=0.2" in shown.splitlines()[0]
    assert "LeakyReLU" in shown


def test_several_are_shown_one_after_the_other(capsys):
    shown = printed(capsys, "show", "relu", "gelu")
    assert shown.startswith("relu\n")
    assert "\n\ngelu\n" in shown


def test_a_row_as_json(capsys):
    found = json.loads(printed(capsys, "show", "elu", "--json"))
    assert found["formula"] == fa.elu.formula
    assert found["derivatives"] == fa.elu.row.derivatives
    assert found["parameters"][0]["default"] == "1"
    assert "ELU" in found["spellings"]["torch"]
    assert [row["name"] for row in json.loads(printed(capsys, "show", "relu", "gelu", "--json"))] == [
        "relu",
        "gelu",
    ]


def test_its_errors_and_speed_are_measured_where_that_is_asked_for(capsys):
    shown = printed(capsys, "show", "relu", "--measure", "--size", "16")
    assert "backward from y" in shown
    assert "ns/element" in shown
    found = json.loads(printed(capsys, "show", "relu", "--measure", "--size", "16", "--json"))
    assert all(m["error"] <= m["limit"] and m["count"] > 1000 for m in found["errors"])
    assert {m["size"] for m in found["speeds"]} == {16}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "silou"], ["'silou'", "did you mean silu", "fastact list"]),
        (["show", "keras:silou"], ["silou", "did you mean silu"]),
        (["show", "paddle:relu"], ["torch", "keras"]),
        (["show"], ["NAME"]),
        (["list", "--saves", "z"], ["--saves", "'z'", "'x', 'y'"]),
        (["list", "--saturates", "maybe"], ["--saturates", "'yes', 'no'"]),
        (["list", "--sort", "speed"], ["--sort", "name", "kind"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_mistakes_are_one_line(capsys, words, said):
    try:
        status = cli.main(words)
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert len(err) < 300
    for word in said:
        assert word in err.replace("choose from x, y", "choose from 'x', 'y'")


def test_values_are_texts():
    assert [text(value) for value in (True, False, None, 0.5, ("x", "y"), "word")] == [
        "yes",
        "no",
        "",
        "0.5",
        "x, y",
        "word",
    ]
