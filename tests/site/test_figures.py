"""The figures and tables of an activation's page."""

from __future__ import annotations

import math
import os
import re
import warnings
from itertools import combinations

import numpy as np
import pytest

import fastact as fa

pytest.importorskip("matplotlib")

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from website import figures, pass_figures, records, tables

SHOWN = ("gelu", "softmax", "rrelu")


FIGURES = [(name, kind) for name in SHOWN for kind in figures.KINDS]
FIGURES += [(name, pass_figures.KIND) for name in pass_figures.SHOWN]


@pytest.fixture(params=FIGURES, ids="-".join)
def figure_of(request):
    return request.param


def write_one(name, kind, folder):
    (pass_figures if kind == pass_figures.KIND else figures).write_one(name, kind, folder)


def texts(figure):
    """Every text that is drawn, and its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    found += [figure._suptitle] if figure._suptitle else []
    for axes in figure.axes:
        for one in (axes, *axes.child_axes):
            found.append(one.title)
            for axis in (one.xaxis, one.yaxis):
                found += [axis.label, *(tick.label1 for tick in axis._update_ticks())]
    drawn = {text: text.get_window_extent() for text in found if text.get_visible() and text.get_text()}
    assert len(drawn) > 10
    return drawn


def drawn_figure(monkeypatch, name, kind, path):
    """The figure as it is, before it is written."""
    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: kept.append(self))
    with mpl.rc_context(figures.STYLE):
        if kind == pass_figures.KIND:
            return pass_figures.drawn(name)
        figures.KINDS[kind](fa.get(name).row, path)
    return kept[0]


def test_texts_are_large_enough_inside_and_apart(figure_of, monkeypatch, tmp_path):
    figure = drawn_figure(monkeypatch, *figure_of, tmp_path / "figure.svg")
    boxes = texts(figure)
    assert figure.get_figwidth() <= 7.6
    for text, box in boxes.items():
        assert text.get_fontsize() >= 8, text
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
    for one, other in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)


def test_lines_are_told_apart_without_colour(figure_of, monkeypatch, tmp_path):
    figure = drawn_figure(monkeypatch, *figure_of, tmp_path / "figure.svg")
    for axes in (axes for axes in figure.axes if not axes.images):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        assert len({(str(line._dash_pattern), line.get_marker()) for line in lines}) == len(lines) > 0


def test_a_figure_is_for_light_and_for_dark_pages(figure_of, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as of a glyph that the font lacks
        write_one(*figure_of, tmp_path)
    light, dark = ((tmp_path / name).read_text() for name in figures.files(*figure_of))
    for colour in (figures.INK, figures.EDGE):
        assert colour in light
        assert colour not in dark
        assert figures.DARK[colour] in dark
    assert len(light) == len(dark)
    for said in ("<metadata>", "Glyph", str(tmp_path)):
        assert said not in light
    # What an SVG does not say the colour of is black, and not to be seen on a dark page.
    words = re.findall(r'<g id="text_\d+">(.*?)</g>', dark, flags=re.DOTALL)
    assert len(words) > 10
    assert all("fill: #" in word for word in words)
    assert all("fill: #" in mark for mark in re.findall(r"<use [^>]*style=[^>]*>", dark))


def test_a_figure_is_the_same_in_every_build(tmp_path):
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        for figure in (("relu", "errors"), ("dropout", pass_figures.KIND)):
            write_one(*figure, folder)
            drawn.append((folder / figures.files(*figure)[0]).read_bytes())
    assert drawn[:2] == drawn[2:]


def test_figures_are_drawn_once(tmp_path, monkeypatch):
    monkeypatch.setattr(fa, "activations", {name: fa.activations[name] for name in ("relu", "glu")})
    figures.write(tmp_path)
    folder = tmp_path / figures.FOLDER
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == sorted(
        file for name in ("relu", "glu") for kind in figures.KINDS for file in figures.files(name, kind)
    )
    before = [path.stat().st_mtime_ns for path in paths]
    figures.write(tmp_path)
    assert [path.stat().st_mtime_ns for path in paths] == before
    os.utime(paths[0], (0, 0))
    figures.write(tmp_path)
    changed = [path.stat().st_mtime_ns != then for path, then in zip(paths, before, strict=True)]
    # The light one and the dark one are one drawing.
    assert sum(changed) == 2
    assert changed[0]


def test_alt_texts_say_what_is_there(row):
    record = records.load(records.ERRORS)["activations"][row.name]
    said = [figures.alt(row, kind) for kind in figures.KINDS]
    assert all(row.name in text and text.endswith(".") and "\n" not in text for text in said)
    for panel in tables.PANELS:
        assert tables.error_words(max(record[panel]["numpy"])) in said[1] or not max(record[panel]["numpy"])


@pytest.mark.parametrize("name", fa.passes)
def test_alt_texts_of_passes_say_what_is_there(name):
    text = pass_figures.alt(name)
    assert text.endswith(".")
    assert "\n" not in text
    assert re.search(r"\d", text)
    assert "nan" not in text


def test_the_function_that_alt_describes(row):
    text = figures.alt(fa.sigmoid.row, "curves")
    assert "goes from 0.00247 at -6 to 0.998 at 6" in text
    assert "0.25 at 0" in text


def test_special_values_are_those_of_calls(row):
    found = tables.special_values(row)
    assert [line[0] for line in found] == ["0", "-0", "inf", "-inf", "NaN"]
    values = np.array([[float(word) for word in line] for line in found])
    if not row.shape.by_element:
        return
    x = np.array(tables.SPECIAL, np.float32)
    activation, needs = fa.activations[row.name], row.needs
    y = activation(x, **needs)
    saved = {"x": x} if "x" in row.saves else {"y": y}
    dx = activation.backward(np.ones_like(x), **saved, **needs)
    dx = dx[0] if isinstance(dx, tuple) else dx
    np.testing.assert_allclose(values[:, 1], y, rtol=1e-6)
    np.testing.assert_allclose(values[:, 2], dx, rtol=1e-6)
    assert (np.signbit(values[:, 1]) == np.signbit(y))[~np.isnan(y)].all()


def test_special_values_along_an_axis():
    third = [float(word) for word in tables.special_values(fa.softmax.row)[0]]
    assert third == pytest.approx([0, 1 / 3, 2 / 9], rel=1e-6)
    assert tables.special_values(fa.glu.row)[0] == ("0", "0.5", "0.25")
    assert tables.special_values(fa.maxout.row)[2] == ("inf", "inf", "1")
    assert tables.special_values(fa.maxout.row)[3] == ("-inf", "0", "0")


def test_rows_of_times_are_those_of_the_record(row):
    record = records.load(records.SPEED)
    place = record["sizes"].index(2**20)
    lines = record["activations"][row.name]["float32"]["backward"]
    words, own, numpy, torch = tables.speed_rows(row)[2]
    assert words == "backward, 1 thread"
    assert float(own) == pytest.approx(lines["fastact 1"][place], rel=0.01)
    assert float(numpy) == pytest.approx(lines["numpy 1"][place] / lines["fastact 1"][place], rel=0.01)
    assert (torch == tables.NONE) == ("torch 1" not in lines)
    assert len(tables.speed_headings()) == len(tables.speed_rows(row)[0]) == 4


def test_rows_of_errors_are_those_of_the_record(row):
    record = records.load(records.ERRORS)["activations"][row.name]
    for line, panel in zip(tables.largest_errors(row), tables.PANELS, strict=True):
        assert len(line) == len(tables.ERROR_HEADINGS)
        assert float(line[-2]) == record[panel]["bound"]
        most = max(record[panel]["fastact"])
        assert math.isclose(float(line[1].partition(" near ")[0]), most, rel_tol=0.01)
