# What arrays are to the kernels: their dtype, whether they can be run on as they are, and how they are
# seen along an axis.

cimport numpy as cnp
from call cimport Axis
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport uintptr_t


# The dtypes in the order of the table.
cdef enum:
    FLOAT32, FLOAT64, FLOAT16, BFLOAT16, UNKNOWN


cdef extern from *:
    """
    #include <atomic>
    // The type number that ml_dtypes gets for bfloat16 when it is imported; before, one that no array has.
    static std::atomic<int> bfloat16_number{NPY_NOTYPE};
    """
    int bfloat16_number "bfloat16_number.load" (...) noexcept nogil
    void know_bfloat16 "bfloat16_number.store" (int) noexcept nogil


cdef inline int dtype_of(cnp.ndarray array) noexcept:
    cdef int number = cnp.PyArray_TYPE(array)
    if number == cnp.NPY_FLOAT:
        return FLOAT32
    if number == cnp.NPY_DOUBLE:
        return FLOAT64
    if number == cnp.NPY_FLOAT16:
        return FLOAT16
    return BFLOAT16 if number == bfloat16_number() else UNKNOWN


cdef inline bint plain(object array) noexcept:
    """Whether a kernel can run on the array as it is."""
    return (
        type(array) is cnp.ndarray
        and dtype_of(<cnp.ndarray>array) != UNKNOWN
        and cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>array)
    )


cdef inline bint shaped(cnp.ndarray array, cnp.ndarray like, const cnp.npy_intp* shape) noexcept:
    """Whether a plain array has the dtype and the dimensions of another one, and this shape."""
    return (
        cnp.PyArray_TYPE(array) == cnp.PyArray_TYPE(like)
        and cnp.PyArray_NDIM(array) == cnp.PyArray_NDIM(like)
        and cnp.PyArray_CompareLists(cnp.PyArray_DIMS(array), <cnp.npy_intp*>shape, cnp.PyArray_NDIM(array))
    )


cdef inline bint alike(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two plain arrays have one dtype and one shape."""
    return shaped(a, b, cnp.PyArray_DIMS(b))


cdef inline bint disjoint(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two contiguous arrays share no memory."""
    cdef uintptr_t first = <uintptr_t>cnp.PyArray_DATA(a), second = <uintptr_t>cnp.PyArray_DATA(b)
    return first + cnp.PyArray_NBYTES(a) <= second or second + cnp.PyArray_NBYTES(b) <= first


cdef inline bint apart(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether two contiguous arrays are the same memory or share none of it."""
    return (
        cnp.PyArray_DATA(a) == cnp.PyArray_DATA(b) and cnp.PyArray_NBYTES(a) == cnp.PyArray_NBYTES(b)
        or disjoint(a, b)
    )


cdef inline object output(object out, const cnp.npy_intp* shape, cnp.ndarray first, cnp.ndarray saved):
    """Where the result of a call on one or two plain arrays goes: a new array, or `out`.

    None where `out` is not an array that a kernel can write as it is; a new 0-d result is a scalar, so
    it is not for here either.
    """
    if out is None:
        if cnp.PyArray_NDIM(first) == 0:
            return None
        return cnp.PyArray_EMPTY(
            cnp.PyArray_NDIM(first), <cnp.npy_intp*>shape, cnp.PyArray_TYPE(first), 0)
    if not plain(out) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return None
    if not shaped(<cnp.ndarray>out, first, shape) or not apart(first, <cnp.ndarray>out):
        return None
    if saved is not None and not apart(saved, <cnp.ndarray>out):
        return None
    return out


cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object, int* overflow) noexcept


cdef inline int along(cnp.ndarray array, object axis) noexcept:
    """The dimension that an axis names; -1 where it names none."""
    cdef int overflow
    if not PyLong_CheckExact(axis):
        return -1
    cdef Py_ssize_t dim = PyLong_AsLongAndOverflow(axis, &overflow), dims = cnp.PyArray_NDIM(array)
    if overflow or not -dims <= dim < dims:
        return -1
    return dim + dims if dim < 0 else dim


cdef inline void split(Axis* axis, int dims, const cnp.npy_intp* shape, int dim) noexcept:
    """See a contiguous array along one axis."""
    cdef Py_ssize_t outer = 1, inner = 1
    cdef int i
    for i in range(dim):
        outer *= shape[i]
    for i in range(dim + 1, dims):
        inner *= shape[i]
    axis.outer, axis.length, axis.inner = outer, shape[dim], inner


cdef inline object flat(cnp.ndarray array):
    return array if array is None or cnp.PyArray_NDIM(array) == 1 else cnp.PyArray_Ravel(array, cnp.NPY_CORDER)


cdef inline object flat_bits(cnp.ndarray array):
    """A half precision array as typed memoryviews can see it."""
    return None if array is None else flat(array).view("uint16")
