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
from collections.abc import Callable, Sequence
from functools import partial

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
    old = records.read(asked.output) if asked.activation and asked.output.exists() else None
    measured = _measuring(asked)(
        asked.activation or list(fa.activations), quick=asked.quick, finished=_said()
    )
    try:
        records.write(records.joined(old, measured) if old else measured, asked.output)
    except records.Differs as error:
        parser.error(f"what is in {asked.output} was measured otherwise: {error}; give another --output")
    return 0


def _measuring(asked: argparse.Namespace) -> Callable[..., records.Record]:
    if asked.record == records.ERRORS:
        return errors_over_x.measure
    sizes = asked.size or (speed_over_size.QUICK_SIZES if asked.quick else speed_over_size.SIZES)
    return partial(speed_over_size.measure, dtypes=asked.dtype, sizes=sizes)


def _said() -> Callable[[str], None]:
    start = time.monotonic()
    return lambda name: print(f"{time.monotonic() - start:6.1f} s  {name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
