"""The way from a Python call to a kernel: the kernels of a CPU level, thread counts, and the short path of a call."""

cimport numpy as cnp
from call cimport (
    Call, CheckedParameters, Entry, Kernel, Plan, Segment, Table, Work, current_threads, exchange_scoped_threads,
    longest_half_row, plan, sample_size, segment, set_count, watch_forks,
)
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange
from libc.math cimport NAN
from libc.stdlib cimport free, malloc
from views cimport (
    FLOAT16, FLOAT32, FLOAT64, UNKNOWN, along, alike, disjoint, dtype_of, flat, flat_bits,
    know_bfloat16, output, plain, split,
)

cnp.import_array()

cdef extern from "runtime/processor.hpp" namespace "fastact" nogil:
    int supported_level()
    const char* compiler()
    int openmp()

LONGEST_HALF_ROW = longest_half_row
WEIGHT_SPAN = segment
"""A parameter's gradient is summed over ranges of so many elements."""
cdef enum:
    MOST_RANGES = 64
RANGES_AT_ONCE = MOST_RANGES
"""So many ranges have their sums in memory at a time: enough for all threads, and little beside the array."""

cdef const Table* table = NULL

watch_forks()


def load(capsule):
    """Take the kernels of one CPU level, a capsule made by its extension module."""
    global table
    table = <const Table*>PyCapsule_GetPointer(capsule, "fastact.table")


def processor_level():
    """The highest x86-64 level that this processor supports; 0 on other architectures."""
    return supported_level()


def build():
    """The compiler's version and the OpenMP specification's date (0: built without)."""
    return compiler().decode(), openmp()


def threads():
    """The number of threads that a call from this thread may use."""
    return current_threads()


def set_process_threads(int count):
    """Set the number of threads for the process."""
    set_count(count)


def set_scoped_threads(int count):
    """Set the number of threads for the calling thread alone, 0 to undo; gives the one before."""
    return exchange_scoped_threads(count)


def take_bfloat16(dtype):
    """Know the dtype that ml_dtypes calls bfloat16, which has another number in every process."""
    know_bfloat16(dtype.num)


include "share.pxi"
include "activation.pxi"
