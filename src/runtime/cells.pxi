# The short path of recurrent cells: arrays whose rows are contiguous and lie at equal distances go to the kernels as
# they are, so that a part of a larger matrix costs no copy.

cdef enum:
    ARRAYS = 8  # inputs and outputs of a call


cdef struct Matrix:
    # An array seen as rows, in bytes; `step` is from one row to the next, 0 where one row is for all.
    char* data
    Py_ssize_t rows, step, width


cdef bint as_matrix(cnp.ndarray array, Matrix* matrix) noexcept:
    """Whether the array can be seen so; its rows then follow each other in memory too."""
    cdef int dim, dims = cnp.PyArray_NDIM(array)
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(array), length, reach = 0
    if dims == 0 or not cnp.PyArray_ISBEHAVED_RO(array):
        return False
    length = cnp.PyArray_DIM(array, dims - 1)
    if length != 1 and cnp.PyArray_STRIDE(array, dims - 1) != size:
        return False
    matrix.data = <char*>cnp.PyArray_DATA(array)
    matrix.rows, matrix.step, matrix.width = 1, 0, length * size
    for dim in range(dims - 2, -1, -1):
        if cnp.PyArray_DIM(array, dim) == 1:
            continue
        if matrix.rows == 1:
            matrix.step = cnp.PyArray_STRIDE(array, dim)
        elif cnp.PyArray_STRIDE(array, dim) != reach:
            return False
        matrix.rows *= cnp.PyArray_DIM(array, dim)
        reach = matrix.step * matrix.rows
    return matrix.step >= 0 and matrix.step % size == 0


cdef inline Py_ssize_t extent(Matrix* matrix) noexcept:
    return (matrix.rows - 1) * matrix.step + matrix.width


cdef bint in_step(Matrix* a, Matrix* b, Py_ssize_t state) noexcept:
    """Whether rows that share memory are of one number, and what they share is the same element of a state."""
    cdef Py_ssize_t offset = b.data - a.data
    if a.data + extent(a) <= b.data or b.data + extent(b) <= a.data:
        return True
    if offset % state:
        return False
    if a.rows == 1 and b.rows == 1:
        return True
    return a.step == b.step and max(a.width, offset + b.width) - min(0, offset) <= a.step


cdef bint beside(Matrix* a, Matrix* b) noexcept:
    """Whether no element is in both."""
    cdef Py_ssize_t offset = b.data - a.data
    if a.data + extent(a) <= b.data or b.data + extent(b) <= a.data:
        return True
    if a.step != b.step or max(a.width, offset + b.width) - min(0, offset) > a.step:
        return False
    return offset >= a.width or -offset >= b.width


cdef bint same_rows(cnp.ndarray array, cnp.ndarray first, Py_ssize_t width) noexcept:
    """Whether an array has the dtype and dimensions of another one, but this length of a row."""
    cdef int dims = cnp.PyArray_NDIM(first)
    return (
        cnp.PyArray_NDIM(array) == dims
        and cnp.PyArray_TYPE(array) == cnp.PyArray_TYPE(first)
        and cnp.PyArray_CompareLists(cnp.PyArray_DIMS(array), cnp.PyArray_DIMS(first), dims - 1)
        and cnp.PyArray_DIM(array, dims - 1) == width
    )


cdef object of_rows(cnp.ndarray first, Py_ssize_t width):
    """A new array of the dtype and dimensions of another one, but this length of a row."""
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef int dim, dims = cnp.PyArray_NDIM(first)
    for dim in range(dims - 1):
        shape[dim] = cnp.PyArray_DIM(first, dim)
    shape[dims - 1] = width
    return cnp.PyArray_EMPTY(dims, shape, cnp.PyArray_TYPE(first), 0)


