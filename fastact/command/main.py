"""The command ``fastact``: which of its commands is called, and what mistakes and missing packages get."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import fastact as fa

from . import ending
from .arguments import closest
from .letters import spelled_out


class Command(NamedTuple):
    """One of the commands."""

    module: str
    """Where its options and what it does are."""
    help: str
    examples: tuple[str, ...]
    """The first is shown with the list of commands."""


COMMANDS = {
    "list": Command(
        "listing",
        "list the activations by their properties",
        (
            "list --saturates no --saves y",
            "list --smoothness C1 --sort lipschitz",
            "list --convex yes --sort mean --reverse",
            "list --kind rows --sort name --json",
            "list --passes",
        ),
    ),
    "show": Command(
        "show",
        "print all that is known of an activation",
        ("show gelu", "show SiLU --measure", "show keras:leaky_relu --json", "show layer_norm"),
    ),
    "plot": Command(
        "plot",
        "draw an activation and its derivative",
        ("plot gelu", "plot relu elu silu -o three.svg", "plot elu --family alpha=0.5,1,2"),
    ),
    "gallery": Command(
        "gallery",
        "draw a picture of every activation",
        ("gallery pictures", "gallery pictures --format svg --activation relu,elu"),
    ),
    "bench": Command(
        "bench",
        "measure speed, beside NumPy's and memory's",
        (
            "bench --quick",
            "bench silu gelu --dtype float32 --details",
            "bench layer_norm gelu+bias --peers torch",
            "bench --passes --quick",
        ),
    ),
    "tune": Command(
        "tune",
        "measure how to go through large arrays",
        ("tune", "tune --activation relu,gelu --threads 1 --json tune.json"),
    ),
    "accuracy": Command(
        "accuracy_report",
        "measure the largest errors, in ULP",
        ("accuracy tanh layer_norm", "accuracy --json accuracy.json"),
    ),
    "info": Command(
        "info",
        "print what runs: CPU level, threads, build",
        ("info", "info --json"),
    ),
    "completion": Command(
        "completion",
        "print what completes words in bash, zsh, tcsh",
        ("completion bash", "completion zsh"),
    ),
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ending.MISTAKEN, f"{self.prog}: {message}\n")

    @property
    def options(self) -> list[str]:
        return list(self._option_string_actions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; `ending` says what the exit status is where that is not 0."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with spelled_out():
        name = f"fastact {words[0]}" if words[:1] and words[0] in COMMANDS else "fastact"
        try:
            status = _run(words)
            # Now, and not when the interpreter ends: here it can be said what failed.
            if sys.stdout:
                sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            return ending.say(name, ending.Interruption("interrupted"))
        except ending.Failure as failure:
            return ending.say(name, failure)
        except BrokenPipeError:
            ending.abandon_output()
            return ending.UNREAD
        except OSError as error:
            ending.abandon_output()
            of = f"{error.filename}: " if error.filename else "cannot write the output: "
            return ending.say(name, ending.Failure(f"{of}{error.strerror or error}"))


def _run(words: Sequence[str]) -> int:
    if not words:
        print(overview())
        return 0
    try:
        parser, commands = parsers(words[:1])
        if words[0] not in COMMANDS and not words[0].startswith("-"):
            hint = closest(words[0], COMMANDS)
            parser.error(f"there is no command {words[0]!r}{hint}; commands are {', '.join(COMMANDS)}")
        parsed, unknown = parser.parse_known_args(words)
        if parsed.command is None:
            parser.error(f"{words[0]!r}: a command is missing; they are {', '.join(COMMANDS)}")
        command = commands[parsed.command]
        if unknown:
            options = [option for option in command.options if len(option) > 2]
            command.error(f"there is no argument {unknown[0]!r}{closest(unknown[0], options)}; see --help")
        return parsed.run(parsed) or 0
    except ModuleNotFoundError as error:
        package = (error.name or "fastact").partition(".")[0]
        if package == "fastact":
            raise
        raise ending.Missing(package, EXTRAS.get(package, package)) from error


EXTRAS = {"matplotlib": "'fastact[plot]'", "shtab": "'fastact[completion]'"}
"""What installs a package that a command needs, where it is an extra."""


def parsers(names: Sequence[str]) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command, and of its commands; only those of these names know their options.

    Each loads what it needs: the references of the accuracy command take their time.
    """
    parser = Parser(
        prog="fastact", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Activation functions for NumPy arrays: look at them, and measure them.",
        epilog=f"examples:\n{_lines(command.examples[0] for command in COMMANDS.values())}\n\n"
        "'fastact COMMAND --help' says more of each.",
    )  # fmt: skip
    parser.add_argument("-V", "--version", action="version", version=f"fastact {fa.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    made: dict[str, Parser] = {}
    for name, command in COMMANDS.items():
        made[name] = subparsers.add_parser(
            name, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"examples:\n{_lines(command.examples)}", formatter_class=Help,
        )  # fmt: skip
        if name in names:
            module: Any = importlib.import_module(f".{command.module}", __package__)
            module.add_arguments(made[name])
            made[name].set_defaults(run=module.run)
    return parser, made


class Help(argparse.RawDescriptionHelpFormatter):
    """Breaks what describes a command to the terminal's width, and leaves the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _lines(examples: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"  fastact {example}" for example in examples)


def overview() -> str:
    """What `fastact` alone prints: each command, what it is for, and how it is called."""
    lines = [f"fastact {fa.__version__}: activation functions for NumPy arrays", ""]
    for name, command in COMMANDS.items():
        lines += [f"{name:<11} {command.help}", f"{'':<11} $ fastact {command.examples[0]}"]
    return "\n".join([*lines, "", "'fastact COMMAND --help' says more."])
