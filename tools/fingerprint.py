"""Fingerprints of every kernel's output: whether a change of the house kept every bit.

A line for each activation, direction, dtype, layout, CPU level and thread count, with the hash of what the
call gave. Written before a change and compared after it:

    python tools/fingerprint.py --write before.txt
    python tools/fingerprint.py before.txt

Every level that the processor runs is hashed in a process of its own. The inputs are made of integers, so
they are the same wherever the two are run. `--plain` leaves out what changes no formula, layouts and threads,
and with it most of the time; `.ci/nightly aarch64` compares two processors so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastact as fa
from fastact import _dispatch

THREADS = (1, 2, 3)
NEEDS: dict[str, list[dict[str, Any]]] = {
    "channels": [{"weight": 0.3}, {}],  # one weight; one per position (`calls`)
    "random": [{"seed": None}, {"seed": 7}],
    "random_rows": [{"seed": 7}, {"seed": 7, "hard": True}],
    "pieces": [{"pieces": 2}, {"pieces": 4}],
}
"""What a kind's calls are given: every way that leads to another kernel."""
OTHERS: dict[str, list[dict[str, Any]]] = {
    "softmax": [{"temperature": 0.7}],
    "gelu": [{"approximate": "tanh"}],
    "swish": [{"beta_grad": True}],
}
"""Calls of single activations that lead to another kernel or formula."""

SHAPES = ((16,), (3, 5, 8), (1021,), (24, 3072), (128, 8, 64), (2, 40_000), (130_000,))
"""From one vector to arrays that threads share; rows short, whole in a buffer, and long enough to share."""


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Numbers of both signs, most of them near 0; the same for a seed on every machine.

    Products, since a power is another number where NumPy was built for another processor.
    """
    count = int(np.prod(shape))
    integers = np.arange(count, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 40503)
    unit = (integers % np.uint64(65521)).astype(np.float64) / 32760.5 - 1
    return (6 * (unit * unit * unit) + unit).reshape(shape).astype(dtype)


def strided(array: np.ndarray) -> np.ndarray:
    """The same numbers, two steps apart and backwards in memory."""
    room = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    view = room[..., ::-2]
    view[...] = array
    return view


def offset(array: np.ndarray) -> np.ndarray:
    """The same numbers, one element behind where an array begins."""
    room = np.empty(array.size + 1, array.dtype)[1:].reshape(array.shape)
    room[...] = array
    return room


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a.copy(),
    "fortran": lambda a: np.asfortranarray(a),
    "strided": strided,
    "offset": offset,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()) if a.dtype.kind == "f" else a.copy(),
}
WAYS = [("plain", "new"), ("plain", "in place"), *((layout, "out") for layout in LAYOUTS)]
"""How the arrays lie, and where the result goes."""


def hashed(
    call: Callable[..., Any],
    arrays: list[np.ndarray],
    arranged: Callable[[np.ndarray], np.ndarray],
    output: str,
) -> str:
    """The hash of what a call gives; empty where nothing it is given has the shape of its result."""
    given = [arranged(a) for a in arrays]
    if output == "new":
        result = call(*given)
    else:
        like = call(*arrays)
        main = like[0] if isinstance(like, tuple) else like
        target = next((a for a in reversed(given) if a.shape == main.shape and a.dtype == main.dtype), None)
        if output == "in place" and target is None:
            return ""
        result = call(*given, out=target if output == "in place" else arranged(np.zeros_like(main)))
    bits = hashlib.blake2b(digest_size=6)
    for part in map(np.asarray, result if isinstance(result, tuple) else (result,)):
        bits.update(f"{part.dtype}{part.shape}".encode() + part.tobytes())
    return bits.hexdigest()


def calls(row: Any, shape: tuple[int, ...], dtype: str) -> Iterator[tuple[str, Any, list[np.ndarray]]]:
    """Every way to call an activation: its name, the call, and the arrays it is given."""
    activation = fa.activations[row.name]
    x = values(shape, dtype, 1)
    along_axis = row.kind not in ("elementwise", "random")
    for axis in range(-len(shape), 0) if along_axis else (None,):
        along = {} if axis is None else {"axis": axis}
        for needs in [*NEEDS.get(row.kind, [{}]), *OTHERS.get(row.name, ())]:
            given = {**row.required, **needs, **along}
            extent = shape[axis] if axis is not None else 1
            if row.kind == "channels" and not needs:
                given["weight"] = values((extent,), "float64" if dtype == "float64" else "float32", 3)
            if extent % given.get("pieces", 2 if row.kind == "gated" else 1):
                continue
            text = ",".join(f"{k}={v}" for k, v in given.items() if np.ndim(v) == 0)
            yield from directions(row, activation, x, given, f"{row.name}({text})")


def directions(
    row: Any, activation: Any, x: np.ndarray, given: dict[str, Any], text: str
) -> Iterator[tuple[str, Any, list[np.ndarray]]]:
    forward = {name: value for name, value in given.items() if name != "beta_grad"}
    y = np.asarray(activation(x, **forward))
    dy = values(y.shape, x.dtype.name, 2)
    yield f"{text} forward", lambda x, out=None: activation(x, **forward, out=out), [x]
    if row.kind == "pieces":
        which = activation(x, **forward, return_which=True)[1]
        yield f"{text} which", lambda x, out=None: activation(x, **forward, out=out, return_which=True), [x]
        yield (
            f"{text} backward which",
            lambda dy, which, out=None: activation.backward(dy, which=which, **given, out=out),
            [dy, which],
        )
    for saved in ("x",) if given.get("hard") else row.saves:
        yield (
            f"{text} backward {saved}",
            lambda dy, kept, out=None, saved=saved: activation.backward(
                dy, **{saved: kept}, **given, out=out
            ),
            [dy, x if saved == "x" else y],
        )


def fingerprints(plain: bool) -> Iterator[str]:
    """The lines of this process's level."""
    level = fa.config()["level"]
    ways, counts = (WAYS[:1], THREADS[:1]) if plain else (WAYS, THREADS)
    for row in (activation.row for activation in fa.activations.values()):
        for dtype in ("float32", "float64", "float16", "bfloat16"):
            for shape in SHAPES:
                for text, call, arrays in calls(row, shape, dtype):
                    size = "x".join(map(str, shape))
                    for layout, output in ways:
                        for threads in counts if np.prod(shape) > 512 else counts[:1]:
                            fa.set_num_threads(threads)
                            bits = hashed(call, arrays, LAYOUTS[layout], output)
                            if bits:
                                where = f"{layout}, {output}, {threads} threads"
                                yield f"{level} {text} {dtype} {size} {where}: {bits}"


