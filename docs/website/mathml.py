"""Mathematics that a browser sets by itself: LaTeX becomes MathML when the site is built, and no script runs.

Browsers take braces and roots that grow from the font's MATH table. Few systems have a font with one, so the
pages bring it: STIX Two Math, from the package ziamath, cut down to what formulas use.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert

LETTERS = [
    "U+20-7E",
    "U+A0-FF",
    "U+300-36F",
    "U+391-3C9",
    "U+2000-206F",
    "U+2200-22FF",
    "U+210E",
    "U+27E8-27E9",
    "U+1D400-1D7FF",
]
"""Latin, Greek and their mathematical forms, accents, operators: all that formulas of the pages use.

An italic h is Planck's constant.
"""


def _mathml(node: nodes.Element, display: str) -> str:
    # latex2mathml makes a bare bar of \lvert, which a browser sets like a relation between two terms.
    latex = node.astext().replace(r"\lvert", r"\left|").replace(r"\rvert", r"\right|")
    return convert(latex, display=display)


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    # It scrolls by itself where a formula is wider than a phone, so it must be in reach of the keyboard.
    translator.body.append('<div class="formula" tabindex="0" role="region" aria-label="formula">')
    translator.body.append(_mathml(node, "block"))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def write(docs: Path) -> None:
    """Write the font below `docs`."""
    target = docs / "generated" / "static" / "math.woff"
    if target.exists() and target.stat().st_mtime > Path(__file__).stat().st_mtime:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
    subset.main([
        str(source), f"--unicodes={','.join(LETTERS)}", "--flavor=woff", "--layout-features=*",
        "--notdef-outline", f"--output-file={target}",
    ])  # fmt: skip


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
