"""Examples of the pages under docs, and what runs them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import fastact as fa


def whole(page: str) -> str:
    return Path(__file__).parents[1].joinpath("docs", page).read_text(encoding="utf-8")


def examples(page: str, title: str, language: str) -> list[str]:
    """The page's examples of one section, or of what stands before all sections."""
    text = whole(page)
    section = (text.partition(f"\n## {title}\n")[2] if title else text).partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def prints_what_it_says(example: str, output: str) -> bool:
    said = re.findall(r"print\(.*#\s*(.+)$", example, flags=re.MULTILINE)
    return said == output.splitlines() and bool(said)


def run_python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A Python that finds the fastact under test, as this one does."""
    # Where the package lies: an editable install is found by a hook of Python's, and Cython asks no hook.
    paths = [str(Path(fa.__file__).parents[1]), *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def is_installed(package: str) -> bool:
    """Without importing it: that takes seconds, and chooses a backend for the whole process."""
    return importlib.util.find_spec(package) is not None
