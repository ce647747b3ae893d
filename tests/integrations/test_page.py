"""docs/adapters.md: its examples run, and print what they say."""

from __future__ import annotations

import pages
import pytest

PACKAGES = {
    **{"scikit-learn": ["sklearn"], "thinc": ["thinc"], "keras": ["keras", "jax"], "onnx": ["onnx"]},
    "Plain NumPy": [],
}
EXAMPLES = [
    (title, i) for title in PACKAGES for i, _ in enumerate(pages.examples("adapters.md", title, "python"))
]


@pytest.mark.parametrize(("title", "i"), EXAMPLES)
def test_an_example_prints_what_it_says(title, i, tmp_path):
    for package in PACKAGES[title]:
        if not pages.is_installed(package):
            pytest.skip(f"{package} is not installed")
    example = pages.examples("adapters.md", title, "python")[i]
    run = pages.run_python("-c", example, folder=tmp_path)
    assert pages.prints_what_it_says(example, run.stdout), run.stdout + run.stderr


def test_every_section_has_one():
    assert {title for title, _ in EXAMPLES} == set(PACKAGES)
