"""The site in a browser: every page opens without errors, fits, can be read, and leads on."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import fastact as fa

NARROW, PAPER = {"width": 360, "height": 740}, {"width": 794, "height": 1123}

KINDS = (
    *("index", "start", "choosing", "gradients", "explorer", "activations/index", "activations/gelu"),
    *(
        "activations/softmax",
        "passes",
        "passes/layer_norm",
        "passes/cross_entropy",
        "experiments/index",
        "experiments/vanishing_gradients",
        "threads",
        "api",
    ),
)
"""A page of each kind."""

IMAGES = """() => Array.from(document.querySelectorAll("article img"))
    .map(i => ({source: i.src, alt: i.alt, seen: i.offsetWidth > 0, loaded: i.naturalWidth > 0}))"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = """() => {
    const style = getComputedStyle(document.activeElement);
    const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
    return {html: document.activeElement.outerHTML.slice(0, 160), marked: marked};
}"""
LOADED = """() => Promise.all(Array.from(document.images)
    .map(i => { i.loading = "eager"; return i.decode().catch(() => 0) }))"""


class Links(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.anchors.add(value)
            elif value and (name, tag) in (
                ("href", "a"),
                ("href", "link"),
                ("src", "img"),
                ("src", "script"),
            ):
                self.targets.append(value)


def pages(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def show(page, address: str, name: str, **media) -> None:
    if media:
        page.emulate_media(**media)
    page.goto(f"{address}/{name}.html")
    page.evaluate(LOADED)


@pytest.mark.parametrize("name", fa.activations)
def test_a_page_per_activation_shows_its_plots(address, page, name):
    show(page, address, f"activations/{name}")
    assert page.locator("h1").inner_text().startswith(name)
    images = page.evaluate(IMAGES)
    seen = [image for image in images if image["seen"]]
    assert len(seen) >= 3, "function and derivative, errors, speed"
    assert all(image["loaded"] and image["alt"] for image in images), images
    assert page.locator("math").count() >= 2, "the formula and a derivative"


@pytest.mark.parametrize("name", fa.passes)
def test_a_page_per_pass_shows_what_it_does_and_how_it_is_called(address, page, name):
    show(page, address, f"passes/{name}")
    assert page.locator("h1").inner_text().startswith(name)
    images = page.evaluate(IMAGES)
    assert len([image for image in images if image["seen"]]) == 1
    assert all(image["loaded"] and image["alt"] for image in images), images
    assert page.locator("div.formula math").count() >= 2, "what it gives, and a gradient"
    calls = page.locator("dt.sig").evaluate_all("found => found.map(each => each.id)")
    assert calls[:2] == [f"fastact.{name}", f"fastact.{name}.backward"]
    assert "Any" not in page.locator("dt.sig").first.inner_text()


def test_every_page_opens_and_fits_a_phone(site, address, page):
    page.set_viewport_size(NARROW)
    for path in pages(site):
        name = path.relative_to(site).with_suffix("").as_posix()
        show(page, address, name)
        assert page.evaluate(WIDER) <= 0, name


@pytest.mark.parametrize("name", KINDS)
def test_a_page_of_each_kind_fits_a_phone_in_the_dark(address, page, name):
    page.set_viewport_size(NARROW)
    show(page, address, name, color_scheme="dark")
    assert page.evaluate(WIDER) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colour_scheme_is_that_of_the_system(address, page, scheme):
    show(page, address, "activations/gelu", color_scheme=scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, ground[ground.index("(") + 1 : -1].split(",")[:3])) / 3
    assert (brightness > 128) == (scheme == "light")


@pytest.mark.parametrize("name", ["choosing", "activations/softmax", "gradients"])
def test_in_print_there_is_the_article_alone(address, page, name):
    page.set_viewport_size(PAPER)
    show(page, address, name, media="print")
    assert page.locator("article").first.is_visible()
    assert not page.locator(".bd-sidebar-primary").is_visible()
    assert page.evaluate(WIDER) <= 0


@pytest.mark.parametrize(("words", "found"), [("silu", "silu"), ("gelu_new", "gelu_tanh"), ("SiLU", "silu")])
def test_search_finds(address, page, words, found):
    page.goto(f"{address}/search.html?q={words}")
    results = page.locator(f"#search-results a[href*='activations/{found}.html']")
    results.first.wait_for(timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_no_serious_violation(address, page, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    show(page, address, name, color_scheme=scheme)
    # Its preloading looks for what style sheets import where the page lies.
    violations = axe.Axe().run(page, options={"preload": False}).response["violations"]
    serious = [v for v in violations if v["impact"] in ("serious", "critical")]
    shown = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in serious]
    assert shown == []


def test_a_keyboard_alone_skips_to_the_text_and_reaches_the_contents(address, page):
    show(page, address, "activations/gelu")
    page.keyboard.press("Tab")
    assert "main" in page.evaluate("() => document.activeElement.getAttribute('href') || ''")
    page.keyboard.press("Enter")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    assert len({element["html"] for element in reached}) > 20
    # Behind the last link the body has the focus, and the browser's own controls come.
    assert [e for e in reached if not e["marked"] and not e["html"].startswith("<body")] == []


def test_every_link_leads_somewhere(site):
    known = {path: Links(path.read_text(encoding="utf-8")) for path in pages(site)}
    broken = []
    for path, links in known.items():
        for target in links.targets:
            place, anchor = urldefrag(target)
            if urlsplit(place).scheme:
                continue
            file = (path.parent / unquote(urlsplit(place).path)).resolve() if place else path
            if not file.exists() or (anchor and file in known and unquote(anchor) not in known[file].anchors):
                broken.append((path.relative_to(site).as_posix(), target))
    assert broken == []


def test_every_page_is_reached_from_the_first(site):
    known = {path: Links(path.read_text(encoding="utf-8")) for path in pages(site)}
    reached, waiting = set(), [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in known and path not in reached:
            reached.add(path)
            places = (urldefrag(target)[0] for target in known[path].targets)
            waiting += [(path.parent / unquote(p)).resolve() for p in places if p and not urlsplit(p).scheme]
    unreached = {path.relative_to(site).as_posix() for path in set(known) - reached}
    assert unreached <= {"genindex.html", "search.html", "py-modindex.html"}
