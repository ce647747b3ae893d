# Rows: what a row sees of its elements, handed to kernels, and the short path of calls that say so or do not.

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    long PyLong_AsLongAndOverflow(object, int* overflow) noexcept

cdef extern from "visible.hpp" namespace "fastact" nogil:
    Py_ssize_t no_mask, keeping_mask, added_mask
    cppclass Visible:
        Py_ssize_t causal, offset, queries, between, mask, dims
        Py_ssize_t extent[64]
        Py_ssize_t stride[64]


cdef inline void see_all(Visible* visible) noexcept:
    visible.causal, visible.offset, visible.queries, visible.between = 0, 0, 1, 1
    visible.mask, visible.dims = no_mask, 0


cdef inline void see_until(Visible* visible, Py_ssize_t offset, Py_ssize_t queries, Py_ssize_t between) noexcept:
    """Each query sees the elements up to its own place and `offset` more."""
    visible.causal, visible.offset = 1, offset
    visible.queries, visible.between = max(queries, 1), max(between, 1)


cdef bint see_through(Visible* visible, cnp.ndarray x, cnp.ndarray mask) noexcept:
    """Take a mask that broadcasts to a contiguous x as it lies in memory; False where it does not lie so.

    Its rows are as long as those of x and contiguous. Axes of x that follow each other in it are taken as one.
    """
    cdef int dims = cnp.PyArray_NDIM(x), own = cnp.PyArray_NDIM(mask), behind = dims - own, i
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(mask), extent, stride, last = 0
    if cnp.PyArray_TYPE(mask) == cnp.NPY_BOOL:
        visible.mask = keeping_mask
    elif cnp.PyArray_TYPE(mask) == cnp.PyArray_TYPE(x) and cnp.PyArray_ISBEHAVED_RO(mask):
        visible.mask = added_mask
    else:
        return False
    if own == 0 or own > dims or cnp.PyArray_DIM(mask, own - 1) != cnp.PyArray_DIM(x, dims - 1):
        return False
    if cnp.PyArray_STRIDE(mask, own - 1) != size and cnp.PyArray_DIM(mask, own - 1) != 1:
        return False
    visible.dims = 0
    for i in range(dims - 1):
        extent, stride = cnp.PyArray_DIM(x, i), 0
        if i >= behind and cnp.PyArray_DIM(mask, i - behind) != 1:
            if cnp.PyArray_DIM(mask, i - behind) != extent:
                return False
            stride = cnp.PyArray_STRIDE(mask, i - behind)
            if stride % size:
                return False
            stride //= size
        if extent == 1:
            continue
        last = visible.dims - 1
        if last >= 0 and visible.stride[last] == stride * extent:
            visible.extent[last] *= extent
            visible.stride[last] = stride
        else:
            visible.extent[last + 1], visible.stride[last + 1] = extent, stride
            visible.dims += 1
    return True


cdef inline bint is_boolean(object array) noexcept:
    return type(array) is cnp.ndarray and cnp.PyArray_TYPE(<cnp.ndarray>array) == cnp.NPY_BOOL


cdef bint keeps_off(object out, cnp.ndarray array) noexcept:
    """Whether writing a contiguous `out` leaves an array of any layout as it is, as far as its bounds tell."""
    cdef uintptr_t low = <uintptr_t>cnp.PyArray_DATA(array), high = low + cnp.PyArray_ITEMSIZE(array), first
    cdef Py_ssize_t reach
    cdef int i
    if out is None:
        return True
    if type(out) is not cnp.ndarray or not cnp.PyArray_ISCARRAY(<cnp.ndarray>out):
        return False
    for i in range(cnp.PyArray_NDIM(array)):
        reach = (cnp.PyArray_DIM(array, i) - 1) * cnp.PyArray_STRIDE(array, i)
        if reach > 0:
            high += reach
        else:
            low += reach
    first = <uintptr_t>cnp.PyArray_DATA(<cnp.ndarray>out)
    return first + cnp.PyArray_NBYTES(<cnp.ndarray>out) <= low or high <= first


cdef bint see(Visible* visible, cnp.ndarray x, object causal, object mask, object out) except -1:
    """Read what rows along the last axis of a plain x see; False where Python has to look at it."""
    cdef int overflow = 0, dims = cnp.PyArray_NDIM(x)
    cdef Py_ssize_t offset = 0
    see_all(visible)
    if causal is not None and causal is not False:
        if causal is not True:
            if not PyLong_CheckExact(causal):
                return False
            offset = PyLong_AsLongAndOverflow(causal, &overflow)
        if overflow or dims < 2:
            return False
        see_until(visible, offset, cnp.PyArray_DIM(x, dims - 2), 1)
    if mask is None:
        return True
    return type(mask) is cnp.ndarray and keeps_off(out, <cnp.ndarray>mask) and see_through(visible, x, mask)


