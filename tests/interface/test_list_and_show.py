"""``fastact list`` and ``fastact show``: what the catalog says of activations, as tables and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from math import inf

import pytest
from terminal import mistake, run_in_terminal

import fastact as fa
from fastact import catalog
from fastact.catalog import Properties
from fastact.command import main as cli
from fastact.command import show
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
        (["--smoothness", "C1"], lambda row: row.properties.smoothness == "C1"),
        (["--differentiable", "no"], lambda row: not row.properties.differentiable),
        (["--nonlinear", "no"], lambda row: row.name == "identity"),
        (["--convex", "yes"], lambda row: row.properties.convex),
        (["--concave", "yes"], lambda row: row.properties.concave),
        (["--sign", "not-negative"], lambda row: row.properties.sign == "not negative"),
        (["--lipschitz", "1"], lambda row: row.properties.lipschitz == 1),
        (["--lipschitz", "inf"], lambda row: row.properties.lipschitz == inf),
        (["--lipschitz", "1.0"], lambda row: row.properties.lipschitz == 1),
        (["--least-slope", "-0.5"], lambda row: row.properties.slope[0] == -0.5),
        (["--largest-slope", "0.25"], lambda row: row.properties.slope[1] == 0.25),
        (["--saturates-left", "hard"], lambda row: row.properties.left == "hard"),
        (["--saturates-right", "no"], lambda row: row.properties.right == ""),
        (["--mean", "0.5"], lambda row: row.properties.mean == 0.5),
        (["--fixed-points", "none"], lambda row: row.properties.fixed_points == ""),
        (
            ["--convex", "yes", "--smoothness", "Cinf"],
            lambda row: row.properties.convex and not row.properties.breaks,
        ),
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


def test_numbers_and_words_are_sorted_by_what_they_mean(capsys):
    constants = [fa.get(name).properties.lipschitz for name in listed(capsys, "--sort", "lipschitz")]
    assert constants == sorted(constants)
    classes = [fa.get(name).properties.smoothness for name in listed(capsys, "--sort", "smoothness")]
    assert list(dict.fromkeys(classes)) == ["jumps", "C0", "C1", "Cinf"]


@pytest.mark.parametrize("reverse", [[], ["--reverse"]])
def test_what_has_no_value_comes_last_either_way(capsys, reverse):
    means = [fa.get(name).properties.mean for name in listed(capsys, "--sort", "mean", *reverse)]
    without = sum(activation.properties.mean is None for activation in fa.activations.values())
    assert means[-without:] == [None] * without
    assert means[:-without] == sorted(means[:-without], reverse=bool(reverse))


def test_a_list_as_json_has_every_property(capsys):
    found = json.loads(printed(capsys, "list", "--json"))
    assert [row["name"] for row in found] == list(fa.activations)
    for row, record in zip(catalog.rows, found, strict=True):
        assert list(record) == [known.name for known in PROPERTIES]
        assert record["monotonic"] is row.monotonic
        assert record["saves"] == list(row.saves)
        assert record["mean"] == row.properties.mean
        assert float(record["lipschitz"]) == row.properties.lipschitz


def test_every_fact_is_a_property_that_can_be_asked_for():
    """What `Properties` says of an activation and the list does not know would be found by nobody."""
    followed_up = {"slope", "slope_at", "turns", "breaks", "curvature", "left", "right", "spectral"}
    said = {field.name for field in fields(Properties)} - followed_up
    said |= {name for name, value in vars(Properties).items() if isinstance(value, property)}
    known = {one.name.replace("-", "_") for one in PROPERTIES}
    assert said - known == {"not_differentiable_at"}
    assert {"saturates_left", "saturates_right", "least_slope", "largest_slope"} <= known


def test_nothing_has_it(capsys):
    assert printed(capsys, "list", "--kind", "rows", "--saturates", "yes", "--parameters", "alpha") == ""
    assert json.loads(printed(capsys, "list", "--kind", "rows", "--parameters", "alpha", "--json")) == []


@pytest.mark.parametrize("words", [(), ("--saturates", "yes"), ("--smoothness", "C1", "--sort", "lipschitz")])
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_list_fits_terminals(columns, words):
    ended = run_in_terminal(columns, "list", *words)
    assert ended.status == 0
    assert "softsign" in ended.out
    assert "zero-centered" not in ended.out
    assert "…" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= columns
    assert columns < 60 or "lipschitz" in ended.out.splitlines()[0]


@pytest.mark.parametrize("columns", [40, 60])
@pytest.mark.parametrize("name", ["lipschitz", "mean", "fixed-points", "sign", "concave"])
def test_what_a_list_is_sorted_by_is_seen(columns, name):
    heading, first, *_ = run_in_terminal(
        columns, "list", "--saturates", "yes", "--sort", name
    ).out.splitlines()
    assert name in heading.split()
    assert max(len(heading), len(first)) <= columns


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
    for word in (*row.saves, "backward needs", f"fastact.{name}(x", row.strengths, row.weaknesses):
        assert word in shown


@pytest.mark.parametrize("name", fa.activations)
def test_its_facts_are_shown_once(capsys, name):
    row = fa.activations[name].row
    lines = printed(capsys, "show", name).splitlines()
    start = lines.index(f"properties at {row.held_at}" if row.held_at else "properties") + 1
    facts = row.properties.facts()
    shown = [re.split("  +", line, maxsplit=1) for line in lines[start : start + len(facts)]]
    assert shown == [[label, fact] for label, fact in facts.items()]
    labels = [re.split("  +", line)[0] for line in lines[:start]]
    assert not {label.lower() for label in labels} & {label.lower() for label in facts}
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", fa.activations)
def test_what_is_said_and_not_so_is_shown_as_that(capsys, name):
    shown, claims = printed(capsys, "show", name), fa.activations[name].row.claims
    assert ("said, and not so" in shown) == bool(claims)
    for claim in claims:
        assert re.search(f"^{re.escape(claim.said)} +{re.escape(claim.why)}$", shown, re.MULTILINE)


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", ["elu", "softmax", "hardswish", "rrelu"])
def test_what_is_shown_fits_terminals(columns, name):
    ended = run_in_terminal(columns, "show", name)
    properties = ended.out[ended.out.index("strengths") : ended.out.index("properties")]
    assert max(map(len, properties.splitlines())) <= columns
    assert "…" not in ended.out


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
    assert (found["smoothness"], found["breaks"], found["held-at"]) == ("C1", {"2": [0]}, "alpha=1")
    assert (found["least-slope"], found["slopes-at"]) == (0, ["-inf", "[0, inf)"])
    assert found["claims"][0] == {"said": "It is zero-centred.", "why-not": fa.elu.row.claims[0].why}
    assert (found["strengths"], found["weaknesses"]) == (fa.elu.row.strengths, fa.elu.row.weaknesses)
    assert [row["name"] for row in json.loads(printed(capsys, "show", "relu", "gelu", "--json"))] == [
        "relu",
        "gelu",
    ]


@pytest.mark.parametrize("name", fa.activations)
def test_json_has_infinite_numbers_as_texts(capsys, name):
    """JSON knows none; what a strict parser would refuse is a constant of Python's."""
    found = json.loads(printed(capsys, "show", name, "--json"), parse_constant=pytest.fail)
    for key, value in zip(("least-slope", "largest-slope"), fa.get(name).properties.slope, strict=True):
        assert float(found[key]) == value


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
        (["list", "--sort", "speed"], ["--sort", "'speed'", "'fastact list --help' names all"]),
        (["list", "--sort", "lipshitz"], ["--sort", "did you mean lipschitz"]),
        (["list", "--mean", "small"], ["--mean", "'small'"]),
        (["list", "--smoothness", "C7"], ["--smoothness", "'C7'", "'C0', 'C1'"]),
        (["list", "--passes", "--saturates", "yes"], ["--saturates", "not allowed with --passes"]),
        (["list", "--passes", "--sort", "mean"], ["--sort", "'mean'", "allowed is name"]),
        (["show", "layernorm"], ["'layernorm'", "did you mean layer_norm"]),
        (["show", "keras:layer_norm"], ["'keras:layer_norm'"]),
        (["plot", "layer_norm"], ["'layer_norm'", "a pass"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_mistakes_are_one_line(capsys, words, said):
    err = mistake(capsys, words)
    assert len(err) < 300
    for word in said:
        assert word in err.replace("choose from x, y", "choose from 'x', 'y'")


@pytest.mark.parametrize("name", fa.passes)
def test_everything_of_a_pass_is_shown(capsys, name):
    row = fa.passes[name].row
    shown = printed(capsys, "show", name)
    lines = shown.splitlines()
    assert lines[0] == name
    for fact in (row.formula, row.reference, row.strengths, row.weaknesses, *row.derivatives.values()):
        assert any(line.endswith(fact) for line in lines)
    for convention in row.conventions:
        assert not convention.differs or convention.differs in shown
    for word in (row.torch, f"fastact.{name}(", f"fastact.{name}.backward(", "errors allowed", "measured as"):
        assert word in shown
    assert ("with_gradient" in shown) == hasattr(fa.passes[name], "with_gradient")


def test_passes_as_json(capsys):
    found = json.loads(printed(capsys, "list", "--passes", "--json"))
    assert [one["name"] for one in found] == list(fa.passes)
    for one, row in zip(found, catalog.passes, strict=True):
        assert one == json.loads(printed(capsys, "show", row.name, "--json")) == show.record(row)
        assert (one["formula"], one["derivatives"]) == (row.formula, row.derivatives)
        assert list(one["allowed"].values()) == list(row.allowed)
        assert one["measured-as"][0] == row.name


def test_passes_are_listed_where_that_is_asked_for(capsys):
    lines = printed(capsys, "list", "--passes").splitlines()
    blank = lines.index("")
    assert [line.split()[0] for line in lines[1:blank]] == list(fa.passes)
    others = {line.split()[0] for line in lines[blank + 2 :]}
    assert {"gelu+bias", "softmax+causal", "swiglu+gate"} <= others
    assert not others & {*fa.passes}
    lines = printed(capsys, "list", "--passes", "--sort", "name").splitlines()
    assert [line.split()[0] for line in lines[1:blank]] == sorted(fa.passes)


@pytest.mark.parametrize("columns", [60, 80])
def test_what_is_said_of_passes_fits_terminals(columns):
    for words in (("list", "--passes"), ("show", "gru_cell")):
        ended = run_in_terminal(columns, *words)
        assert ended.status == 0
        assert "…" not in ended.out
        assert max(map(len, ended.out.splitlines())) <= columns


def test_a_pass_has_its_errors_and_speed_measured(capsys):
    shown = printed(capsys, "show", "dropout", "--measure", "--size", "64")
    for word in ("float16", "ULP of the largest term", "speed of dropout+residual", "× NumPy"):
        assert word in shown
    found = json.loads(printed(capsys, "show", "dropout", "--measure", "--size", "64", "--json"))
    assert all(m["error"] <= m["limit"] for m in found["errors"])
    assert {m["activation"] for m in found["speeds"]} == {"dropout", "dropout+residual"}


def test_values_are_texts():
    assert [text(value) for value in (True, False, None, 0.5, ("x", "y"), "word")] == [
        "yes",
        "no",
        "",
        "0.5",
        "x, y",
        "word",
    ]
