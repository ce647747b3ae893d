"""The processors that the process may use, read before this package's OpenMP runtime is loaded.

Under OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY GNU's runtime binds the thread that loads it to one
processor, and from then on that thread's affinity says nothing of the process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
"""Variables under which a runtime binds threads."""
RUNTIME = re.compile(r"/lib(gomp|omp|iomp5)\b[^/]*$")


def processors() -> frozenset[int]:
    """Those of the calling thread's affinity, and those that a runtime has bound it away from.

    Where a library that brings its own runtime (torch, scikit-learn) was imported before, the thread may be
    bound already. What its affinity was then is known to that runtime alone, as its places. The parent's
    affinity would be no answer, since ``taskset`` narrows a process below it; nor would the other threads',
    which were started before or after that and may be none.
    """
    if not hasattr(os, "sched_getaffinity"):
        return frozenset(range(os.cpu_count() or 1))
    own = frozenset(os.sched_getaffinity(0))
    may_be_bound = len(own) < (os.cpu_count() or 1) and any(map(os.environ.get, BINDING))
    return own | _places() if may_be_bound else own


def _places() -> frozenset[int]:
    """Processors of the places of every OpenMP runtime in this process; none where there is none."""
    found: set[int] = set()
    for path in runtimes():
        with suppress(ImportError, OSError, AttributeError):
            import ctypes  # not every Python has it

            # NOLOAD: what is not there has bound nothing.
            runtime = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
            for place in range(runtime.omp_get_num_places()):
                numbers = (ctypes.c_int * runtime.omp_get_place_num_procs(place))()
                runtime.omp_get_place_proc_ids(place, numbers)
                found.update(numbers)
    return frozenset(found)


def runtimes() -> set[str]:
    """The files of the OpenMP runtimes that are loaded."""
    try:
        with open("/proc/self/maps", errors="surrogateescape") as file:
            fields = [line.rstrip("\n").split(maxsplit=5) for line in file]
    except OSError:
        return set()
    return {words[5] for words in fields if len(words) == 6 and RUNTIME.search(words[5])}


@contextmanager
def restored() -> Iterator[None]:
    """The calling thread on all of AFFINITY for the ``with`` block, where another runtime has bound it.

    A runtime that is loaded takes the affinity of the thread for all there is, and would bind all of its own
    threads to the one processor.
    """
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else AFFINITY
    if before == AFFINITY:
        yield
        return
    with suppress(OSError):
        os.sched_setaffinity(0, AFFINITY)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


AFFINITY = processors()
"""Numbers of the processors, as the operating system counts them."""
