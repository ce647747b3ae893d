"""``fastact bench``: its options, and which of the three reports they ask for."""

from __future__ import annotations

import argparse

import fastact as fa

from ..core.threads import MOST
from ..measure import busy, work
from ..measure.passes.forms import FORMS
from ..measure.peers import libraries, turns
from . import arguments as read
from . import peers_picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fastact bench``."""
    parser.description = (
        "Measure every activation, forward and backward, in place, against the best NumPy calls for the "
        "same and against the machine's bandwidth. Input is restored before every timed repetition. Passes "
        "around activations are measured alike where they are named, or with --passes, and so are "
        f"{', '.join(name for name in FORMS if '+' in name)}."
    )
    sizes = ",".join(map(read.size_text, work.SIZES))
    read.add_names(parser, FORMS)
    parser.add_argument(
        "--passes", action="store_true", help="all passes, instead of the activations where none is named"
    )
    parser.add_argument(
        "--dtype", type=read.list_of(read.dtype), metavar="DTYPE[,DTYPE]",
        help="float32, float64 (both by default), float16, bfloat16 (the package ml_dtypes has it)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=read.list_of(read.size), metavar="N[,N]",
        help="numbers of elements, of passes those of the scores, logits or gates, K and M for 2^10 and 2^20 "
        f"(default: {sizes})",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=read.list_of(read.whole(1, MOST)),
        metavar="N[,N]", help=f"numbers of threads (default: 1 and all, here {fa.get_num_threads()})",
    )  # fmt: skip
    quick = ",".join(map(read.size_text, work.QUICK_SIZES))
    parser.add_argument(
        "--quick", action="store_true", help=f"under 20 seconds: fewer repetitions, sizes {quick}"
    )
    parser.add_argument(
        "--details", action="store_true", help="print every figure, and not the summary of them alone"
    )
    _add_peer_arguments(parser)
    _add_busy_argument(parser)
    parser.add_argument(
        "--json", type=read.new_file, metavar="FILE", help="write what was measured to this file"
    )


def _add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    peer_names = ",".join(libraries.PEERS)
    chosen, quick, sizes = (
        ",".join(map(read.size_text, s)) for s in (turns.CHOSEN_SIZES, turns.QUICK_SIZES, turns.SIZES)
    )
    parser.add_argument(
        "--peers", type=read.list_of(read.one_of(libraries.PEERS)), nargs="?", const=libraries.PEERS,
        metavar="NAME[,NAME]", help="compare with these libraries instead, in place and out, each in its "
        f"own process (default: {peer_names}; {len(turns.CHOSEN)} activations, sizes {chosen}, on all "
        f"threads, at levels v4 and v3 where there are both, within {turns.WITHIN / 60:g} minutes; with "
        f"--quick {quick})",
    )  # fmt: skip
    parser.add_argument(
        "--full", action="store_true",
        help=f"with --peers: all activations, sizes {sizes}, one thread too: hours",
    )  # fmt: skip
    parser.add_argument(
        "--record",
        type=read.folder,
        metavar="FOLDER",
        help="with --peers: write what was measured there, to a file named by processor and day",
    )
    parser.add_argument(
        "--plot", type=read.new_file_ending(peers_picture.ENDINGS), metavar="FILE",
        help=f"with --peers: draw a picture per dtype, its name before {' or '.join(peers_picture.ENDINGS)}",
    )  # fmt: skip
    parser.set_defaults(refuse=parser.error)


def _add_busy_argument(parser: argparse.ArgumentParser) -> None:
    sizes, names = ",".join(map(read.size_text, busy.SIZES)), ",".join(busy.ACTIVATIONS)
    parser.add_argument(
        "--busy", type=read.whole(0, MOST), metavar="N",
        help="compare the default threads with one instead, in turns beside N processes that do nothing but "
        f"compute (default: {names}; {','.join(busy.DTYPES)}; sizes {sizes})",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    if arguments.busy is not None:
        for option in ("peers", "plot", "threads"):
            if getattr(arguments, option):
                arguments.refuse(f"argument --{option}: not allowed with --busy")
    for option in ("plot", "full", "record"):
        if getattr(arguments, option) and not arguments.peers:
            arguments.refuse(f"argument --{option}: allowed with --peers only")
    if arguments.passes:
        arguments.activation = [*arguments.activation, *FORMS]
    # Each imports rich, which may be missing.
    if arguments.busy is not None:
        from . import busy_report as report
    elif arguments.peers:
        from . import peers_report as report
    else:
        from . import speed_report as report
    return report.run(arguments)
