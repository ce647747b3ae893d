"""The explorer's page: what its controls do, and who can use them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from website import explorer_formulas

DOCS = Path(__file__).parents[2] / "docs"
CURVES = "path.curve"


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The raw HTML of docs/explorer.md as a page of its own, opened from a file as readers may."""
    folder = tmp_path_factory.mktemp("explorer")
    shutil.copytree(DOCS / "_static", folder / "_static")
    explorer_formulas.write(folder)
    text = (DOCS / "explorer.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```\{raw\} html\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Explorer</title>'
    body = f"<main><h1>Explorer</h1>{blocks}</main>"
    (folder / "explorer.html").write_text(
        f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>', encoding="utf-8"
    )
    return (folder / "explorer.html").as_uri()


@pytest.fixture
def explorer(browser, address) -> Iterator[Callable[..., Any]]:
    """Opens the explorer with a fragment, in a window so wide; what fails in its scripts fails the test."""
    opened, errors = [], []

    def open_page(fragment: str = "", width: int = 1200) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(5_000)
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(address + fragment)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert not errors


def _said(page) -> str:
    return page.locator("output").first.inner_text()


def _curve(page, style: str, plot: int = 0) -> str:
    """The path of a curve, as soon as what was asked for is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found = page.locator("svg.plot").nth(plot).locator(f"{CURVES}.{style}")
    return found.get_attribute("d") if found.count() else ""


def test_it_opens_with_an_activation_and_its_derivative(explorer):
    page = explorer()
    assert _said(page) == "At x = 1, silu is 0.731059 and its derivative 0.927671."
    assert _curve(page, "first", 0)
    assert _curve(page, "first", 1) not in ("", _curve(page, "first", 0))
    assert not _curve(page, "second")


def test_a_second_activation_is_laid_over_the_first(explorer):
    page = explorer()
    page.get_by_label("Overlaid").select_option("gelu")
    assert _said(page).startswith("At x = 1, silu is 0.731059 and its derivative 0.927671; gelu is 0.841345")
    assert all(_curve(page, "second", plot) for plot in range(3))
    assert page.locator(".legend li").all_inner_texts() == ["A: silu", "B: gelu"]
    assert page.locator("table").count() == 2


def test_a_parameter_is_drawn_again(explorer):
    page = explorer("#a=swish")
    before = _curve(page, "first")
    page.get_by_label("beta steepness").fill("2")
    assert _curve(page, "first") not in ("", before)
    assert page.get_by_label("beta of A, as a number").input_value() == "2"
    assert page.locator(".legend li").all_inner_texts() == ["A: swish beta=2"]
    page.get_by_label("beta of A, as a number").fill("1")
    assert _curve(page, "first") == before


def test_a_word_and_none_are_parameters_too(explorer):
    page = explorer("#a=gelu&b=softplus")
    before = _curve(page, "first"), _curve(page, "second")
    page.get_by_label("approximate").select_option("tanh")
    page.get_by_label("no threshold").uncheck()
    page.get_by_label("threshold of B, as a number").fill("0")
    assert _curve(page, "first") != before[0]
    assert _curve(page, "second") != before[1]
    assert page.locator(".legend li").all_inner_texts() == [
        "A: gelu approximate=tanh",
        "B: softplus threshold=0",
    ]


def test_what_is_not_allowed_is_said(explorer):
    page = explorer("#a=silu&b=hardtanh")
    page.get_by_label("min_val of B, as a number").fill("2")
    assert page.get_by_role("alert").all_inner_texts() == [
        "",
        "min_val = 2, max_val = 1 is not allowed: min_val <= max_val must hold",
    ]
    assert not _curve(page, "second")
    assert _curve(page, "first")
    assert "NaN" not in page.locator("main").inner_text()
    page.get_by_label("max_val of B, as a number").fill("2.5")
    assert page.get_by_role("alert").all_inner_texts() == ["", ""]
    assert _curve(page, "second")


def test_an_empty_number_is_asked_for(explorer):
    page = explorer("#a=swish")
    page.get_by_label("beta of A, as a number").fill("")
    assert page.get_by_role("alert").first.inner_text() == "beta needs a number"
    page.get_by_label("x, as a number").fill("")
    assert page.locator("#explorer-x").input_value() == "1"
    page.locator("#explorer-x").focus()
    assert page.get_by_label("x, as a number").input_value() == "1"


def test_x_beyond_the_picture_moves_it(explorer):
    page = explorer("#a=identity")
    number = page.get_by_label("x, as a number")
    number.fill("50")
    assert page.locator("#explorer-x").get_attribute("min") == "40"
    number.fill("5000")
    number.blur()
    assert number.input_value() == "1000"
    assert _said(page) == "At x = 1000, identity is 1000 and its derivative 1."


def test_a_view_is_kept_in_the_address(explorer):
    page = explorer(
        "#a=swish&b=leaky_relu&x=-1.28&a.beta=2&b.negative_slope=0.3&from=-3&to=3&w=1.5&n=20&float16=1"
    )
    assert _said(page).startswith("At x = -1.28, swish beta=2 is -0.0918")
    assert page.get_by_label("negative_slope of B, as a number").input_value() == "0.3"
    assert page.locator("#explorer-x").get_attribute("min") == "-3"
    assert page.get_by_label("steps of float16").is_checked()
    assert page.get_by_label("n, as a number").input_value() == "20"
    page.get_by_label("x, as a number").fill("0.5")
    page.wait_for_function("location.hash.includes('x=0.5')")
    again = explorer(page.evaluate("location.hash"))
    assert _said(again) == _said(page)
    assert _curve(again, "first") == _curve(page, "first")


def test_another_address_is_another_view(explorer):
    page = explorer("#a=relu&x=2")
    page.evaluate("location.hash = '#a=elu&x=-1'")
    page.wait_for_function("document.querySelector('output').textContent.includes('elu is -0.632121')")


def test_a_heading_s_address_keeps_the_view(explorer):
    page = explorer("#a=relu&x=2")
    page.evaluate("location.hash = '#through-n-layers'")
    page.get_by_label("x, as a number").fill("3")
    assert _said(page) == "At x = 3, relu is 3 and its derivative 1."


@pytest.mark.parametrize(
    "fragment",
    ["#a=nothing&x=one&n=many&from=3&to=2", "#a.beta=2&a=&b=constructor", "#%", "#a=gelu&a.approximate=x"],
)
def test_an_address_that_says_nothing_is_that_of_the_start(explorer, fragment):
    page = explorer(fragment)
    assert re.match(r"At x = 1, (silu is 0.731059|gelu is 0.841345)", _said(page))
    assert page.locator("#explorer-x").get_attribute("max") == "10"


def test_arrow_keys_move_the_slider(explorer):
    page = explorer("#a=identity&x=1")
    page.locator("#explorer-x").focus()
    page.keyboard.press("ArrowRight")
    assert _said(page) == "At x = 1.01, identity is 1.01 and its derivative 1."
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert _said(page) == "At x = 0.99, identity is 0.99 and its derivative 1."


def test_every_control_is_reached_by_the_tab_key(explorer):
    page = explorer("#a=gelu&b=softplus&b.threshold=3")
    controls = page.locator("select:enabled, input:enabled, button:enabled")
    reached = set()
    for _ in range(controls.count()):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert len(reached) == controls.count()


def test_x_follows_the_mouse_on_a_picture(explorer):
    page = explorer("#a=identity&x=1")
    box = page.locator("svg.plot").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    assert abs(float(page.locator("#explorer-x").input_value())) < 1.5
    page.mouse.move(box["x"] + box["width"] + 50, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert page.locator("#explorer-x").input_value() == "10"


def test_zoom_is_around_x(explorer):
    page = explorer("#a=tanh&x=3")
    page.get_by_role("button", name="Zoom in").click()
    slider = page.locator("#explorer-x")
    assert [slider.get_attribute(end) for end in ("min", "max")] == ["-2", "8"]
    page.get_by_role("button", name="-10 to 10").click()
    assert [slider.get_attribute(end) for end in ("min", "max")] == ["-10", "10"]


def test_steps_of_a_half_format_have_right_angles(explorer):
    page = explorer("#a=identity&x=1&from=1&to=1.05&bfloat16=1")
    steps = [point.split() for point in _curve(page, "bfloat16").removeprefix("M").split("L")]
    heights = list(dict.fromkeys(y for _, y in steps))
    # Numbers of bfloat16 from 1 on are 1/128 apart.
    assert len(heights) == 7
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(steps))
    assert not _curve(page, "float16")


def test_no_line_is_drawn_where_a_function_jumps(explorer):
    page = explorer("#a=hardshrink&b=relu")
    assert _curve(page, "first").count("M") == 3
    assert _curve(page, "second").count("M") == 1
    assert _curve(page, "second", plot=1).count("M") == 2


def test_a_gradient_through_layers_is_the_power_of_one(explorer):
    page = explorer("#a=leaky_relu&a.negative_slope=0.1&x=-1&n=3&w=-2")
    left = page.locator("output").last
    assert left.inner_text() == "leaky_relu negative_slope=0.1: 0.2 for each layer, 0.008 after 3"
    page.get_by_label("n, as a number").fill("50")
    page.get_by_label("w, as a number").fill("1e-6")
    assert left.inner_text().endswith("1e-7 for each layer, 1e-350 after 50")
    page.locator("#explorer-a").select_option("relu")
    assert left.inner_text() == "relu: 0 for each layer, 0 after 50"


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_it_is_no_wider_than_the_window(explorer, width):
    longest = "#a=gumbel_softmax&b=dish&x=-0.00123456789&float16=1&bfloat16=1&from=-0.0013&to=-0.0012"
    for fragment in ("", longest):
        page = explorer(fragment, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(explorer, theme):
    from axe_playwright_python.sync_playwright import Axe

    page = explorer("#a=swish&b=softmax&b.temperature=-1&float16=1&bfloat16=1")
    page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    # The site's theme gives the page its colour.
    page.add_style_tag(content="html[data-theme=dark] { background: #14181e; color: #ced6dd }")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_pictures_are_described_in_words(explorer):
    page = explorer("#a=relu&x=2")
    words = page.locator("svg.plot").first.get_attribute("aria-label")
    assert words == (
        "The function for x from -10 to 10. relu: 0 at the left end, 2 at x = 2, 10 at the right end."
    )
    page.get_by_label("x, as a number").fill("3")
    assert "3 at x = 3" in page.locator("svg.plot").first.get_attribute("aria-label")


def test_without_javascript_it_says_so(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert "drawn by JavaScript" in page.locator("main").inner_text()
    context.close()
