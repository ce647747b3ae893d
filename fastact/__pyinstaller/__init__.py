"""What PyInstaller asks a package for: where its hooks are."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The folder of ``hook-fastact.py``."""
    return [str(Path(__file__).parent)]
