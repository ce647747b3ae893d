"""What the tests of the site look at it with: its built pages, and a real browser."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SITE = DOCS / "_build" / "html"
BUILD = "pip install -e '.[docs]' && sphinx-build -W -b html docs docs/_build/html"
WITHOUT_NETWORK = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Otherwise it asks for updates, and its failures are noise."""


@pytest.fixture(scope="session")
def site() -> Path:
    """Where the site was built; that takes minutes, so it is not built here."""
    if not DOCS.exists():
        pytest.skip("the site is part of the source tree, not of the wheel")
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip(f"the site is built with the extra docs: {BUILD}")
    if not (SITE / "index.html").exists():
        pytest.skip(f"the site is not built: {BUILD}")
    return SITE


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Who asked for what is no output of a test."""


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    """Where the site is served: from files alone, a search could not show what it found."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# Closed with each module: as long as Playwright runs, a test of another one could not start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("the browser is driven with the extra docs: pip install -e '.[docs]'")
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "the site's tests need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(WITHOUT_NETWORK))
        yield launched
        launched.close()


def _failure(request: Any) -> list[str]:
    """What was not loaded; what the next page cut short is none."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"{request.failure}: {request.url}"]


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """An empty page whose errors, those of scripts and of what it loads, fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    opened.on(
        "console",
        lambda said: errors.append(f"{said.text} {said.location['url']}") if said.type == "error" else None,
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("requestfailed", lambda request: errors.extend(_failure(request)))
    yield opened
    context.close()
    assert errors == []
