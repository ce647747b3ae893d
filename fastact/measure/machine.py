"""What is said of the machine that measures: its processor, how busy it is, and how many threads."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path


def processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def busy_note() -> str:
    """What to say where other processes keep the machine busy, as the last minute's mean; else nothing."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy < 0.5:
        return ""
    return (
        f"Other processes kept {busy:.1f} processors busy when this began: figures suffer, "
        "those of several threads most (each call waits for its slowest thread)."
    )


def commit() -> str:
    """What was checked out where this runs from a clone, marked where that was changed; else nothing."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists() or not shutil.which("git"):
        return ""
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def threads_text(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"
