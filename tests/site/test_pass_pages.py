"""docs/website/pass_pages.py: a page for each pass, of all that the catalog says of it, and a table."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("matplotlib")

from website import activation_pages, conventions, figures, pass_figures, pass_pages

import fastact as fa


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    pass_pages.write(folder)
    return folder


def test_every_pass_has_a_page_and_a_line(docs):
    assert {path.stem for path in (docs / "passes").iterdir()} == set(fa.passes)
    table = (docs / "generated" / "passes_table.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+)\]\(passes/\1\.md\) \|", table, re.MULTILINE) == list(fa.passes)
    assert all(line.count("|") == len(pass_pages.HEADINGS) + 1 for line in table.splitlines())


@pytest.mark.parametrize("name", fa.passes)
def test_a_page_has_what_the_row_says(docs, name):
    row, text = fa.passes[name].row, (docs / "passes" / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n\n```{{math}}\n")
    assert text.count("```{math}") >= 1 + len(row.derivatives)
    for said in (
        row.strengths,
        row.weaknesses,
        row.reference,
        conventions.table(row),
        pass_figures.alt(name),
    ):
        assert said in text
    for file in figures.files(name, pass_figures.KIND):
        assert f"```{{image}} ../generated/figures/{file}\n" in text
    forward, backward = row.allowed
    assert f"allow {forward:g} units in the last place forward and {backward:g} backward" in text
    assert text.rstrip().endswith(f".. activation:: {name}\n```")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[:3] == ["Gradients", "Errors and speed", "Elsewhere"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gelu", ["bias", "bias_axis", "residual"]),
        ("swiglu", ["gate", "bias", "bias_axis"]),
        ("softmax", ["scale", "causal", "mask"]),
        ("sparsemax", []),
    ],
)
def test_the_page_of_an_activation_says_what_it_does_in_the_same_pass(name, words):
    text = "\n".join(activation_pages._page(fa.activations[name].row, []))
    said = re.findall(r"^\[In the same pass\]\(\.\./passes\.md\), where they are given: (.*)\.$", text, re.M)
    assert len(said) == bool(words)
    assert {*words} <= {*re.findall(r"`(\w+)=`", " ".join(said))}


def test_a_page_names_the_experiments_that_speak_of_the_pass(docs):
    for name, experiment in (("batch_norm", "vanishing_gradients"), ("lstm_cell", "lstm_gates")):
        text = (docs / "passes" / f"{name}.md").read_text(encoding="utf-8")
        assert f"](../experiments/{experiment}.md): " in text
