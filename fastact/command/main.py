"""The command ``fastact``: which of its commands is called, and what a missing package gets."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import fastact as fa

COMMANDS = {
    "bench": "measure every activation against NumPy and the machine's bandwidth",
    "accuracy": "measure the largest error of every activation",
    "info": "print the CPU level, the threads and what fastact was built with",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 1 for what is missing, 2 for wrong arguments."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog="fastact", description="Activation functions for NumPy arrays: measure and inspect.")
    parser.add_argument("--version", action="version", version=f"fastact {fa.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True)
    run: dict[str, Callable[[argparse.Namespace], int | None]] = {}
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text.capitalize() + ".")
        # Each command loads only what it needs: the accuracy command's references take their time.
        if name in words[:1]:
            run[name] = _prepare(name, subparser)
    parsed = parser.parse_args(words)
    try:
        return run[parsed.command](parsed) or 0
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == "fastact":
            raise
        package = error.name.partition(".")[0]
        print(
            f"fastact {parsed.command} needs {package}; install it with: pip install {package}",
            file=sys.stderr,
        )
        return 1


def _prepare(name: str, parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    if name == "info":
        return lambda _: fa.show_config()
    command = importlib.import_module({"bench": ".bench", "accuracy": ".accuracy_report"}[name], __package__)
    command.add_arguments(parser)
    return command.run
