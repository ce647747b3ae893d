"""Writes the records under docs/measured/ that the pages' figures and tables are drawn from.

``python docs/measure.py errors`` takes a quarter of a minute, ``python docs/measure.py speed`` ten minutes on
a machine that does nothing else. Both need SciPy and torch (``pip install 'fastact[peers]'``).

``--activation NAME,NAME`` measures these anew and leaves the others of the record, which must have been
measured alike. More of everything: ``speed --dtype float32,float64 --size 16,1K,16K,32M``; without
``--activation`` that begins a new record. ``--output FILE`` writes elsewhere, for trying, as ``--quick`` is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from website import errors_over_x, records, speed_over_size

import fastact as fa
from fastact.command import arguments as read


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    kinds = parser.add_subparsers(dest="record", required=True)
    for kind in (records.ERRORS, records.SPEED):
        own = kinds.add_parser(kind)
        read.add_activations(own)
        own.add_argument("--quick", action="store_true", help="seconds, and figures that are worth as much")
        own.add_argument("--output", type=read.new_file, metavar="FILE", default=records.path_of(kind))
    own.add_argument(
        "--dtype", type=read.list_of(read.dtype), metavar="DTYPE[,DTYPE]", default=speed_over_size.DTYPES
    )
    own.add_argument(
        "--size", type=read.list_of(read.size), metavar="N[,N]", help="K and M for 2^10 and 2^20"
    )
    return _run(parser, parser.parse_args(words))


def _run(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    names = [name for name in fa.activations if not asked.activation or name in asked.activation]
    head, measured = _measuring(names, asked)
    activations = {}
    if asked.activation and asked.output.exists():
        old = records.read(asked.output)
        try:
            records.check_alike(old, head)
        except records.Differs as error:
            parser.error(f"{asked.output} was measured otherwise: {error}; give another --output")
        activations = old["activations"]
    start = time.monotonic()
    for name, found in measured:
        activations[name] = found
        print(f"{time.monotonic() - start:6.1f} s  {name}", file=sys.stderr)
    records.write(records.record_of(head, activations), asked.output)
    return 0


def _measuring(
    names: Sequence[str], asked: argparse.Namespace
) -> tuple[records.Record, Iterator[tuple[str, dict[str, Any]]]]:
    """What the record says of all, and what it will say of each, which is measured as it is asked for."""
    if asked.record == records.ERRORS:
        head = errors_over_x.head(asked.quick)
        return head, errors_over_x.measure(names, head["numbers"])
    sizes = asked.size or (speed_over_size.QUICK_SIZES if asked.quick else speed_over_size.SIZES)
    head = speed_over_size.head(sizes, asked.quick)
    return head, speed_over_size.measure(names, asked.dtype, sizes, head["rounds"])


if __name__ == "__main__":
    sys.exit(main())
