"""The way from a Python call to a kernel: the kernels of a CPU level, thread counts, and the short path of a call."""

cimport numpy as cnp
from call cimport (
    Added, Axis, Call, CheckedParameters, Choice, Entry, FASTACT_API, Function, Functions, Kernel, Numbers, Passing,
    Plan, Processors, Runs, Segment, Table, Work, add_ranges, any_scaled, available_threads, chained_rows,
    channel_range, copy_all, elements_in_runs, fastact_api, fastact_entry, fix_ways, kept_moments, known_choice,
    longest_half_row, move_centres, one_thread_will_do, outputs_in_runs, own_threads, positions_of,
    range_of, rows_at_once, rows_of_bundle, rows_side_by_side, samples_of, segment, segments_of, set_centres,
    set_distances, set_forms, set_gradients, set_judged, set_process_threads as store_process_threads,
    set_running_forms, settle_in, sums_of, take_part, take_samples, takes_whole_channels, total_of, trials, workers,
)
from cpython.contextvars cimport get_value
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cython.parallel cimport prange
from libc.math cimport INFINITY, NAN
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, strcmp
from views cimport (
    BFLOAT16, FLOAT16, FLOAT32, FLOAT64, UNKNOWN, along, alike, apart, disjoint, dtype_of, flat, flat_bits,
    know_bfloat16, output, plain, shaped, split,
)

import warnings
from contextvars import ContextVar

from numpy import float16, float32, float64, nditer

cnp.import_array()

cdef extern from "runtime/processor.hpp" namespace "fastact" nogil:
    int supported_level()
    const char* compiler()
    int openmp()

LONGEST_HALF_ROW = longest_half_row
KEPT_MOMENTS = kept_moments
"""So many numbers are known of a channel: mean, rstd, variance, and what the mean lost."""
WEIGHT_SPAN = segment
"""A parameter's gradient is summed over ranges of so many elements."""
TRIALS = trials
"""Large calls of a kernel, after which it is known how it goes through them."""
cdef const Table* table = NULL
cdef enum:
    MOST_RANGES = 64
RANGES_AT_ONCE = MOST_RANGES
"""So many ranges have their sums in memory at a time: enough for all threads, and little beside the array."""


def range_length(tuple axis):
    """Elements of the ranges over which the gradient of a bias is summed, along (outer, length, inner)."""
    cdef Axis seen
    seen.outer, seen.length, seen.inner = axis
    return range_of(seen, seen.outer * seen.length * seen.inner)


def load(capsule):
    """Take the kernels of one CPU level, a capsule made by its extension module."""
    global table, to_elements, to_gates, dropping, identity
    table = <const Table*>PyCapsule_GetPointer(capsule, "fastact.table")
    to_elements, to_gates = table.named(b"added"), table.named(b"added_gated")
    dropping, identity = table.named(b"dropout"), table.named(b"identity")


def processor_level():
    """The highest x86-64 level that this processor supports; 0 on other architectures."""
    return supported_level()


def build():
    """The compiler's version, the OpenMP specification's date (0: built without), and whose threads compute."""
    return compiler().decode(), openmp(), "fastact's" if own_threads else "the compiler's"


def threads():
    """The number of threads that a call from this thread may use."""
    return available_threads(scoped_threads())


def set_process_threads(int count):
    """Set the number of threads for the process."""
    store_process_threads(count)


def judge_threads(bint judge):
    """Whether threads are used where they have paid (True at first), or wherever there is work for them."""
    set_judged(judge)


def fix_passing(int way):
    """How arrays beyond the caches are gone through: 1 asks ahead, 2 streams, 3 both, 0 neither; -1: as measured."""
    fix_ways(way)


def passing_of(str name, str direction, int dtype, Py_ssize_t size, int result):
    """What was found of a kernel for arrays of so many bytes, whose results go in place (0), to memory that was written
    before (1) or that was not (2): its way, -1 while it is tried, and each way's time beside the best; None at first.
    """
    cdef const Entry* entry = table.named(name.encode())
    cdef const Work* work = &entry.forward
    if direction != "forward":
        work = &entry.backward_x if direction == "x" else &entry.backward_y
    cdef const Choice* choice = known_choice(work[0], dtype, size, result)
    if choice == NULL:
        return None
    return {"way": choice.chosen(), "loss": [choice.loss(way) for way in range(choice.ways())]}


def know_processors(processors, bint followed):
    """Take the processors of the process; `followed`: a thread that has others was narrowed to them."""
    cdef Processors known
    for processor in processors:
        known.add(processor)
    settle_in(known, followed)


def take_bfloat16(dtype):
    """Know the dtype that ml_dtypes calls bfloat16, which has another number in every process."""
    know_bfloat16(dtype.num)


include "scopes.pxi"
include "share.pxi"
include "added.pxi"
include "runs.pxi"
include "activation.pxi"
include "rows.pxi"
include "losses.pxi"
include "norms.pxi"
include "batch_norm.pxi"
include "cells.pxi"
include "layouts.pxi"
include "compiled.pxi"