def visible(Py_ssize_t queries, Py_ssize_t between, offset, str mask, Py_ssize_t length):
    """What kernels are told where rows lie one after another, and their masks likewise; as an array of integers.

    `offset` is None where not even the queries matter; `mask` is "", "boolean" or "added".
    """
    cdef cnp.npy_intp words = sizeof(Visible) // sizeof(Py_ssize_t)
    cdef cnp.ndarray array = cnp.PyArray_ZEROS(1, &words, cnp.NPY_INTP, 0)
    cdef Visible* told = <Visible*>cnp.PyArray_DATA(array)
    see_all(told)
    if offset is not None:
        see_until(told, offset, queries, between)
    if mask:
        told.mask = keeping_mask if mask == "boolean" else added_mask
        told.dims, told.extent[0], told.stride[0] = 1, PY_SSIZE_T_MAX, length
    return array


cdef class MaskedKernels(Kernels):
    """Rows with a scale, of which some elements are not seen."""

    cdef object launch_seen(
        self, const Work* work, x, saved, axis, const double* parameters, causal, mask, out
    ):
        """Run on plain arrays along their last axis; None where Python has to look at something."""
        cdef Visible told
        cdef Call call
        if not plain(x) or not (saved is None or plain(saved) and alike(<cnp.ndarray>x, <cnp.ndarray>saved)):
            return None
        if along(<cnp.ndarray>x, axis) != cnp.PyArray_NDIM(<cnp.ndarray>x) - 1 or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
            return None
        if not see(&told, x, causal, mask, out):
            return None
        call.parameters = parameters
        call.inputs[2] = NULL if mask is None else cnp.PyArray_DATA(<cnp.ndarray>mask)
        call.inputs[3] = &told
        call.group = 0
        return launch_along(work, &call, cnp.PyArray_NDIM(<cnp.ndarray>x) - 1, x, saved, out)

    def _run_seen(self, x, saved, axis, tuple parameters, causal, mask, out):
        """The result where arrays are plain and rows along the last axis, else None; all is checked."""
        cdef double values[MOST]
        read_numbers(parameters, values)
        return self.launch_seen(
            &self.entry.forward if saved is None else &self.entry.backward_y, x, saved, axis, values, causal, mask, out)


cdef object launch_rows_apart(const Work* work, Call* call, x, saved, axis, out):
    """As `launch_along` the last axis, for arrays whose rows are contiguous and one distance apart."""
    cdef Runs runs
    cdef Py_ssize_t steps[3]
    cdef int k, dims, dtype
    if not in_rows(x) or not (saved is None or rows_alike(saved, <cnp.ndarray>x)):
        return None
    cdef cnp.ndarray first = <cnp.ndarray>x
    dims, dtype = cnp.PyArray_NDIM(first), dtype_of(first)
    # Half precision is staged from rows that follow each other.
    if along(first, axis) != dims - 1 or dtype >= FLOAT16 or work.kernel[dtype] == NULL:
        return None
    split(&call.axis, dims, cnp.PyArray_DIMS(first), dims - 1)
    call.size = cnp.PyArray_SIZE(first)
    if call.size == 0:
        return None
    if out is None:
        out = cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
    elif not rows_alike(out, first) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return None
    add_view(&runs, first, call.axis.length, 0)
    if saved is not None:
        add_view(&runs, <cnp.ndarray>saved, call.axis.length, 1)
    add_view(&runs, <cnp.ndarray>out, call.axis.length, INPUTS)
    if not writable_rows(&runs, dims - 1, first, call.axis.length, False, 1) or runs.dims > 1:
        return None
    for k in range(runs.count):
        steps[k] = runs.steps[k][0] // cnp.PyArray_ITEMSIZE(first) if runs.dims else call.axis.length
    call.rows = steps
    call.place.index, call.place.step = 0, 1
    call.inputs[0], call.outputs[0] = cnp.PyArray_DATA(first), cnp.PyArray_DATA(<cnp.ndarray>out)
    if saved is not None:
        call.inputs[1] = cnp.PyArray_DATA(<cnp.ndarray>saved)
    run_runs(work, work, call, dtype)
    return out


