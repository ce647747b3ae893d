"""``fastact bench``: its options, and which of the two reports they ask for."""

from __future__ import annotations

import argparse

import fastact as fa

from ..measure import work
from ..measure.peers import libraries, turns
from . import arguments as read
from . import plot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact bench``."""
    parser.description = (
        "Measure every activation, forward and backward, in place, against the best NumPy calls for the "
        "same and against the machine's bandwidth. Input is restored before every timed repetition."
    )
    sizes = ",".join(map(read.size_text, work.SIZES))
    read.add_activations(parser)
    parser.add_argument(
        "--dtype", type=read.list_of(read.dtype), default=work.DTYPES, metavar="DTYPE[,DTYPE]",
        help="float32, float64 (both by default), float16, bfloat16 (the package ml_dtypes has it)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=read.list_of(read.size), metavar="N[,N]",
        help=f"numbers of elements, K and M for 2^10 and 2^20 (default: {sizes})",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=read.list_of(read.threads),
        metavar="N[,N]", help=f"numbers of threads (default: 1 and all, here {fa.get_num_threads()})",
    )  # fmt: skip
    quick = ",".join(map(read.size_text, work.QUICK_SIZES))
    parser.add_argument(
        "--quick", action="store_true", help=f"under 20 seconds: fewer repetitions, sizes {quick}"
    )
    _add_peer_arguments(parser)
    parser.add_argument(
        "--json", type=read.new_file, metavar="FILE", help="write what was measured to this file"
    )


def _add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    peer_names = ",".join(libraries.PEERS)
    sizes, quick = (",".join(map(read.size_text, s)) for s in (turns.SIZES, turns.QUICK_SIZES))
    parser.add_argument(
        "--peers", type=read.list_of(read.one_of(libraries.PEERS)), nargs="?", const=libraries.PEERS,
        metavar="NAME[,NAME]", help="compare with these libraries instead, in place and out, each in its "
        f"own process (default: {peer_names}; sizes {sizes}, with --quick {quick} on all threads)",
    )  # fmt: skip
    parser.add_argument(
        "--plot", type=read.new_file_ending(plot.ENDINGS), metavar="FILE",
        help=f"with --peers: draw a picture per dtype, its name before {' or '.join(plot.ENDINGS)}",
    )  # fmt: skip
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    if arguments.plot and not arguments.peers:
        arguments.refuse("argument --plot: allowed with --peers only")
    # Both import rich, which may be missing.
    if arguments.peers:
        from . import peers_report as report
    else:
        from . import speed_report as report
    return report.run(arguments)
