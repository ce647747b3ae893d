"""The way from a Python call to a kernel: CPU level, threads, and the short path of a call.

The class `Kernel` answers the common call (NumPy arrays, contiguous, native, of
one float dtype) right here. Whatever it does not recognise goes to the methods
`_forward` and `_backward` of its Python subclass, which see every case and raise
every error (``fastact/activation.py``).
"""

cimport numpy as cnp
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange
from libc.math cimport NAN
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

cnp.import_array()

cdef extern from "tables.hpp" namespace "fastact" nogil:
    struct Axis:
        Py_ssize_t outer, length, inner
    ctypedef void (*Forward)(const double*, const void*, void*, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*Backward)(
        const double*, const void*, const void*, void*, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*ParameterGradient)(
        const double*, const void*, const void*, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t,
        Py_ssize_t) noexcept nogil
    struct Place:
        Py_ssize_t index, step
    struct Shared:
        pass
    Py_ssize_t segment, staged
    ctypedef void (*RowsForward)(
        const double*, const void*, void*, Axis, Place, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*RowsBackward)(
        const double*, const void*, const void*, void*, Axis, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*RowForward)(
        const double*, const void*, void*, Py_ssize_t, Place, int, Shared*, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*RowBackward)(
        const double*, const void*, const void*, void*, Py_ssize_t, int, Shared*, Py_ssize_t,
        Py_ssize_t) noexcept nogil
    ctypedef void (*ChannelsForward)(
        const void*, const void*, void*, Axis, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*ChannelsBackward)(
        const void*, const void*, const void*, void*, Axis, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*ChannelsGradient)(
        const void*, const void*, double*, Axis, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
        Py_ssize_t) noexcept nogil
    ctypedef void (*PiecesForward)(
        const void*, void*, int*, Axis, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*PiecesBackward)(
        const void*, const void*, const int*, void*, Axis, Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*GatedForward)(const void*, void*, Axis, Py_ssize_t, Py_ssize_t) noexcept nogil
    ctypedef void (*GatedBackward)(
        const void*, const void*, void*, Axis, Py_ssize_t, Py_ssize_t) noexcept nogil
    struct Elementwise:
        const char* name
        Forward forward[4]
        Backward backward_x[4]
        Backward backward_y[4]
        ParameterGradient parameter_gradient[2]
    struct Rows:
        const char* name
        RowsForward forward[4]
        RowsBackward backward[4]
        RowForward share_forward[2]
        RowBackward share_backward[2]
    struct Gated:
        const char* name
        GatedForward forward[4]
        GatedBackward backward[4]
    cppclass Entries[Entry]:
        const Entry* named(const char*)
    cppclass Tables:
        Entries[Elementwise] elementwise
        Entries[Rows] rows
        Entries[Gated] gated
        ChannelsForward prelu[4]
        ChannelsBackward prelu_backward[4]
        ChannelsGradient prelu_gradient[4]
        PiecesForward maxout[2]
        PiecesBackward maxout_backward[2]

cdef extern from "processor.hpp" namespace "fastact" nogil:
    int supported_level()
    const char* compiler()
    int openmp()
    int current_threads()
    void watch_forks()
    int scoped_threads
    void store_threads "fastact::process_threads.store" (int)
    # One template, of which Cython has to know each form by another name.
    float elements_cost "fastact::measured_cost" (
        Py_ssize_t, Forward, const double*, const void*, void*, int, Py_ssize_t)
    float elements_backward_cost "fastact::measured_cost" (
        Py_ssize_t, Backward, const double*, const void*, const void*, void*, int, Py_ssize_t)
    float rows_cost "fastact::measured_cost" (
        Py_ssize_t, RowsForward, const double*, const void*, void*, Axis, Place, int, int)
    float rows_backward_cost "fastact::measured_cost" (
        Py_ssize_t, RowsBackward, const double*, const void*, const void*, void*, Axis, int, int)
    float gated_cost "fastact::measured_cost" (Py_ssize_t, GatedForward, const void*, void*, Axis, int, Py_ssize_t)
    float gated_backward_cost "fastact::measured_cost" (
        Py_ssize_t, GatedBackward, const void*, const void*, void*, Axis, int, Py_ssize_t)
    float prelu_cost "fastact::measured_cost" (
        Py_ssize_t, ChannelsForward, const void*, const void*, void*, Axis, int, Py_ssize_t)
    float prelu_backward_cost "fastact::measured_cost" (
        Py_ssize_t, ChannelsBackward, const void*, const void*, const void*, void*, Axis, int, Py_ssize_t)
    float prelu_gradient_cost "fastact::measured_cost" (
        Py_ssize_t, ChannelsGradient, const void*, const void*, double*, Axis, int, Py_ssize_t, Py_ssize_t, int, int)
    float maxout_cost "fastact::measured_cost" (
        Py_ssize_t, PiecesForward, const void*, void*, int*, Axis, int, int, Py_ssize_t)
    float maxout_backward_cost "fastact::measured_cost" (
        Py_ssize_t, PiecesBackward, const void*, const void*, const int*, void*, Axis, int, int, Py_ssize_t)

include "parallel.pxi"

LONGEST_HALF_ROW = staged

cdef const Tables* tables = NULL

watch_forks()


def load(capsule):
    """Take the kernels of one CPU level, a capsule made by its extension module."""
    global tables
    tables = <const Tables*>PyCapsule_GetPointer(capsule, "fastact.tables")


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
    store_threads(count)


def set_scoped_threads(int count):
    """Set the number of threads for the calling thread alone, 0 to undo; gives the one before."""
    global scoped_threads
    before = scoped_threads
    scoped_threads = count
    return before


# A thread is worth waking for this many nanoseconds of work: entering a parallel
# region costs about two microseconds.
cdef float SHARE_NS = 4000
# Below this many elements, releasing the GIL costs more than it gives.
cdef Py_ssize_t GIL_SIZE = 2048


cdef inline int threads_for_cost(Py_ssize_t size, float cost) noexcept:
    cdef int available = current_threads()
    cdef float shares = size * cost / SHARE_NS
    if available == 1 or shares < 2:
        return 1
    return available if shares >= available else <int>shares


cdef inline int no_more_than(Py_ssize_t units, int threads) noexcept:
    return threads if units >= threads else <int>units


cdef inline bint shares_rows(Axis axis, int threads, int available) noexcept:
    """Whether there are too few rows for the threads, and so long that threads can share each."""
    return threads < available and axis.inner == 1 and axis.length >= available * segment


# The dtypes in the order of the tables.
cdef enum:
    FLOAT32, FLOAT64, FLOAT16, BFLOAT16, UNKNOWN
    WIDE = FLOAT16  # those before it are computed in themselves

# The type number of bfloat16, which ml_dtypes registers at run time: until `known_dtype` has
# met an array of it, one that no array has.
cdef int bfloat16_number = cnp.NPY_NOTYPE