cdef class RowsKernels(Kernels):
    """The short path of an activation of rows.

    One that takes a scale and masks has `masked` for them, and `turn` is what x is multiplied by anyway. One that
    has a parameter has kernels for it, and remembers which value of it passed the Python subclass's checks last.
    """

    cdef MaskedKernels masked
    cdef double turn
    cdef bint takes_where
    cdef Kernels tempered
    cdef str parameter
    cdef CheckedParameters checked

    def __init__(
        self, str kernel, MaskedKernels masked=None, double turn=1, bint takes_where=False, Kernels tempered=None,
        str parameter="",
    ):
        cdef double unknown = NAN
        Kernels.__init__(self, kernel)
        self.masked, self.turn, self.takes_where = masked, turn, takes_where
        self.tempered, self.parameter = tempered, parameter
        self.checked.keep(&unknown, 1)

    def _remember(self, double value):
        """Keep a parameter that was found good, for the short path of the next call."""
        self.checked.keep(&value, 1)

    cdef bint tempers(self, dict words, double* parameter):
        """Whether a call has a known parameter and nothing else."""
        if self.tempered is None or len(words) != 1:
            return False
        parameter[0] = number_of(words.get(self.parameter))
        return self.checked.equal(parameter, 1)

    cdef object launch_in_place(self, x, saved, axis, dict words, out):
        """A call on arrays where they lie, backward where `saved` is given; None where Python has to look at something.

        Where a mask has a say, rows are one after another.
        """
        cdef double parameters[MOST]
        cdef Kernels kernels = self
        cdef const Work* work
        cdef Call call
        cdef int dim = -1
        cdef bint are_plain = plain(x) and (saved is None or plain(saved) and alike(<cnp.ndarray>x, <cnp.ndarray>saved))
        call.parameters = NULL
        if words:
            if not self.tempers(words, parameters):
                return self.launch_words(x, saved, axis, words, out) if are_plain else None
            kernels, call.parameters = self.tempered, parameters
        work = &kernels.entry.forward if saved is None else &kernels.entry.backward_y
        if are_plain:
            dim = along(<cnp.ndarray>x, axis)
        result = None if dim < 0 else launch_along(work, &call, dim, x, saved, out)
        return launch_rows_apart(work, &call, x, saved, axis, out) if result is None else result

    cdef object launch_any(self, x, saved, axis, dict words, out):
        """The same for arrays of any layout in C order, too, where they are small."""
        cdef object piece, kept = None, room = out
        result = self.launch_in_place(x, saved, axis, words, out)
        if result is not None:
            return result
        piece = in_one_piece(x)
        if saved is not None:
            kept = in_one_piece(saved)
        if piece is None or kept is None and saved is not None:
            return None
        if piece is not x and not plain(out):
            # A copy takes the result, too: one array less in the cache.
            if out is not None and not can_be_copied_to(out, <cnp.ndarray>piece):
                return None
            room = piece
        elif out is not None:
            room = room_for(out, <cnp.ndarray>piece)
            if room is None or piece is x and kept is saved and room is out:
                return None
        elif kept is saved:
            return None
        result = self.launch_in_place(piece, kept, axis, words, room)
        return result if result is None or out is None else brought_back(room, out)

    cdef object launch_words(self, x, saved, axis, dict words, out):
        """A call on plain arrays with a scale or masks; None where Python has to look at something."""
        cdef double parameters[MOST]
        cdef double number
        cdef const Work* work
        if self.masked is None:
            return None
        parameters[0], parameters[1], parameters[2] = self.turn, 0, 0
        causal = mask = None
        for name, value in words.items():
            if name == "scale":
                number = number_of(value)
                if not -1e300 < number < 1e300:
                    return None
                parameters[0] = self.turn * number
            elif name == "causal":
                causal = value
            elif value is None or mask is not None:
                return None
            elif name == "mask" or name == "where" and self.takes_where and saved is None and is_boolean(value):
                mask = value
            else:
                return None
        work = &self.masked.entry.forward if saved is None else &self.masked.entry.backward_y
        return self.masked.launch_seen(work, x, saved, axis, parameters, causal, mask, out)

    def __call__(self, x, axis=-1, out=None, **kwargs):
        result = self.launch_any(x, None, axis, kwargs, out)
        return self._forward(x, axis, single(out), kwargs) if result is None else result

    def backward(self, dy, *, x=None, y=None, axis=-1, out=None, **kwargs):
        if x is None and y is not None:
            result = self.launch_any(dy, y, axis, kwargs, out)
            if result is not None:
                return result
        return self._backward(dy, x, y, axis, single(out), kwargs)
