"""Arrays whose first or last element touches a page that nobody may touch: who does, ends the process."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterable

import numpy as np
from around import EXAMPLES
from cases import CASES, DTYPES, IN_GROUPS, same_bits

PAGES = 12
"""Between two pages that are forbidden; enough for the largest array of `check`, in its widest placement."""
PROT_NONE = 0

Place = Callable[["Guarded", np.ndarray], np.ndarray]


class Guarded:
    """Memory between two forbidden pages."""

    def __init__(self) -> None:
        size = (PAGES + 2) * mmap.PAGESIZE
        self._mapped = mmap.mmap(-1, size)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._mapped))
        libc = ctypes.CDLL(None, use_errno=True)
        for page in (start, start + size - mmap.PAGESIZE):
            if libc.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.bytes = np.frombuffer(self._mapped, np.uint8)[mmap.PAGESIZE : -mmap.PAGESIZE]

    def first(self, shape, dtype) -> np.ndarray:
        """An array that begins where the first forbidden page ends."""
        return self.bytes[: _size(shape, dtype)].view(dtype).reshape(shape)

    def last(self, shape, dtype) -> np.ndarray:
        """One that ends where the last forbidden page begins."""
        return self.bytes[self.bytes.size - _size(shape, dtype) :].view(dtype).reshape(shape)


def _size(shape, dtype) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize


def _every_other(memory: Guarded, array: np.ndarray) -> np.ndarray:
    """A stride between all elements, and nothing between the last one and the page."""
    if not array.ndim or not array.size:
        return memory.last(array.shape, array.dtype)
    whole = memory.last((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    return whole[..., 1::2]


def _columns(memory: Guarded, array: np.ndarray) -> np.ndarray:
    """The last columns of a wider matrix."""
    if not array.ndim:
        return memory.last((), array.dtype)
    return memory.last((*array.shape[:-1], array.shape[-1] + 5), array.dtype)[..., 5:]


def _unaligned(memory: Guarded, array: np.ndarray) -> np.ndarray:
    """One byte after the first forbidden page."""
    return memory.bytes[1 : 1 + array.nbytes].view(array.dtype).reshape(array.shape)


PLACES: dict[str, Place] = {
    "end": lambda memory, array: memory.last(array.shape, array.dtype),
    "start": lambda memory, array: memory.first(array.shape, array.dtype),
    "every other": _every_other,
    "columns": _columns,
    "unaligned": _unaligned,
}


class Pool:
    """Guarded memory for each array of a call."""

    def __init__(self) -> None:
        self._memory: list[Guarded] = []

    def placed(self, place: Place, arrays: Iterable[np.ndarray], first: int = 0) -> list[np.ndarray]:
        views = []
        for number, array in enumerate(arrays, first):
            while len(self._memory) <= number:
                self._memory.append(Guarded())
            views.append(place(self._memory[number], array))
            views[-1][...] = array
        return views


def check(lengths: Iterable[int]) -> int:
    """Every activation and pass, direction, dtype and place, at these lengths; how many calls that were."""
    pool = Pool()
    lengths = list(lengths)
    return sum(_activations(pool, length) + _passes(pool, length) for length in lengths)


def _activations(pool: Pool, length: int) -> int:
    calls = 0
    for case in CASES:
        for shape in ((length,), (3, length)):
            if not length and (case in IN_GROUPS or case.row.shape.along_axis):
                continue
            for dtype in DTYPES:
                arrays = case.draw(shape, dtype)
                expected = case(*arrays)
                for name, place in PLACES.items():
                    moved = pool.placed(place, arrays)
                    (out,) = pool.placed(place, [np.zeros_like(expected)], len(moved))
                    case(*moved, out=out)
                    results = [out, case(*moved)]
                    if case.keeps_shape:
                        results.append(case(*moved, out=moved[-1]))
                    assert all(same_bits(r, expected) for r in results), (str(case), shape, dtype, name)
                    calls += len(results)
    return calls


def _passes(pool: Pool, length: int) -> int:
    calls = 0
    for example in EXAMPLES if length else ():
        for dtype in DTYPES:
            arrays = example.draw(dtype, (3,), length)
            expected = [np.asarray(result) for result in example(arrays)]
            for name, place in PLACES.items():
                moved = dict(zip(arrays, pool.placed(place, arrays.values()), strict=True))
                results = [np.asarray(result) for result in example(moved)]
                assert all(map(same_bits, results, expected)), (str(example), length, dtype, name)
                outs = pool.placed(place, [np.zeros_like(expected[k]) for k in example.out], len(moved))
                if outs:
                    example.into(moved, dict(zip(example.out, outs, strict=True)))
                    same = [same_bits(out, expected[k]) for out, k in zip(outs, example.out, strict=True)]
                    assert all(same), (str(example), length, dtype, name, "out")
                calls += 2
    return calls
