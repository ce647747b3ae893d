"""The command ``fastact``: its arguments, and the tables it prints."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import fastact as fa

from . import arguments as read

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
    if name == "bench":
        _add_bench_arguments(parser)
        return bench
    accuracy = importlib.import_module("fastact.accuracy")
    accuracy.add_arguments(parser)
    return accuracy.main


def _add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    from . import bench as measurement

    parser.description = (
        "Measure every activation, forward and backward, in place, against the best NumPy calls for the "
        "same and against the machine's bandwidth. Input is restored before every timed repetition."
    )
    sizes = ",".join(map(read.size_text, measurement.SIZES))
    read.add_activations(parser)
    parser.add_argument(
        "--dtype", type=read.list_of(read.dtype_of(measurement.DTYPES + measurement.HALVES)),
        default=measurement.DTYPES, metavar="DTYPE[,DTYPE]",
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
    quick = ",".join(map(read.size_text, measurement.QUICK_SIZES))
    parser.add_argument(
        "--quick", action="store_true", help=f"under 20 seconds: fewer repetitions, sizes {quick}"
    )
    _add_peer_arguments(parser)
    parser.add_argument(
        "--json", type=read.new_file, metavar="FILE", help="write what was measured to this file"
    )


def _add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    from . import libraries, peers, plot

    peer_names = ",".join(libraries.PEERS)
    sizes, quick = (",".join(map(read.size_text, s)) for s in (peers.SIZES, peers.QUICK_SIZES))
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


def bench(arguments: argparse.Namespace) -> int:
    """``fastact bench``: a progress bar, then the table."""
    if arguments.peers:
        return bench_peers(arguments)
    if arguments.plot:
        arguments.refuse("argument --plot: allowed with --peers only")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from . import bench as measurement

    sizes = arguments.size or (measurement.QUICK_SIZES if arguments.quick else measurement.SIZES)
    cells = measurement.cells(arguments.activation, arguments.dtype, sizes)
    threads = arguments.threads or sorted({1, fa.get_num_threads()})
    seconds = measurement.seconds_per_figure(arguments.quick, len(cells) * (len(threads) + 1))
    comparison = measurement.Comparison(threads, seconds)
    results: list[measurement.Measurement] = []
    busy = _busy_processors()
    columns = TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(cells))
        for cell in cells:
            progress.update(
                task,
                description=f"{cell.row.name} {cell.direction} {cell.dtype} {read.size_text(cell.size)}",
            )
            results += comparison.measure(cell)
            progress.advance(task)
    _print_results(results, threads)
    _say_busy(busy)
    _write_json(arguments.json, results)
    return 0


def bench_peers(arguments: argparse.Namespace) -> int:
    """``fastact bench --peers``: a progress bar, the table and the summary, and the pictures."""
    from . import peers, peers_report, plot

    packages = [*peers.missing(arguments.peers), *(plot.missing() if arguments.plot else ())]
    if packages:
        print(
            f"fastact bench needs {', '.join(packages)}; install it with: pip install 'fastact[peers]'",
            file=sys.stderr,
        )
        return 1
    busy = _busy_processors()
    run = peers.Run.chosen(
        arguments.activation, arguments.dtype, arguments.size, arguments.threads, quick=arguments.quick
    )
    try:
        measured = peers_report.with_progress(run, arguments.peers)
    except peers.WorkerEnded as error:
        print(f"fastact bench: {error}", file=sys.stderr)
        return 1
    peers_report.show(measured, machine())
    _say_busy(busy)
    limits = peers.limits(run)
    _write_json(arguments.json, measured, peers=peers.versions(arguments.peers), limits=limits)
    if arguments.plot:
        for path in plot.draw(measured, limits, machine(), arguments.plot):
            print(f"wrote {path}")
    return 0


def _say_busy(processors: float) -> None:
    if processors >= 0.5:
        print(
            f"Other processes kept {processors:.1f} processors busy when this began: figures suffer, "
            "those of several threads most (each call waits for its slowest thread)."
        )


def _write_json(file: Path | None, measured: Sequence[Any], **more: Any) -> None:
    if file:
        record = {"machine": machine(), **fa.config(), **more, "measurements": [asdict(m) for m in measured]}
        file.write_text(json.dumps(record, indent=1) + "\n")


def _busy_processors() -> float:
    """Mean number of busy processors in the last minute, where the system tells it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def machine() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _print_results(results: Sequence[Any], threads: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table

    from .bench import geometric_mean

    console = Console()
    if not console.is_terminal:
        console = Console(width=60 + 34 * len(threads))
    table = Table(
        title=f"fastact {fa.__version__} in place, {machine()}, level {fa.config()['level']}",
        caption="× NumPy: how many times faster than the best NumPy calls in place, on one thread. "
        "% scale: GB/s as a share of a plain scale in place of the same array.",
    )
    for name in ("activation", "direction", "dtype"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right")
    for count in threads:
        for name in (f"{_plural(count)}: ns/element", "GB/s", "× NumPy", "% scale"):
            table.add_column(name, justify="right")
    for activation, group in groupby(results, key=lambda m: m.activation):
        for (direction, saves, dtype, size), figures in groupby(
            group, key=lambda m: (m.direction, m.saves, m.dtype, m.size)
        ):
            label = f"{direction} {saves}=" if saves else direction
            cells = [text for m in figures for text in _figures(m)]
            table.add_row(activation, label, dtype, read.size_text(size), *cells)
        table.add_section()
    console.print(table)
    for count in threads:
        mean = geometric_mean([m.speedup_over_numpy for m in results if m.threads == count])
        console.print(f"{_plural(count)}: {mean:.1f} times NumPy's speed in the geometric mean")


def _figures(m: Any) -> tuple[str, ...]:
    return (
        f"{m.ns_per_element:.3f}",
        f"{m.gb_per_s:.1f}",
        "–" if m.speedup_over_numpy is None else f"{m.speedup_over_numpy:.1f}",
        f"{100 * m.bandwidth_share:.0f}",
    )


def _plural(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"
