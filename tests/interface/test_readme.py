"""The README: its Python blocks run as written, and its two commands are the ones that set everything up."""

import re
from pathlib import Path

import pytest

import fastact as fa

readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", fenced("python"))
def test_python_blocks_print_what_their_comments_say(block, capsys):
    exec(compile(block, "README.md", "exec"), {})
    printed = re.findall(r"print\(.*#\s*(.+)$", block, flags=re.MULTILINE)
    assert printed, "a block that prints nothing shows nothing"
    assert capsys.readouterr().out.splitlines() == printed


def test_two_commands_do_all_the_set_up():
    commands = [line for block in fenced("sh") for line in block.splitlines()]
    assert "pip install . && fastact bench" in commands
    assert "pip install -e '.[test]' && pytest" in commands


def test_it_counts_the_activations():
    assert f"for NumPy arrays: {len(fa.activations)} of them" in readme


def test_it_fits_a_screen():
    assert len(readme.splitlines()) <= 60


def test_files_that_it_links_to_exist():
    root = Path(__file__).parents[2]
    if not (root / "LICENSE").exists():
        pytest.skip("beside a wheel lies a part of the tree only")
    targets = re.findall(r"\]\(([^)#]+)", readme)
    assert [target for target in targets if not (root / target).exists()] == []
