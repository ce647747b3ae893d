"""The project's own pages, which lie at the top of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGES = {
    "ARCHITECTURE.md": "architecture",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "SECURITY.md": "security",
}


def write(docs: Path) -> None:
    """Write them below `docs`, with links that hold there."""
    folder = docs / "project"
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        text = docs.parent.joinpath(name).read_text(encoding="utf-8")
        (folder / f"{page}.md").write_text(re.sub(r"\]\(([^)\s]+)\)", _moved, text), encoding="utf-8")


def _moved(link: re.Match[str]) -> str:
    target = link[1]
    if target in PAGES:
        return f"]({PAGES[target]}.md)"
    return link[0] if "://" in target else f"](../{target.removeprefix('docs/')})"


def relink(_app: Any, _page: str, source: list[str]) -> None:
    """Links of other pages to these, which hold in the repository, as they hold in the site."""
    for name, page in PAGES.items():
        source[0] = source[0].replace(f"](../{name}", f"](project/{page}.md")
