"""``fastact info``: what runs, for people or as JSON."""

from __future__ import annotations

import argparse
import json

import fastact as fa


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The option of ``fastact info``."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(fa.config(), indent=1))
    else:
        fa.show_config()
    return 0
