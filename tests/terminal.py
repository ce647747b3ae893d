"""The command in processes of its own: in a terminal of so many columns, in a pipe, interrupted."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from typing import Any, NamedTuple

import fastact as fa
from fastact.command import main as cli

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")},
    "PYTHONPATH": str(Path(fa.__file__).parents[1]),
    "TERM": "xterm",
}
COMMAND = (sys.executable, "-m", "fastact")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def run(*words: str, shell: str = "", **environment: str) -> Ended:
    """The command, its output read by nobody's eyes; `shell` is what stands behind it on a line of bash."""
    line = [*COMMAND, *words]
    if shell:
        line = ["bash", "-c", f'"$@" {shell}', "bash", *line]
    done = subprocess.run(
        line, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=600
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def mistake(capsys: Any, words: Sequence[str]) -> str:
    """The one line that the command answers a mistake with, where it ends with 2 and prints nothing else."""
    try:
        status = cli.main(words)
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def run_in_terminal(columns: int, *words: str, interrupt_at: str = "", **environment: str) -> Ended:
    """The command in a terminal of so many columns, where Ctrl-C is typed when a word has been printed.

    What it prints is without what moves the cursor and changes colours; both streams are the terminal.
    """
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *words], env={**ENVIRONMENT, **environment}, start_new_session=True,
        stdin=follower, stdout=follower, stderr=follower,
    ) as process:  # fmt: skip
        os.close(follower)
        seen = b""
        end = time.monotonic() + 600
        while time.monotonic() < end:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    block = os.read(leader, 65536)
                except OSError:  # the process has ended
                    block = b""
                if not block:
                    break
                seen += block
            if interrupt_at and interrupt_at.encode() in seen:
                os.killpg(process.pid, signal.SIGINT)
                interrupt_at = ""
        status = process.wait(timeout=600)
    os.close(leader)
    return Ended(status, ESCAPES.sub("", seen.decode()).replace("\r\n", "\n"), "")
