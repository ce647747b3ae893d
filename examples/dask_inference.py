"""A network over an array that need not fit into memory, chunk by chunk, with dask.

    python examples/dask_inference.py
    python examples/dask_inference.py --rows 2_000_000 --chunk 50_000 --workers 2

The layers are written as for an ndarray: dask's arrays go through fastact as they go through NumPy, and
nothing is computed before it is asked for. With ``--workers`` the chunks are computed by processes of their
own, as they would be on other machines.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter
from typing import Any

import numpy as np

import fastact as fa

FEATURES, HIDDEN, CLASSES = 64, 256, 10


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """A network of three layers, as a training would leave it."""
    rng = np.random.default_rng(1)
    sizes = [(FEATURES, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, CLASSES)]
    return [
        (rng.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32), np.zeros(m, np.float32)) for n, m in sizes
    ]


def network(x: Any, layers: list[tuple[np.ndarray, np.ndarray]]) -> Any:
    """Probabilities of the classes: of an ndarray at once, of a dask array when they are asked for."""
    for weight, bias in layers[:-1]:
        x = fa.gelu(x @ weight + bias)
    weight, bias = layers[-1]
    return fa.softmax(x @ weight + bias, axis=1)


def main() -> None:
    options = arguments()
    try:
        import dask.array
    except ImportError:
        sys.exit("this example needs dask; install it with: pip install 'dask[array]'")
    layers = weights()
    random: Any = dask.array.random
    rows = random.default_rng(2).standard_normal(
        (options.rows, FEATURES), dtype=np.float32, chunks=(options.chunk, FEATURES)
    )
    probabilities = network(rows, layers)
    print(f"{probabilities.shape[0]:,} rows in {probabilities.npartitions} chunks, {probabilities.dtype}")

    sure = (probabilities.max(axis=1) > 0.5).mean()
    share, seconds = on_workers(sure, options.workers) if options.workers else on_threads(sure)
    print(f"{share:.1%} of the rows have a class of more than one half, in {seconds:.1f} s")

    first = rows[: min(100, options.chunk)]
    assert np.allclose(network(first, layers).compute(), network(first.compute(), layers), rtol=1e-5)
    print("the first rows have the probabilities that NumPy's arrays give")


def on_threads(value: Any) -> tuple[float, float]:
    """What is asked for, computed by threads of this process, and the seconds that it took."""
    from dask import diagnostics

    progress: Any = diagnostics
    with progress.ProgressBar():
        start = perf_counter()
        return float(value.compute()), perf_counter() - start


def on_workers(value: Any, workers: int) -> tuple[float, float]:
    """The same, computed by processes on this machine."""
    try:
        import distributed
    except ImportError:
        sys.exit("--workers needs dask's scheduler; install it with: pip install distributed")
    processes: Any = distributed
    cluster = processes.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
    with cluster, processes.Client(cluster) as client:
        start = perf_counter()
        future = client.compute(value)
        processes.progress(future)
        share, seconds = float(future.result()), perf_counter() - start
    print()
    return share, seconds


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Classify rows of an array chunk by chunk.")
    parser.add_argument("--rows", type=positive, default=400_000, help="rows of the input (%(default)s)")
    parser.add_argument("--chunk", type=positive, default=20_000, help="rows of a chunk (%(default)s)")
    parser.add_argument("--workers", type=positive, help="processes to compute with; without, threads do")
    return parser.parse_args()


def positive(word: str) -> int:
    digits = word.replace("_", "")
    if not digits.isdigit() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{word!r}: allowed are whole numbers from 1")
    return int(digits)


if __name__ == "__main__":
    main()
