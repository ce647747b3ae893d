"""A browser for what pages compute and draw by themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""It runs as root in containers, and has nobody to talk to."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, by Playwright; what is missing fails, since nothing else tests the pages."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("tests/site asks Playwright: pip install playwright, apt-get install chromium", False)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("tests/site asks a browser: apt-get install chromium", False)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()