cdef inline int dtype_of(cnp.ndarray array) noexcept:
    cdef int number = cnp.PyArray_TYPE(array)
    if number == cnp.NPY_FLOAT:
        return FLOAT32
    if number == cnp.NPY_DOUBLE:
        return FLOAT64
    if number == cnp.NPY_FLOAT16:
        return FLOAT16
    return BFLOAT16 if number == bfloat16_number else UNKNOWN


cdef int known_dtype(cnp.ndarray array) noexcept:
    """The dtype of an array that was checked to have one of the four.

    What is none of NumPy's own is bfloat16, and the short paths know it from then on.
    """
    global bfloat16_number
    cdef int dtype = dtype_of(array)
    if dtype != UNKNOWN:
        return dtype
    if cnp.PyArray_ISUSERDEF(array):
        bfloat16_number = cnp.PyArray_TYPE(array)
    return BFLOAT16


# What a kernel costs is measured where it is first asked whether threads pay, on memory that holds
# ordinary numbers of any dtype; the last part of it is written to. So the answer is right for the
# processor, the CPU level, the direction and the dtype; it stays for the life of the process, and
# is 0 before. Along an axis it is that of one row, or channel, of that size.
cdef enum:
    SAMPLE = 512
cdef double sample[4][SAMPLE]
memset(sample, 0x3f, sizeof(sample))
cdef Axis sample_row = Axis(1, SAMPLE, 1)
cdef Axis sample_channel = Axis(1, 1, SAMPLE)
cdef Axis sample_pairs = Axis(1, SAMPLE // 2, 1)


cdef inline bint divisible(Py_ssize_t size) noexcept:
    """Whether to ask what the kernel costs: there are threads, and more elements than it takes to measure that."""
    return size > SAMPLE and current_threads() > 1


cdef inline bint plain(object array, int beyond) noexcept:
    """Whether a kernel can run on the array as it is; its dtype must come before `beyond`."""
    return (
        type(array) is cnp.ndarray
        and dtype_of(<cnp.ndarray>array) < beyond
        and cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>array)
    )


