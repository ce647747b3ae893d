"""``fastact plot`` and ``fastact gallery``: pictures, and what mistakes get."""

from __future__ import annotations

import pytest
from terminal import mistake

import fastact as fa
from fastact.command import main as cli


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib")


def lines_of(monkeypatch, matplotlib, *words: str) -> list[tuple[str, str]]:
    """The colours and dashes of the curves in the left panel of the picture."""
    figures = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda self, *_, **__: figures.append(self))
    assert cli.main(["plot", *words]) == 0
    (figure,) = figures
    axes = figure.axes[0]
    return [
        (line.get_color(), str(line._dash_pattern)) for line in axes.get_lines() if len(line.get_xdata()) > 2
    ]


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_picture_of_an_activation(matplotlib, tmp_path, capsys, ending):
    path = tmp_path / f"picture{ending}"
    assert cli.main(["plot", "silu", "-o", str(path)]) == 0
    assert path.stat().st_size > 5000
    assert capsys.readouterr().out == f"wrote {path}\n"


def test_without_a_file_it_is_named_after_them(matplotlib, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plot", "relu", "SiLU"]) == 0
    assert (tmp_path / "relu-silu.png").exists()


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["relu"], 1),
        (["elu"], 3),
        (["elu", "--family", "alpha=0.5,1,2,4"], 4),
        (["prelu", "--family", "weight=0.1,0.2"], 2),
        (["relu", "elu", "silu", "gelu", "selu", "mish", "celu", "softplus"], 8),
        (["keras:leaky_relu"], 1),
        (["softmax", "glu", "maxout", "gumbel_softmax"], 4),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_curves_are_told_apart_without_colour(matplotlib, monkeypatch, words, count):
    drawn = lines_of(monkeypatch, matplotlib, *words)
    assert len(drawn) == count
    assert len({colour for colour, _ in drawn}) == count
    assert len({dashes for _, dashes in drawn}) == count


def test_a_gallery_has_a_picture_of_each(matplotlib, tmp_path, capsys):
    folder = tmp_path / "new" / "pictures"
    words = ["gallery", str(folder), "--activation", "relu,softmax,glu"]
    assert cli.main(words) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["glu.png", "relu.png", "softmax.png"]
    assert "wrote 3 of 3 pictures" in capsys.readouterr().out
    assert cli.main([*words[:2], "--format", "svg", "--activation", "relu"]) == 0
    assert (folder / "relu.svg").exists()


def test_an_interrupted_gallery_says_how_far_it_came(matplotlib, tmp_path, capsys, monkeypatch):
    from fastact.command import picture

    drawn = []

    def draw(row, path):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(row)

    monkeypatch.setattr(picture, "draw_alone", draw)
    assert cli.main(["gallery", str(tmp_path)]) == 130
    assert f"wrote 2 of {len(fa.activations)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plot", "silou"], ["'silou'", "did you mean silu"]),
        (["plot", "silu", "-o", "picture.jpeg"], ["'picture.jpeg'", ".png, .svg, .pdf"]),
        (["plot", "silu", "-o", "missing/picture.png"], ["a directory that exists"]),
        (["plot", "elu", "--family", "alpah=1"], ["'alpah'", "did you mean alpha"]),
        (["plot", "relu", "--family", "alpha=1"], ["relu has no 'alpha'"]),
        (["plot", "celu", "--family", "alpha=0"], ["alpha != 0"]),
        (["plot", "elu", "--family", "alpha"], ["--family", "alpha=0.5,1,2"]),
        (["plot", "elu", "relu", "--family", "alpha=1"], ["one NAME only"]),
        (["plot", "elu", "--from", "2", "--to", "1"], ["--from", "below --to"]),
        (["plot", "elu", "--from", "nan"], ["--from"]),
        (["plot", *list(fa.activations)[:9]], ["8 curves"]),
        (["gallery", __file__], ["a directory"]),
        (["gallery"], ["DIR"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_mistakes_are_one_line(capsys, words, said):
    err = mistake(capsys, words)
    for word in said:
        assert word in err


@pytest.mark.parametrize("words", [["plot", "relu"], ["gallery", "pictures"]], ids=" ".join)
def test_a_missing_matplotlib_is_named_with_what_installs_it(fresh_python, words):
    code = f"""if True:
        import sys
        sys.modules["matplotlib"] = None
        from fastact.command.main import main
        raise SystemExit(main({words}))"""
    run = fresh_python(code)
    assert (run.returncode, run.stdout) == (1, "")
    assert (
        run.stderr == f"fastact {words[0]} needs matplotlib; install it with: pip install 'fastact[plot]'\n"
    )


def test_a_picture_that_cannot_be_written_is_a_line(matplotlib, capsys, monkeypatch):
    def full(self, path, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", full)
    assert cli.main(["plot", "relu", "-o", "picture.png"]) == 1
    assert capsys.readouterr().err == "fastact plot: cannot write picture.png: No space left on device\n"