def of_every_level(plain: bool) -> list[str]:
    """The lines of all levels, each from a process of its own."""
    lines: list[str] = []
    for level in fa.config()["levels"]:  # type: ignore[attr-defined]
        environment = {**os.environ, "FASTACT_CPU": "" if level == "base" else level}
        output = subprocess.run(
            [sys.executable, __file__, "--this-level", *(["--plain"] if plain else [])],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        lines += output.splitlines()
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write or compare the fingerprints of every kernel's output."
    )
    parser.add_argument("before", type=Path, nargs="?", help="a file of fingerprints to compare with")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write them to this file instead")
    parser.add_argument("--this-level", action="store_true", help="print those of this process's level")
    parser.add_argument("--plain", action="store_true", help="new results of plain arrays, on one thread")
    arguments = parser.parse_args()
    if arguments.this_level:
        _dispatch.judge_threads(False)  # several threads compute where several are asked for
        import ml_dtypes  # noqa: F401  NumPy learns bfloat16 from it

        for line in fingerprints(arguments.plain):
            print(line)
        return 0
    if (arguments.before is None) == (arguments.write is None):
        parser.error("give a file to compare with, or --write FILE")
    lines = of_every_level(arguments.plain)
    if arguments.write:
        arguments.write.write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} fingerprints written")
        return 0
    now, before = (
        dict(line.rsplit(": ", 1) for line in text)
        for text in (lines, arguments.before.read_text().splitlines())
    )
    changed = [name for name in before if now.get(name) != before[name]]
    print("\n".join(changed[:40]))
    new = len(now.keys() - before.keys())
    print(f"{len(before)} fingerprints compared, {len(changed)} differ, {new} are new")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
