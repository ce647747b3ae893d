"""docs/arrays.md and docs/dask.md: their examples run, and print what they say."""

from __future__ import annotations

import pages
import pytest

PACKAGES = {
    ("arrays.md", "pandas"): ["pandas"],
    ("arrays.md", "xarray"): ["xarray"],
    ("arrays.md", "Masked arrays"): [],
    ("arrays.md", "Quantities"): ["astropy"],
    ("arrays.md", "Memory of others"): [],
    ("arrays.md", "A library of your own"): [],
    ("dask.md", ""): ["dask"],
}


@pytest.mark.parametrize(("page", "title"), PACKAGES)
def test_an_example_prints_what_it_says(page, title, tmp_path):
    for package in PACKAGES[page, title]:
        if not pages.is_installed(package):
            pytest.skip(f"{package} is not installed")
    (example,) = pages.examples(page, title, "python")
    run = pages.run_python("-c", example, folder=tmp_path)
    assert pages.prints_what_it_says(example, run.stdout), run.stdout + run.stderr


@pytest.mark.parametrize("page", ["arrays.md", "dask.md"])
def test_every_example_is_run(page):
    assert len([1 for name, _ in PACKAGES if name == page]) == pages.whole(page).count("```python\n")