cdef object spanned(cnp.ndarray array, Matrix* matrix):
    """The memory from the first element to the last as a typed memoryview can see it."""
    if array is None or cnp.PyArray_IS_C_CONTIGUOUS(array):
        return array
    cdef cnp.npy_intp size = extent(matrix) // cnp.PyArray_ITEMSIZE(array)
    return cnp.PyArray_SimpleNewFromData(1, &size, cnp.PyArray_TYPE(array), matrix.data)


cdef bint takes_result(cnp.ndarray array, list given, Matrix* seen, int k, int read, Py_ssize_t state) except -1:
    """Whether a result can be written there while the inputs are read, and the other results are written."""
    cdef int other
    if not cnp.PyArray_ISWRITEABLE(array) or (seen[k].rows > 1 and seen[k].step < seen[k].width):
        return False
    for other in range(k):
        if given[other] is None:
            continue
        if not (in_step(&seen[other], &seen[k], state) if other < read else beside(&seen[other], &seen[k])):
            return False
    return True


cdef class CellKernels(Kernels):
    """The kernels of a recurrent cell."""

    def run_rows(self, str direction, tuple inputs, list outputs, tuple parts, Py_ssize_t needed):
        """Run on arrays as they are; False, and nothing done, where that cannot be.

        `parts` says how many times the state a row of each array is, inputs first; below 0 where an array is one
        such row for all. New arrays take the place of the first `needed` outputs where these are None.
        """
        cdef Matrix seen[ARRAYS]
        cdef Py_ssize_t steps[ARRAYS]
        cdef Py_ssize_t state, size, part
        cdef Call call
        cdef int k, other, read = len(inputs), count = len(inputs) + len(outputs)
        if type(inputs[0]) is not cnp.ndarray or dtype_of(inputs[0]) == UNKNOWN:
            return False
        cdef cnp.ndarray array, first = inputs[0]
        cdef list given = [*inputs, *outputs]
        size = cnp.PyArray_ITEMSIZE(first)
        if cnp.PyArray_SIZE(first) == 0 or cnp.PyArray_NDIM(first) == 0:
            return False
        state, part = cnp.PyArray_DIM(first, cnp.PyArray_NDIM(first) - 1), parts[0]
        if state % part:
            return False
        state //= part
        for k in range(count):
            if given[k] is None:
                if k < read and parts[k] > 0:
                    return False
                continue
            if type(given[k]) is not cnp.ndarray:
                return False
            array, part = given[k], parts[k]
            if part < 0:
                if cnp.PyArray_NDIM(array) != 1 or cnp.PyArray_DIM(array, 0) != -part * state:
                    return False
                if cnp.PyArray_TYPE(array) != cnp.PyArray_TYPE(first):
                    return False
            elif not same_rows(array, first, part * state):
                return False
            if not as_matrix(array, &seen[k]):
                return False
            if k >= read and not takes_result(array, given, seen, k, read, state * size):
                return False
        for k in range(needed):
            if outputs[k] is None:
                part = parts[read + k]
                outputs[k] = given[read + k] = of_rows(first, part * state)
                as_matrix(given[read + k], &seen[read + k])
        for k in range(INPUTS):
            call.inputs[k] = NULL if k >= read or given[k] is None else seen[k].data
            steps[k] = 0 if call.inputs[k] == NULL else seen[k].step // size
        for k in range(OUTPUTS):
            other = read + k
            call.outputs[k] = NULL if other >= count or given[other] is None else seen[other].data
            steps[INPUTS + k] = 0 if call.outputs[k] == NULL else seen[other].step // size
        call.parameters = NULL
        call.rows = steps
        call.axis.outer, call.axis.length, call.axis.inner = seen[0].rows, state, 1
        call.size = max(cnp.PyArray_SIZE(first), cnp.PyArray_SIZE(given[read]))
        run(
            self.work(direction), &call, dtype_of(first), spanned(first, &seen[0]), spanned(inputs[1], &seen[1]),
            spanned(outputs[0], &seen[read]))
        return True
