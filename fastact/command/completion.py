"""``fastact completion``: the script by which a shell completes the command's words."""

from __future__ import annotations

import argparse
from typing import Any

import fastact as fa

from ..measure import work
from ..measure.passes.forms import FORMS
from ..measure.peers import libraries
from .properties import PROPERTIES

SHELLS = ("bash", "zsh", "tcsh")

WORDS = {
    "activation": fa.activations,
    "names": fa.activations,
    "show names": (*fa.activations, *fa.passes),
    "bench activation": (*fa.activations, *FORMS),
    "accuracy activation": (*fa.activations, *fa.passes),
    "dtype": (*work.DTYPES, *work.HALVES),
    "peers": libraries.PEERS,
    "sort": [known.name for known in PROPERTIES],
}
"""What values an option or argument has, by its name or command and name; of lists the first is completed."""
FILES = ("json", "markdown", "plot", "output")
FOLDERS = ("folder",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The argument of ``fastact completion``."""
    parser.description = (
        "Print what makes a shell complete the words of fastact; bash keeps it in "
        "~/.local/share/bash-completion/completions/fastact, zsh in a file _fastact of its $fpath, and tcsh "
        "reads it with source."
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that completes")


def run(arguments: argparse.Namespace) -> int:
    import shtab

    from .main import COMMANDS, parsers

    parser, commands = parsers(list(COMMANDS))
    for name, command in commands.items():
        for action in command._actions:
            _suggest(name, action, shtab)
    print(shtab.complete(parser, shell=arguments.shell))
    return 0


def _suggest(command: str, action: Any, shtab: Any) -> None:
    """Have the values of an option completed; those that take none keep to themselves."""
    if action.nargs == 0:
        return
    words = WORDS.get(f"{command} {action.dest}", WORDS.get(action.dest))
    if words and not action.choices:
        action.choices = list(words)
    elif action.dest in FILES:
        action.complete = shtab.FILE
    elif action.dest in FOLDERS:
        action.complete = shtab.DIRECTORY