cdef inline bint alike(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two plain arrays have one dtype and one shape."""
    return (
        cnp.PyArray_TYPE(a) == cnp.PyArray_TYPE(b)
        and cnp.PyArray_NDIM(a) == cnp.PyArray_NDIM(b)
        and cnp.PyArray_CompareLists(cnp.PyArray_DIMS(a), cnp.PyArray_DIMS(b), cnp.PyArray_NDIM(a))
    )


cdef inline bint apart(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two alike arrays are the same memory or share none of it."""
    cdef uintptr_t first = <uintptr_t>cnp.PyArray_DATA(a), second = <uintptr_t>cnp.PyArray_DATA(b)
    cdef uintptr_t size = cnp.PyArray_NBYTES(a)
    return first == second or first + size <= second or second + size <= first


cdef inline bint disjoint(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two contiguous arrays share no memory."""
    cdef uintptr_t first = <uintptr_t>cnp.PyArray_DATA(a), second = <uintptr_t>cnp.PyArray_DATA(b)
    return first + cnp.PyArray_NBYTES(a) <= second or second + cnp.PyArray_NBYTES(b) <= first


cdef inline object flat(cnp.ndarray array):
    return array if cnp.PyArray_NDIM(array) == 1 else cnp.PyArray_Ravel(array, cnp.NPY_CORDER)


cdef inline object flat_bits(cnp.ndarray array):
    """A half precision array as typed memoryviews can see it."""
    return flat(array).view(np.uint16)


cdef inline bint is_number(object value) noexcept:
    return PyFloat_CheckExact(value) or PyLong_CheckExact(value)


cdef class Kernel:
    """The elementwise kernels of one activation, and the short path of its calls."""

    cdef const Elementwise* entry
    cdef tuple names
    cdef int count
    cdef bint has_defaults
    cdef double defaults[3]
    # Parameters that passed the Python subclass's checks last: for a forward or
    # backward from x, and for a backward from y.
    cdef double checked[2][3]
    # Nanoseconds per element by direction (backward from x, from y, forward) and dtype; 0: not measured.
    cdef float costs[3][4]

    def __init__(self, str kernel, tuple names, tuple defaults, bint has_defaults):
        cdef int i
        self.entry = tables.elementwise.named(kernel.encode())
        if self.entry == NULL:
            raise LookupError(f"no kernel is declared for {kernel!r}")
        self.names = names
        self.count = len(names)
        self.has_defaults = has_defaults
        for i in range(3):
            self.defaults[i] = defaults[i] if i < len(defaults) else 0
            # NaN, where there are no defaults: equal to nothing that is given.
            self.checked[0][i] = self.checked[1][i] = self.defaults[i] if has_defaults else NAN

    @property
    def kernel_saves(self):
        """What the kernels can be differentiated from."""
        return {
            "x": self.entry.backward_x[0] != NULL,
            "y": self.entry.backward_y[0] != NULL,
        }

    cdef bint read(self, tuple args, dict kwargs, double* parameters, int use) except -1:
        """Parameters of a call; False where Python has to look at them (and check them) first."""
        cdef int i, given = 0
        parameters[0], parameters[1], parameters[2] = self.defaults[0], self.defaults[1], self.defaults[2]
        if not args and not kwargs:
            return self.has_defaults
        if len(args) > self.count:
            return False
        for i in range(len(args)):
            if not is_number(args[i]):
                return False
            parameters[i] = args[i]
        for i in range(len(args), self.count):
            if self.names[i] in kwargs:
                value = kwargs[self.names[i]]
                if not is_number(value):
                    return False
                parameters[i] = value
                given += 1
        if given != len(kwargs) or not (self.has_defaults or len(args) + given == self.count):
            return False
        for i in range(self.count):
            if parameters[i] != self.checked[use][i]:
                return False
        return True

    def remember(self, tuple parameters, bint output):
        """Keep parameters that were found good, for the short path of the next call."""
        cdef int i
        for i in range(self.count):
            self.checked[output][i] = parameters[i]

    def __call__(self, x, *args, out=None, **kwargs):
        cdef double parameters[3]
        if not plain(x, UNKNOWN) or not self.read(args, kwargs, parameters, 0):
            return self._forward(x, args, kwargs, out)
        cdef cnp.ndarray source = x
        if out is None:
            if cnp.PyArray_NDIM(source) == 0:
                return self._forward(x, args, kwargs, out)
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(source), cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif out is not x and not (plain(out, UNKNOWN) and alike(source, out) and apart(source, out)):
            return self._forward(x, args, kwargs, out)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._forward(x, args, kwargs, out)
        self.run_forward(source, out, parameters, 0, dtype_of(source))
        return out

    def backward(self, dy, *args, x=None, y=None, out=None, **kwargs):
        """Gradient of the input from the gradient of the output and one saved array.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the output.
        x, y : array_like
            Exactly one: the forward input, or the forward output where `saves` lists it; in
            the shape of `dy`.
        out : numpy.ndarray, optional
            Where the result goes; may be `dy` or the saved array.
        **kwargs
            The parameters of the forward call, by name; with ``beta_grad=True``, where beta is a
            parameter that can be learnt (swish), the result is a tuple.

        Returns
        -------
        numpy.ndarray or scalar
            Gradient with respect to the input; `out` itself where it was given.
        dbeta : scalar
            With ``beta_grad=True``: gradient with respect to beta, summed in float64 in an order
            that neither thread count nor memory layout changes.

        Raises
        ------
        TypeError
            If none, both or an unaccepted one of `x` and `y` is given, or a dtype is not supported.
        ValueError
            If shapes differ, `out` cannot take the result or a parameter is out of its range.
        """
        cdef double parameters[3]
        cdef bint output = x is None
        saved = y if output else x
        if args or (x is not None and y is not None) or not plain(dy, UNKNOWN) or not plain(saved, UNKNOWN):
            return self._backward(dy, args, x, y, out, kwargs)
        if not self.read(args, kwargs, parameters, output):
            return self._backward(dy, args, x, y, out, kwargs)
        cdef cnp.ndarray gradient = dy, kept = saved
        if not alike(gradient, kept) or not self.offers(output):
            return self._backward(dy, args, x, y, out, kwargs)
        if out is None:
            if cnp.PyArray_NDIM(gradient) == 0:
                return self._backward(dy, args, x, y, out, kwargs)
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(gradient), cnp.PyArray_DIMS(gradient), cnp.PyArray_TYPE(gradient), 0)
        elif not (plain(out, UNKNOWN) and alike(gradient, out) and apart(gradient, out) and apart(kept, out)):
            return self._backward(dy, args, x, y, out, kwargs)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._backward(dy, args, x, y, out, kwargs)
        self.run_backward(gradient, kept, out, parameters, output, 0, dtype_of(gradient))
        return out

    cdef float forward_cost(self, int dtype, const double* parameters) noexcept:
        if self.costs[2][dtype] == 0:
            self.costs[2][dtype] = elements_cost(
                SAMPLE, self.entry.forward[dtype], parameters, sample[0], sample[3], 0, SAMPLE)
        return self.costs[2][dtype]

    cdef float backward_cost(self, int dtype, const double* parameters, bint output) noexcept:
        cdef Backward kernel = self.entry.backward_y[dtype] if output else self.entry.backward_x[dtype]
        if self.costs[output][dtype] == 0:
            self.costs[output][dtype] = elements_backward_cost(
                SAMPLE, kernel, parameters, sample[0], sample[1], sample[3], 0, SAMPLE)
        return self.costs[output][dtype]

    cdef Backward offers(self, bint output) noexcept:
        return self.entry.backward_y[0] if output else self.entry.backward_x[0]

    cdef int run_forward(
        self, cnp.ndarray x, cnp.ndarray out, const double* parameters, Py_ssize_t index, int dtype
    ) except -1:
        cdef Forward kernel = self.entry.forward[dtype]
        cdef Py_ssize_t size = cnp.PyArray_SIZE(x)
        cdef int threads = 1
        cdef void* source = cnp.PyArray_DATA(x)
        cdef void* target = cnp.PyArray_DATA(out)
        if divisible(size):
            threads = threads_for_cost(size, self.forward_cost(dtype, parameters))
        if threads > 1:
            if dtype == FLOAT32:
                forward[float](kernel, parameters, flat(x), flat(out), index, threads)
            elif dtype == FLOAT64:
                forward[double](kernel, parameters, flat(x), flat(out), index, threads)
            else:
                forward[cnp.uint16_t](kernel, parameters, flat_bits(x), flat_bits(out), index, threads)
        elif size < GIL_SIZE:
            kernel(parameters, source, target, index, size)
        else:
            with nogil:
                kernel(parameters, source, target, index, size)
        return 0

    cdef int run_backward(
        self, cnp.ndarray dy, cnp.ndarray saved, cnp.ndarray out, const double* parameters,
        bint output, Py_ssize_t index, int dtype,
    ) except -1:
        cdef Backward kernel = self.entry.backward_y[dtype] if output else self.entry.backward_x[dtype]
        cdef Py_ssize_t size = cnp.PyArray_SIZE(dy)
        cdef int threads = 1
        cdef void* gradient = cnp.PyArray_DATA(dy)
        cdef void* kept = cnp.PyArray_DATA(saved)
        cdef void* target = cnp.PyArray_DATA(out)
        if divisible(size):
            threads = threads_for_cost(size, self.backward_cost(dtype, parameters, output))
        if threads > 1:
            if dtype == FLOAT32:
                backward[float](kernel, parameters, flat(dy), flat(saved), flat(out), index, threads)
            elif dtype == FLOAT64:
                backward[double](kernel, parameters, flat(dy), flat(saved), flat(out), index, threads)
            else:
                backward[cnp.uint16_t](
                    kernel, parameters, flat_bits(dy), flat_bits(saved), flat_bits(out), index, threads)
        elif size < GIL_SIZE:
            kernel(parameters, gradient, kept, target, index, size)
        else:
            with nogil:
                kernel(parameters, gradient, kept, target, index, size)
        return 0

    def run_plain(self, x, saved, out, tuple parameters, direction):
        """The result for arrays that a kernel can run on as they are, with checked parameters; None for others."""
        cdef cnp.ndarray first, kept
        cdef double values[3]
        cdef int i
        if not plain(x, UNKNOWN) or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
            return None
        first = x
        if direction != "forward" and not (plain(saved, UNKNOWN) and alike(first, saved)):
            return None
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(first), cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
        elif not (
            plain(out, UNKNOWN) and alike(first, out) and apart(first, out)
            and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
        ):
            return None
        for i in range(len(parameters)):
            values[i] = parameters[i]
        if direction == "forward":
            self.run_forward(first, out, values, 0, dtype_of(first))
            return out
        kept = saved
        if not apart(kept, out):
            return None
        self.run_backward(first, kept, out, values, direction == "y", 0, dtype_of(first))
        return out

    def parameter_gradient(self, cnp.ndarray dy, cnp.ndarray x, tuple parameters, Py_ssize_t span):
        """Sums of the parameter's gradient in float64, one for each `span` of flat elements."""
        cdef double values[3]
        cdef int i, dtype = cnp.PyArray_TYPE(x) == cnp.NPY_DOUBLE
        cdef Py_ssize_t size = cnp.PyArray_SIZE(x)
        cdef cnp.npy_intp count = (size + span - 1) // span
        cdef cnp.ndarray partial = cnp.PyArray_ZEROS(1, &count, cnp.NPY_DOUBLE, 0)
        for i in range(len(parameters)):
            values[i] = parameters[i]
        cdef int threads = no_more_than(count, threads_for_cost(size, self.backward_cost(dtype, values, 0)))
        if dtype:
            parameter_gradient[double](self.entry.parameter_gradient[1], values, dy, x, partial, span, threads)
        else:
            parameter_gradient[float](self.entry.parameter_gradient[0], values, dy, x, partial, span, threads)
        return partial

    def run(self, list arrays, tuple parameters, direction, Py_ssize_t index):
        """Run one direction ("forward", "x" or "y") on contiguous, native, disjoint or same arrays."""
        cdef int dtype = known_dtype(arrays[0])
        cdef double values[3]
        cdef int i
        for i in range(len(parameters)):
            values[i] = parameters[i]
        if direction == "forward":
            self.run_forward(arrays[0], arrays[1], values, index, dtype)
        else:
            self.run_backward(arrays[0], arrays[1], arrays[2], values, direction == "y", index, dtype)


cdef inline Axis axis_of(tuple axis):
    cdef Axis result
    result.outer, result.length, result.inner = axis
    return result


cdef inline Axis split(cnp.ndarray array, Py_ssize_t axis) noexcept:
    """A contiguous array seen along one axis."""
    cdef Axis result
    cdef Py_ssize_t i
    result.outer, result.length, result.inner = 1, cnp.PyArray_DIM(array, axis), 1
    for i in range(axis):
        result.outer *= cnp.PyArray_DIM(array, i)
    for i in range(axis + 1, cnp.PyArray_NDIM(array)):
        result.inner *= cnp.PyArray_DIM(array, i)
    return result


cdef inline bint too_long(cnp.ndarray array, Py_ssize_t axis) noexcept:
    """Whether rows of half precision are beyond the kernels' buffers."""
    return dtype_of(array) >= WIDE and cnp.PyArray_DIM(array, axis) > staged


cdef class RowsKernel:
    """The kernels of one activation of rows, and the short path of its calls."""

    cdef const Rows* entry
    cdef float costs[2][4]  # nanoseconds per element backward and forward, by dtype

    def __init__(self, str kernel):
        self.entry = tables.rows.named(kernel.encode())
        if self.entry == NULL:
            raise LookupError(f"no kernel is declared for {kernel!r}")

    def __call__(self, x, axis=-1, *, out=None, **kwargs):
        cdef Py_ssize_t dim
        if kwargs or not plain(x, UNKNOWN) or not PyLong_CheckExact(axis):
            return self._forward(x, axis, out, kwargs)
        cdef cnp.ndarray source = x
        dim = axis + cnp.PyArray_NDIM(source) if axis < 0 else axis
        if not 0 <= dim < cnp.PyArray_NDIM(source) or cnp.PyArray_SIZE(source) == 0 or too_long(source, dim):
            return self._forward(x, axis, out, kwargs)
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(source), cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif out is not x and not (plain(out, UNKNOWN) and alike(source, out) and apart(source, out)):
            return self._forward(x, axis, out, kwargs)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._forward(x, axis, out, kwargs)
        cdef Axis split_axis = split(source, dim)
        self.run_forward(source, out, NULL, split_axis, Place(0, split_axis.inner))
        return out

    def backward(self, dy, *, x=None, y=None, axis=-1, out=None, **kwargs):
        """Gradient of the input from the gradient of the output and the saved output.

        Parameters
        ----------
        dy, y : array_like
            Gradient with respect to the output, and the output itself; of one shape.
        x : None
            Not accepted: the gradient is a function of the output.
        axis : int, default -1
            Axis of the forward call.
        out : numpy.ndarray, optional
            Where the result goes; may be `dy` or `y`.
        **kwargs
            The parameters of the forward call, by name.

        Returns
        -------
        numpy.ndarray
            Gradient with respect to the input; `out` itself where it was given.

        Raises
        ------
        TypeError
            If `y` is missing or a dtype is not supported.
        ValueError
            If shapes differ, `out` cannot take the result or a parameter is out of its range.
        """
        cdef Py_ssize_t dim
        if kwargs or x is not None or not plain(dy, UNKNOWN) or not plain(y, UNKNOWN) or not PyLong_CheckExact(axis):
            return self._backward(dy, x, y, axis, out, kwargs)
        cdef cnp.ndarray gradient = dy, kept = y
        dim = axis + cnp.PyArray_NDIM(gradient) if axis < 0 else axis
        if not 0 <= dim < cnp.PyArray_NDIM(gradient) or cnp.PyArray_SIZE(gradient) == 0 or too_long(gradient, dim):
            return self._backward(dy, x, y, axis, out, kwargs)
        if not alike(gradient, kept):
            return self._backward(dy, x, y, axis, out, kwargs)
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(gradient), cnp.PyArray_DIMS(gradient), cnp.PyArray_TYPE(gradient), 0)
        elif not (plain(out, UNKNOWN) and alike(gradient, out) and apart(gradient, out) and apart(kept, out)):
            return self._backward(dy, x, y, axis, out, kwargs)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._backward(dy, x, y, axis, out, kwargs)
        self.run_backward(gradient, kept, out, NULL, split(gradient, dim))
        return out

    cdef int threads_for(self, Py_ssize_t size, int dtype, const double* parameters, bint forwards) noexcept:
        """The number of threads that a call of this size is worth."""
        cdef float* cost = &self.costs[forwards][dtype]
        if not divisible(size):
            return 1
        if cost[0] == 0 and forwards:
            cost[0] = rows_cost(
                SAMPLE, self.entry.forward[dtype], parameters, sample[0], sample[3], sample_row, Place(0, 1), 0, 1)
        elif cost[0] == 0:
            cost[0] = rows_backward_cost(
                SAMPLE, self.entry.backward[dtype], parameters, sample[0], sample[1], sample[3], sample_row, 0, 1)
        return threads_for_cost(size, cost[0])

    cdef int run_forward(
        self, cnp.ndarray x, cnp.ndarray out, const double* parameters, Axis axis, Place place
    ) except -1:
        cdef int dtype = known_dtype(x)
        cdef RowsForward kernel = self.entry.forward[dtype]
        cdef RowForward share = self.entry.share_forward[dtype] if dtype < WIDE else NULL
        cdef Py_ssize_t size = cnp.PyArray_SIZE(x), units = axis.outer * axis.inner
        cdef int available = self.threads_for(size, dtype, parameters, True)
        cdef int threads = no_more_than(units, available)
        cdef void* source = cnp.PyArray_DATA(x)
        cdef void* target = cnp.PyArray_DATA(out)
        if share != NULL and shares_rows(axis, threads, available):
            if dtype == FLOAT32:
                row_forward[float](share, parameters, flat(x), flat(out), axis, place, available)
            else:
                row_forward[double](share, parameters, flat(x), flat(out), axis, place, available)
        elif threads > 1:
            if dtype == FLOAT32:
                rows_forward[float](kernel, parameters, flat(x), flat(out), axis, place, threads)
            elif dtype == FLOAT64:
                rows_forward[double](kernel, parameters, flat(x), flat(out), axis, place, threads)
            else:
                rows_forward[cnp.uint16_t](kernel, parameters, flat_bits(x), flat_bits(out), axis, place, threads)
        elif size < GIL_SIZE:
            kernel(parameters, source, target, axis, place, 0, units)
        else:
            with nogil:
                kernel(parameters, source, target, axis, place, 0, units)
        return 0

    cdef int run_backward(
        self, cnp.ndarray dy, cnp.ndarray y, cnp.ndarray out, const double* parameters, Axis axis
    ) except -1:
        cdef int dtype = known_dtype(dy)
        cdef RowsBackward kernel = self.entry.backward[dtype]
        cdef RowBackward share = self.entry.share_backward[dtype] if dtype < WIDE else NULL
        cdef Py_ssize_t size = cnp.PyArray_SIZE(dy), units = axis.outer * axis.inner
        cdef int available = self.threads_for(size, dtype, parameters, False)
        cdef int threads = no_more_than(units, available)
        cdef void* gradient = cnp.PyArray_DATA(dy)
        cdef void* kept = cnp.PyArray_DATA(y)
        cdef void* target = cnp.PyArray_DATA(out)
        if share != NULL and shares_rows(axis, threads, available):
            if dtype == FLOAT32:
                row_backward[float](share, parameters, flat(dy), flat(y), flat(out), axis, available)
            else:
                row_backward[double](share, parameters, flat(dy), flat(y), flat(out), axis, available)
        elif threads > 1:
            if dtype == FLOAT32:
                rows_backward[float](kernel, parameters, flat(dy), flat(y), flat(out), axis, threads)
            elif dtype == FLOAT64:
                rows_backward[double](kernel, parameters, flat(dy), flat(y), flat(out), axis, threads)
            else:
                rows_backward[cnp.uint16_t](
                    kernel, parameters, flat_bits(dy), flat_bits(y), flat_bits(out), axis, threads)
        elif size < GIL_SIZE:
            kernel(parameters, gradient, kept, target, axis, 0, units)
        else:
            with nogil:
                kernel(parameters, gradient, kept, target, axis, 0, units)
        return 0

    def run_plain(self, list inputs, out, tuple parameters, axis):
        """The result for arrays that a kernel can run on as they are, with checked parameters; None for others.

        ``inputs`` is (x,) or (dy, y).
        """
        cdef cnp.ndarray first, other
        cdef Py_ssize_t dim
        for array in inputs:
            if not plain(array, UNKNOWN):
                return None
        first = inputs[0]
        if not PyLong_CheckExact(axis) or cnp.PyArray_SIZE(first) == 0:
            return None
        if not -cnp.PyArray_NDIM(first) <= axis < cnp.PyArray_NDIM(first):
            return None
        dim = axis + cnp.PyArray_NDIM(first) if axis < 0 else axis
        if too_long(first, dim):
            return None
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(first), cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
        elif not (plain(out, UNKNOWN) and alike(first, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)):
            return None
        for other in inputs:
            if not alike(first, other) or not apart(other, out):
                return None
        self.run([*inputs, out], parameters, dim)
        return out

    def run(self, list arrays, tuple parameters, Py_ssize_t axis, tuple place=None):
        """Run forward on (x, out) or backward on (dy, y, out), contiguous, native, disjoint or same.

        ``place`` says where the elements stand in the whole array, where they are but a part of it.
        """
        cdef double values[3]
        cdef int i
        cdef Axis along = split(arrays[0], axis)
        cdef Place at = Place(0, along.inner) if place is None else Place(place[0], place[1])
        for i in range(len(parameters)):
            values[i] = parameters[i]
        if len(arrays) == 2:
            self.run_forward(arrays[0], arrays[1], values, along, at)
        else:
            self.run_backward(arrays[0], arrays[1], arrays[2], values, along)


cdef inline bint parted(cnp.ndarray x, cnp.ndarray out, Py_ssize_t axis, Py_ssize_t parts) noexcept:
    """Whether two plain arrays have one dtype, and `out` that part of x's extent along the axis."""
    cdef Py_ssize_t i
    if cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(out) or cnp.PyArray_NDIM(x) != cnp.PyArray_NDIM(out):
        return False
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIM(x, i) != cnp.PyArray_DIM(out, i) * (parts if i == axis else 1):
            return False
    return True


cdef class GatedKernel:
    """The kernels of one gated activation, and the short path of its calls."""

    cdef const Gated* entry
    cdef float costs[2][4]  # nanoseconds per element of the output backward and forward, by dtype

    def __init__(self, str kernel):
        self.entry = tables.gated.named(kernel.encode())
        if self.entry == NULL:
            raise LookupError(f"no kernel is declared for {kernel!r}")

    def __call__(self, x, axis=-1, *, out=None):
        cdef Py_ssize_t dim, i
        cdef cnp.npy_intp shape[64]
        if not plain(x, UNKNOWN) or not PyLong_CheckExact(axis):
            return self._forward(x, axis, out)
        cdef cnp.ndarray source = x
        dim = axis + cnp.PyArray_NDIM(source) if axis < 0 else axis
        if not 0 <= dim < cnp.PyArray_NDIM(source) or cnp.PyArray_SIZE(source) == 0:
            return self._forward(x, axis, out)
        if cnp.PyArray_DIM(source, dim) % 2:
            return self._forward(x, axis, out)
        if out is None:
            for i in range(cnp.PyArray_NDIM(source)):
                shape[i] = cnp.PyArray_DIM(source, i) // (2 if i == dim else 1)
            out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(source), shape, cnp.PyArray_TYPE(source), 0)
        elif not (plain(out, UNKNOWN) and parted(source, out, dim, 2) and disjoint(source, out)):
            return self._forward(x, axis, out)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._forward(x, axis, out)
        self.run_forward(source, out, dim)
        return out

    def backward(self, dy, *, x=None, y=None, axis=-1, out=None):
        """Gradient of the input from the gradient of the output and the saved input.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the output.
        x : array_like
            The forward input, of twice the extent of `dy` along `axis`.
        y : None
            Not accepted: the gradient is a function of the input.
        axis : int, default -1
            Axis of the forward call.
        out : numpy.ndarray, optional
            Where the result goes, in the shape of `x`; may be `x`.

        Returns
        -------
        numpy.ndarray
            Gradient with respect to the input; `out` itself where it was given.

        Raises
        ------
        TypeError
            If `x` is missing or a dtype is not supported.
        ValueError
            If shapes do not fit or `out` cannot take the result.
        """
        cdef Py_ssize_t dim
        if y is not None or not plain(dy, UNKNOWN) or not plain(x, UNKNOWN) or not PyLong_CheckExact(axis):
            return self._backward(dy, x, y, axis, out)
        cdef cnp.ndarray gradient = dy, source = x
        dim = axis + cnp.PyArray_NDIM(source) if axis < 0 else axis
        if not 0 <= dim < cnp.PyArray_NDIM(source) or cnp.PyArray_SIZE(source) == 0:
            return self._backward(dy, x, y, axis, out)
        if not parted(source, gradient, dim, 2):
            return self._backward(dy, x, y, axis, out)
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(source), cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif not (plain(out, UNKNOWN) and alike(source, out) and apart(source, out) and disjoint(gradient, out)):
            return self._backward(dy, x, y, axis, out)
        if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
            return self._backward(dy, x, y, axis, out)
        self.run_backward(gradient, source, out, dim)
        return out

    cdef int threads_for(self, Py_ssize_t size, int dtype, bint forwards) noexcept:
        """The number of threads that a call of this size is worth."""
        cdef float* cost = &self.costs[forwards][dtype]
        if not divisible(size):
            return 1
        if cost[0] == 0 and forwards:
            cost[0] = gated_cost(
                SAMPLE // 2, self.entry.forward[dtype], sample[0], sample[3], sample_pairs, 0, SAMPLE // 2)
        elif cost[0] == 0:
            cost[0] = gated_backward_cost(
                SAMPLE // 2, self.entry.backward[dtype], sample[0], sample[1], sample[3], sample_pairs, 0, SAMPLE // 2)
        return threads_for_cost(size, cost[0])

    cdef int run_forward(self, cnp.ndarray x, cnp.ndarray out, Py_ssize_t dim) except -1:
        cdef int dtype = known_dtype(x)
        cdef GatedForward kernel = self.entry.forward[dtype]
        cdef Axis axis = split(out, dim)
        cdef Py_ssize_t size = cnp.PyArray_SIZE(out)
        cdef int threads = self.threads_for(size, dtype, True)
        cdef void* source = cnp.PyArray_DATA(x)
        cdef void* target = cnp.PyArray_DATA(out)
        if threads > 1:
            if dtype == FLOAT32:
                gated_forward[float](kernel, flat(x), flat(out), axis, threads)
            elif dtype == FLOAT64:
                gated_forward[double](kernel, flat(x), flat(out), axis, threads)
            else:
                gated_forward[cnp.uint16_t](kernel, flat_bits(x), flat_bits(out), axis, threads)
        elif size < GIL_SIZE:
            kernel(source, target, axis, 0, size)
        else:
            with nogil:
                kernel(source, target, axis, 0, size)
        return 0

    cdef int run_backward(self, cnp.ndarray dy, cnp.ndarray x, cnp.ndarray out, Py_ssize_t dim) except -1:
        cdef int dtype = known_dtype(dy)
        cdef GatedBackward kernel = self.entry.backward[dtype]
        cdef Axis axis = split(dy, dim)
        cdef Py_ssize_t size = cnp.PyArray_SIZE(dy)
        cdef int threads = self.threads_for(size, dtype, False)
        cdef void* gradient = cnp.PyArray_DATA(dy)
        cdef void* source = cnp.PyArray_DATA(x)
        cdef void* target = cnp.PyArray_DATA(out)
        if threads > 1:
            if dtype == FLOAT32:
                gated_backward[float](kernel, flat(dy), flat(x), flat(out), axis, threads)
            elif dtype == FLOAT64:
                gated_backward[double](kernel, flat(dy), flat(x), flat(out), axis, threads)
            else:
                gated_backward[cnp.uint16_t](kernel, flat_bits(dy), flat_bits(x), flat_bits(out), axis, threads)
        elif size < GIL_SIZE:
            kernel(gradient, source, target, axis, 0, size)
        else:
            with nogil:
                kernel(gradient, source, target, axis, 0, size)
        return 0

    def run(self, list arrays, Py_ssize_t axis):
        """Run forward on (x, out) or backward on (dy, x, out), contiguous, native, disjoint or same."""
        if len(arrays) == 2:
            self.run_forward(arrays[0], arrays[1], axis)
        else:
            self.run_backward(arrays[0], arrays[1], arrays[2], axis)


# A parameter's gradient is summed over ranges of so many elements.
WEIGHT_SPAN = segment

# The work of channels and pieces, each of which has one kernel for a dtype.
cdef enum:
    PRELU, PRELU_BACKWARD, PRELU_GRADIENT, MAXOUT, MAXOUT_BACKWARD
cdef float costs[5][4]


cdef int threads_for_work(Py_ssize_t size, int work, int dtype) noexcept:
    """The number of threads that such work on an array of this size, the larger one's, is worth."""
    cdef float* cost = &costs[work][dtype]
    if not divisible(size):
        return 1
    if cost[0] == 0 and work == PRELU:
        cost[0] = prelu_cost(
            SAMPLE, tables.prelu[dtype], sample[0], sample[1], sample[3], sample_channel, 0, SAMPLE)
    elif cost[0] == 0 and work == PRELU_BACKWARD:
        cost[0] = prelu_backward_cost(
            SAMPLE, tables.prelu_backward[dtype], sample[0], sample[1], sample[2], sample[3], sample_channel, 0, SAMPLE)
    elif cost[0] == 0 and work == PRELU_GRADIENT:
        cost[0] = prelu_gradient_cost(
            SAMPLE, tables.prelu_gradient[dtype], sample[0], sample[1], sample[3], sample_channel, 0, SAMPLE, SAMPLE,
            0, 1)
    elif cost[0] == 0 and work == MAXOUT:
        cost[0] = maxout_cost(
            SAMPLE, tables.maxout[dtype], sample[0], sample[3], NULL, sample_pairs, 2, 0, SAMPLE // 2)
    elif cost[0] == 0:
        cost[0] = maxout_backward_cost(
            SAMPLE, tables.maxout_backward[dtype], sample[0], sample[1], NULL, sample[3], sample_pairs, 2, 0,
            SAMPLE // 2)
    return threads_for_cost(size, cost[0])


cdef int run_prelu(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, Axis axis) except -1:
    cdef int dtype = known_dtype(x)
    cdef ChannelsForward kernel = tables.prelu[dtype]
    cdef Py_ssize_t size = cnp.PyArray_SIZE(x)
    cdef int threads = threads_for_work(size, PRELU, dtype)
    cdef void* slopes = cnp.PyArray_DATA(weight)
    if threads == 1:
        kernel(cnp.PyArray_DATA(x), slopes, cnp.PyArray_DATA(out), axis, 0, size)
    elif dtype == FLOAT32:
        channels_forward[float](kernel, flat(x), slopes, flat(out), axis, threads)
    elif dtype == FLOAT64:
        channels_forward[double](kernel, flat(x), slopes, flat(out), axis, threads)
    else:
        channels_forward[cnp.uint16_t](kernel, flat_bits(x), slopes, flat_bits(out), axis, threads)
    return 0


def prelu(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, tuple axis):
    """PReLU of contiguous arrays with one weight per position on the axis."""
    run_prelu(x, weight, out, axis_of(axis))


cdef class ChannelsKernel:
    """The short paths of calls with one weight, or one per position on an axis."""

    def __call__(self, x, weight, axis=1, *, out=None):
        cdef Axis whole
        cdef Py_ssize_t dim
        cdef cnp.npy_intp count
        if not plain(x, UNKNOWN) or not PyLong_CheckExact(axis) or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0:
            return self._forward(x, weight, axis, out)
        cdef cnp.ndarray source = x, slopes
        cdef int dims = cnp.PyArray_NDIM(source)
        cdef int computed = cnp.NPY_DOUBLE if dtype_of(source) == FLOAT64 else cnp.NPY_FLOAT
        if PyFloat_CheckExact(weight):
            count = 1
            slopes = cnp.PyArray_EMPTY(1, &count, computed, 0)
            if computed == cnp.NPY_DOUBLE:
                (<double*>cnp.PyArray_DATA(slopes))[0] = weight
            else:
                (<float*>cnp.PyArray_DATA(slopes))[0] = weight
        elif plain(weight, FLOAT16) and cnp.PyArray_TYPE(<cnp.ndarray>weight) == computed:
            slopes = weight
        else:
            return self._forward(x, weight, axis, out)
        dim = axis + dims if axis < 0 else axis
        count = cnp.PyArray_SIZE(slopes)
        if dims == 0 or cnp.PyArray_NDIM(slopes) != 1:
            return self._forward(x, weight, axis, out)
        if count == 1:
            whole.outer, whole.length, whole.inner = 1, 1, cnp.PyArray_SIZE(source)
        elif 0 <= dim < dims and count == cnp.PyArray_DIM(source, dim):
            whole = split(source, dim)
        else:
            return self._forward(x, weight, axis, out)
        if out is None:
            out = cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif not (
            plain(out, UNKNOWN) and alike(source, out) and apart(source, out) and disjoint(slopes, out)
            and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
        ):
            return self._forward(x, weight, axis, out)
        run_prelu(source, slopes, out, whole)
        return out

    def backward(self, dy, *, weight=None, axis=1, x=None, y=None, out=None):
        """Gradients of the input and of the weight.

        Parameters
        ----------
        dy, x : array_like
            Gradient with respect to the output, and the forward input; of one shape.
        weight : float or array_like
            Weight of the forward call.
        axis : int, default 1
            Axis of the forward call.
        y : None
            Not accepted: the derivative is not a function of the output.
        out : numpy.ndarray, optional
            Where the input's gradient goes; may be `dy` or `x`.

        Returns
        -------
        dx : numpy.ndarray
            Gradient with respect to the input; `out` itself where it was given.
        dweight : numpy.ndarray or scalar
            Gradient with respect to the weight, in the weight's shape and the result's dtype. Its
            sum is carried in float64 in an order that no thread count changes.
        """
        cdef Axis whole
        cdef cnp.npy_intp count, channel
        cdef double[::1] total
        cdef cnp.ndarray dweight
        if y is not None or not plain(dy, FLOAT16) or not plain(x, FLOAT16) or not plain(weight, FLOAT16):
            return self._backward(dy, weight, axis, x, y, out)
        cdef cnp.ndarray gradient = dy, source = x, slopes = weight
        cdef Py_ssize_t dim
        if (
            not PyLong_CheckExact(axis) or cnp.PyArray_SIZE(source) == 0 or not alike(gradient, source)
            or cnp.PyArray_TYPE(slopes) != cnp.PyArray_TYPE(source) or cnp.PyArray_NDIM(slopes) != 1
            or not -cnp.PyArray_NDIM(source) <= axis < cnp.PyArray_NDIM(source)
        ):
            return self._backward(dy, weight, axis, x, y, out)
        dim, count = axis + cnp.PyArray_NDIM(source) if axis < 0 else axis, cnp.PyArray_SIZE(slopes)
        whole.outer, whole.length, whole.inner = 1, 1, cnp.PyArray_SIZE(source)
        if count > 1:
            whole = split(source, dim)
        # The sums of many ranges of many channels would be of the array's size.
        if count != whole.length or cnp.PyArray_SIZE(source) > 64 * max(WEIGHT_SPAN, count):
            return self._backward(dy, weight, axis, x, y, out)
        if out is None:
            out = cnp.PyArray_EMPTY(
                cnp.PyArray_NDIM(source), cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif not (
            plain(out, FLOAT16) and alike(source, out) and apart(source, out) and apart(gradient, out)
            and disjoint(slopes, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
        ):
            return self._backward(dy, weight, axis, x, y, out)
        total = cnp.PyArray_ZEROS(1, &count, cnp.NPY_DOUBLE, 0)
        add_prelu_gradient(gradient, source, total, whole, 0, max(WEIGHT_SPAN, count))
        run_prelu_backward(gradient, source, slopes, out, whole)
        # As a kernel, which says nothing of a sum beyond the dtype's range.
        dweight = cnp.PyArray_EMPTY(1, &count, cnp.PyArray_TYPE(source), 0)
        for channel in range(count):
            if cnp.PyArray_TYPE(source) == cnp.NPY_DOUBLE:
                (<double*>cnp.PyArray_DATA(dweight))[channel] = total[channel]
            else:
                (<float*>cnp.PyArray_DATA(dweight))[channel] = <float>total[channel]
        return out, dweight


cdef int add_prelu_gradient(
    cnp.ndarray dy, cnp.ndarray x, double[::1] total, Axis axis, Py_ssize_t index, Py_ssize_t span
) except -1:
    cdef Py_ssize_t size = cnp.PyArray_SIZE(x), unit, channel
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = (size + span - 1) // span, axis.length
    cdef int dtype = known_dtype(x)
    cdef ChannelsGradient kernel = tables.prelu_gradient[dtype]
    cdef int threads = no_more_than(shape[0], threads_for_work(size, PRELU_GRADIENT, dtype))
    cdef double[:, ::1] partial = cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, 0)
    if dtype == FLOAT32:
        channels_gradient[float](kernel, flat(dy), flat(x), partial, axis, index, span, threads)
    elif dtype == FLOAT64:
        channels_gradient[double](kernel, flat(dy), flat(x), partial, axis, index, span, threads)
    else:
        channels_gradient[cnp.uint16_t](kernel, flat_bits(dy), flat_bits(x), partial, axis, index, span, threads)
    for unit in range(shape[0]):
        for channel in range(shape[1]):
            total[channel] += partial[unit, channel]
    return 0


def prelu_gradient(cnp.ndarray dy, cnp.ndarray x, total, tuple axis, Py_ssize_t index, Py_ssize_t span):
    """Add the gradient of PReLU's weights to `total`, range after range of `span` flat elements from `index` on."""
    add_prelu_gradient(dy, x, total, axis_of(axis), index, span)


cdef int run_prelu_backward(
    cnp.ndarray dy, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, Axis axis
) except -1:
    cdef int dtype = known_dtype(x)
    cdef ChannelsBackward kernel = tables.prelu_backward[dtype]
    cdef Py_ssize_t size = cnp.PyArray_SIZE(x)
    cdef int threads = threads_for_work(size, PRELU_BACKWARD, dtype)
    cdef void* slopes = cnp.PyArray_DATA(weight)
    if threads == 1:
        kernel(cnp.PyArray_DATA(dy), cnp.PyArray_DATA(x), slopes, cnp.PyArray_DATA(out), axis, 0, size)
    elif dtype == FLOAT32:
        channels_backward[float](kernel, flat(dy), flat(x), slopes, flat(out), axis, threads)
    elif dtype == FLOAT64:
        channels_backward[double](kernel, flat(dy), flat(x), slopes, flat(out), axis, threads)
    else:
        channels_backward[cnp.uint16_t](kernel, flat_bits(dy), flat_bits(x), slopes, flat_bits(out), axis, threads)
    return 0


def prelu_backward(cnp.ndarray dy, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out, tuple axis):
    """Gradient of PReLU's input, arrays as in `prelu`."""
    run_prelu_backward(dy, x, weight, out, axis_of(axis))


cdef int run_maxout(cnp.ndarray x, cnp.ndarray out, Axis axis, Py_ssize_t pieces) except -1:
    cdef int dtype = cnp.PyArray_TYPE(x) == cnp.NPY_DOUBLE
    cdef int threads = threads_for_work(cnp.PyArray_SIZE(x), MAXOUT, dtype)
    if threads > 1 and dtype:
        pieces_forward[double](tables.maxout[1], flat(x), flat(out), None, axis, pieces, threads)
    elif threads > 1:
        pieces_forward[float](tables.maxout[0], flat(x), flat(out), None, axis, pieces, threads)
    else:
        tables.maxout[dtype](
            cnp.PyArray_DATA(x), cnp.PyArray_DATA(out), NULL, axis, pieces, 0, cnp.PyArray_SIZE(out))
    return 0


cdef class PiecesKernel:
    """The short paths of a forward call that wants the largest values alone, and of backward from the input."""

    def __call__(self, x, pieces, axis=-1, *, out=None, return_which=False):
        cdef cnp.npy_intp shape[64]
        cdef Py_ssize_t dim, group
        cdef int i
        if (
            return_which is not False or not plain(x, FLOAT16) or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0
            or not PyLong_CheckExact(pieces) or not PyLong_CheckExact(axis)
        ):
            return self._forward(x, pieces, axis, out, return_which)
        cdef cnp.ndarray source = x, target
        cdef int dims = cnp.PyArray_NDIM(source)
        if not 0 < pieces <= cnp.PyArray_SIZE(source) or not -dims <= axis < dims:
            return self._forward(x, pieces, axis, out, return_which)
        dim, group = axis + dims if axis < 0 else axis, pieces
        if cnp.PyArray_DIM(source, dim) % group:
            return self._forward(x, pieces, axis, out, return_which)
        for i in range(dims):
            shape[i] = cnp.PyArray_DIM(source, i)
        shape[dim] //= group
        if out is None:
            out = cnp.PyArray_EMPTY(dims, shape, cnp.PyArray_TYPE(source), 0)
        elif not (
            plain(out, FLOAT16) and cnp.PyArray_TYPE(<cnp.ndarray>out) == cnp.PyArray_TYPE(source)
            and cnp.PyArray_NDIM(<cnp.ndarray>out) == dims
            and cnp.PyArray_CompareLists(cnp.PyArray_DIMS(<cnp.ndarray>out), shape, dims)
            and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out) and disjoint(source, out)
        ):
            return self._forward(x, pieces, axis, out, return_which)
        target = out
        run_maxout(source, target, split(target, dim), group)
        return out

    def backward(self, dy, *, x=None, y=None, which=None, pieces=None, axis=-1, out=None):
        """Gradient of the input: `dy` at the largest value of each group, 0 elsewhere.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the output.
        x, which : array_like
            Exactly one: the forward input, or the indices from ``return_which=True``.
        y : None
            Not accepted: the output does not say which value won.
        pieces : int
            Size of a group, as in the forward call.
        axis : int, default -1
            Axis of the forward call.
        out : numpy.ndarray, optional
            Where the result goes; may be `x`.

        Returns
        -------
        numpy.ndarray
            Gradient with respect to the input, in its shape; `out` itself where it was given.
        """
        if (
            y is not None or which is not None or not plain(dy, FLOAT16) or not plain(x, FLOAT16)
            or not PyLong_CheckExact(pieces) or not PyLong_CheckExact(axis)
        ):
            return self._backward(dy, x, y, which, pieces, axis, out)
        cdef cnp.ndarray gradient = dy, source = x
        cdef int dims = cnp.PyArray_NDIM(source)
        if cnp.PyArray_SIZE(source) == 0 or not -dims <= axis < dims or not 0 < pieces <= cnp.PyArray_SIZE(source):
            return self._backward(dy, x, y, which, pieces, axis, out)
        if not parted(source, gradient, axis + dims if axis < 0 else axis, pieces):
            return self._backward(dy, x, y, which, pieces, axis, out)
        if out is None:
            out = cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(source), cnp.PyArray_TYPE(source), 0)
        elif not (
            plain(out, FLOAT16) and alike(source, out) and apart(source, out) and disjoint(gradient, out)
            and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
        ):
            return self._backward(dy, x, y, which, pieces, axis, out)
        run_maxout_backward(
            gradient, source, None, out, split(gradient, axis + dims if axis < 0 else axis), pieces)
        return out


def maxout(cnp.ndarray x, cnp.ndarray out, which, tuple axis, Py_ssize_t pieces):
    """Maxout of contiguous arrays; ``axis`` counts groups, ``which`` is an int32 array or None."""
    cdef Axis a = axis_of(axis)
    cdef int threads = threads_for_work(cnp.PyArray_SIZE(x), MAXOUT, cnp.PyArray_TYPE(x) == cnp.NPY_DOUBLE)
    if which is None:
        run_maxout(x, out, a, pieces)
    elif cnp.PyArray_TYPE(x) == cnp.NPY_DOUBLE:
        pieces_forward[double](tables.maxout[1], flat(x), flat(out), flat(which), a, pieces, threads)
    else:
        pieces_forward[float](tables.maxout[0], flat(x), flat(out), flat(which), a, pieces, threads)


cdef int run_maxout_backward(cnp.ndarray dy, x, which, cnp.ndarray out, Axis axis, Py_ssize_t pieces) except -1:
    cdef int dtype = cnp.PyArray_TYPE(dy) == cnp.NPY_DOUBLE
    cdef int threads = threads_for_work(cnp.PyArray_SIZE(out), MAXOUT_BACKWARD, dtype)
    cdef void* values = NULL
    cdef int* winners = NULL
    if threads == 1:
        if x is not None:
            values = cnp.PyArray_DATA(<cnp.ndarray>x)
        if which is not None:
            winners = <int*>cnp.PyArray_DATA(<cnp.ndarray>which)
        tables.maxout_backward[dtype](
            cnp.PyArray_DATA(dy), values, winners, cnp.PyArray_DATA(out), axis, pieces, 0, cnp.PyArray_SIZE(dy))
        return 0
    x = None if x is None else flat(x)
    which = None if which is None else flat(which)
    if dtype:
        pieces_backward[double](tables.maxout_backward[1], flat(dy), x, which, flat(out), axis, pieces, threads)
    else:
        pieces_backward[float](tables.maxout_backward[0], flat(dy), x, which, flat(out), axis, pieces, threads)
    return 0


def maxout_backward(cnp.ndarray dy, x, which, cnp.ndarray out, tuple axis, Py_ssize_t pieces):
    """Gradient of maxout from ``x`` or from ``which`` (the other is None), arrays as in `maxout`."""
    run_maxout_backward(dy, x, which, out, axis_of(axis), pieces)
