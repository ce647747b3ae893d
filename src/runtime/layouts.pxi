# Arrays of any layout on their way to a kernel: copied in, computed and copied out, a part of them at a time. These
# loops are not Python's because a signal's handler runs between its bytecodes. Whatever such a handler raises, as
# Ctrl-C's does, comes before a call has written anything, or after it has written all. So nothing here calls what is
# written in Python, a warning's machinery included: `arrays.write` turns NumPy's off.


def run_chunks(
    Kernels kernels, str direction, list arrays, tuple parameters, dict options, tuple beside=(),
):
    """Run what looks at each element for itself on the chunks of a numpy.nditer; the last array is written.

    `beside` is what `_run_with_added` takes between parameters and the position, where x is brought with what is added
    to it. The iterator is made here, too: one that is dropped writes what it has back, which may be nothing yet.
    """
    cdef Py_ssize_t index = 0
    cdef list chunks
    iterator = nditer(arrays, **options)
    with iterator:
        for parts in iterator:
            chunks = list(parts)
            out = chunks.pop()
            if beside:
                kernels._run_with_added(direction, chunks, out, parameters, *beside, index)
            else:
                kernels._run_kernel(direction, chunks, [out], parameters, None, (index, 1))
            index += cnp.PyArray_SIZE(out)


def run_chunks_in_float64(
    Kernels kernels, str direction, list arrays, tuple parameters, dict options, tuple beside=(),
):
    """The same where the iterator casts, of which `arrays.write` has NumPy say nothing."""
    run_chunks(kernels, direction, arrays, parameters, options, beside)


def run_along(
    Kernels kernels, str direction, list inputs, list outputs, int dim, int span, tuple parameters, weight,
    Py_ssize_t group,
):
    """Run what looks at the whole of `span` axes from `dim` on, on arrays that are ready; None where there is none."""
    cdef tuple axis = split_of(inputs[0], outputs[0], dim, span)
    if cnp.PyArray_SIZE(outputs[0]):
        run_parts(kernels, direction, inputs, outputs, axis, parameters, weight, group, (0, axis[2]))


cdef extern from "loops/strips.hpp" namespace "fastact" nogil:
    cppclass Float16:
        pass
    cppclass BFloat16:
        pass
    void widen[H](const H*, float*, Py_ssize_t)
    void narrow[H](const float*, H*, Py_ssize_t)


cdef int bring_into(cnp.ndarray to, cnp.ndarray source) except -1:
    """Copy to an array of the same shape, of another layout or dtype.

    Half precision goes the way of the kernels: NumPy rounds a float32 to a subnormal float16 in 172 ns.
    """
    cdef int written = dtype_of(to), read = dtype_of(source)
    cdef bint widens = written == FLOAT32 and read in (FLOAT16, BFLOAT16)
    cdef bint narrows = read == FLOAT32 and written in (FLOAT16, BFLOAT16)
    cdef Py_ssize_t size = cnp.PyArray_SIZE(source)
    cdef void* there = cnp.PyArray_DATA(to)
    cdef const void* here = cnp.PyArray_DATA(source)
    if not (widens or narrows) or not (cnp.PyArray_ISCARRAY(to) and cnp.PyArray_ISCARRAY_RO(source)):
        return cnp.PyArray_CopyInto(to, source)
    with nogil:
        if read == FLOAT16:
            widen(<const Float16*>here, <float*>there, size)
        elif read == BFLOAT16:
            widen(<const BFloat16*>here, <float*>there, size)
        elif written == FLOAT16:
            narrow(<const float*>here, <Float16*>there, size)
        else:
            narrow(<const float*>here, <BFloat16*>there, size)
    return 0


def run_slabs(
    Kernels kernels, str direction, list inputs, list outputs, int dim, int span, tuple parameters, weight,
    Py_ssize_t group, list slabs, list buffers, Py_ssize_t step,
):
    """The same for arrays of any layout and dtype, slab after slab.

    A slab is an index and the flat position of its first element, `step` how far elements that follow each other
    along the axis are apart. The buffers, one for each array, are flat, of the kernel's dtype and have room for any
    slab.
    """
    cdef Py_ssize_t k, count = len(inputs)
    for slab, first in slabs:
        views = [None if array is None else array[slab] for array in inputs + outputs]
        parts = [None if view is None else room(view, buffers[k]) for k, view in enumerate(views)]
        for k in range(count):
            if views[k] is not None:
                bring_into(parts[k], views[k])
        axis = split_of(parts[0], parts[count], dim, span)
        run_parts(
            kernels, direction, parts[:count], parts[count:], axis, parameters, weight, group, (first, step))
        for k in range(count, len(views)):
            if views[k] is not None:
                bring_into(views[k], parts[k])


cdef extern from "loops/half_rows.hpp" namespace "fastact" nogil:
    Segment combined(const Segment*, Py_ssize_t, int, int)


def run_long_rows(
    Kernels kernels, str direction, list inputs, list outputs, Py_ssize_t length, tuple parameters, list slabs,
    cnp.dtype dtype, Py_ssize_t step,
):
    """The same for slabs that are a row each, too long to be copied whole, and kernels that threads share a row of.

    A row is gone over in their phases, segment by segment, so that it has the same bits and takes a buffer of a
    segment for each array.
    """
    cdef double values[MOST]
    cdef Call call
    cdef cnp.npy_intp most = segment
    cdef InOrder result
    cdef cnp.ndarray room = cnp.PyArray_EMPTY(1, &most, dtype.num, 0)
    cdef const Work* work = kernels.work(direction)
    cdef Segment* found = <Segment*>malloc(segments_of(length) * sizeof(Segment))
    if found == NULL:
        raise MemoryError
    try:
        known_dtype(work, room)
        read_numbers(parameters, values)
        call.parameters = values
        call.axis.outer, call.axis.inner = 1, 1
        call.group, call.passing = 0, in_cache
        call.rows = NULL
        for slab, first in slabs:
            call.place.step = step
            sources = [InOrder(array[slab], dtype, segment) for array in inputs]
            result = InOrder(outputs[0][slab], dtype, segment, True)
            run_long_row(work, &call, found, length, first, sources, result, room)
    finally:
        free(found)


cdef int run_long_row(
    const Work* work, Call* call, Segment* found, Py_ssize_t length, Py_ssize_t place, list sources, InOrder result,
    cnp.ndarray room,
) except -1:
    """A kernel is told of each segment as of a row of its own, whose sums are those of the whole.

    Terms that a formula keeps from one phase to the next are computed again: there is room for one segment's.
    """
    cdef int i, phase, dtype = dtype_of(room)
    cdef Kernel kernel = work.kernel[dtype]
    cdef Py_ssize_t k, start, stop
    cdef Segment whole, own
    call.segments = &own
    call.outputs[0] = cnp.PyArray_DATA(room)
    for phase in range(work.phases):
        whole = combined(found, length, work.phases, phase)
        for k in range(segments_of(length)):
            start, stop = k * segment, min((k + 1) * segment, length)
            for i in range(len(sources)):
                call.inputs[i] = cnp.PyArray_DATA((<InOrder>sources[i]).read(start, stop))
            call.axis.length = call.size = stop - start
            call.place.index = place + start * call.place.step
            with nogil:
                # Kernels of half precision do the same with their own buffer.
                if phase > 1 and dtype < FLOAT16:
                    own, call.stage = whole, phase - 1
                    kernel(call[0], 0, 1)
                own, call.stage = whole, phase
                kernel(call[0], 0, 1)
            if phase == work.phases - 1:
                bring_into(result.part(start, stop), room[:stop - start])
                result.write(start, stop)
            elif phase == work.phases - 2:
                found[k].total, found[k].count = own.total, own.count
            else:
                found[k].largest = own.largest
    return 0


def in_turn(steps):
    """Call one after another what is compiled, with no signal's handler in between."""
    global steps_taken
    steps_taken += 1
    try:
        for step in steps:
            step()
    finally:
        steps_taken -= 1
    tell_shortage()


cdef object room(cnp.ndarray view, buffer):
    """As much of a flat buffer as a view takes, in its shape."""
    return buffer[:cnp.PyArray_SIZE(view)].reshape((<object>view).shape)


cdef tuple split_of(cnp.ndarray a, cnp.ndarray b, int dim, int span):
    """Two arrays seen along axes on which one may be the shorter, as if they were contiguous."""
    cdef Py_ssize_t outer = 1, length = 1, other = 1, inner = 1
    cdef int i
    for i in range(cnp.PyArray_NDIM(a)):
        if i < dim:
            outer *= cnp.PyArray_DIM(a, i)
        elif i < dim + span:
            length *= cnp.PyArray_DIM(a, i)
            other *= cnp.PyArray_DIM(b, i)
        else:
            inner *= cnp.PyArray_DIM(a, i)
    return outer, min(length, other), inner


cdef int run_parts(
    Kernels kernels, str direction, list inputs, list outputs, tuple axis, tuple parameters, weight, Py_ssize_t group,
    tuple place,
) except -1:
    """Run a kernel on contiguous arrays; one weight alone is for all elements, wherever they are on the axis.

    Several that lie along the axis come as a tuple.
    """
    if isinstance(weight, tuple):
        inputs = [*inputs, *weight]
    elif weight is not None:
        inputs = [*inputs, weight]
        if cnp.PyArray_SIZE(weight) == 1:
            axis = (1, 1, axis[0] * axis[1] * axis[2])
    kernels._run_kernel(direction, inputs, outputs, parameters, axis, place, group)
    return 0


cdef enum:
    SLAB = 1 << 16  # elements of an array that is brought to kernels a part at a time, if a row is not longer


cdef class InOrder:
    """The elements of an array of any layout in C order and in one dtype, range by range of their flat positions.

    An array that lies so is looked at where it is; of others a range comes through a buffer.
    """

    cdef cnp.ndarray memory
    cdef object iterator

    def __init__(self, cnp.ndarray array, cnp.dtype dtype, Py_ssize_t most, bint written=False):
        cdef cnp.npy_intp size = min(most, cnp.PyArray_SIZE(array))
        self.iterator = None
        if cnp.PyArray_ISCARRAY_RO(array) and cnp.PyArray_TYPE(array) == dtype.num:
            self.memory = flat(array)
            return
        self.memory = cnp.PyArray_SimpleNew(1, &size, dtype.num)
        # Half precision is brought by `bring_into`.
        cdef bint half = dtype.num == cnp.NPY_FLOAT and dtype_of(array) in (FLOAT16, BFLOAT16)
        kind = (<object>array).dtype.newbyteorder("=") if half else dtype
        self.iterator = nditer(
            array, flags=["external_loop", "buffered", "ranged"], order="C", casting="unsafe", op_dtypes=[kind],
            op_flags=[["writeonly" if written else "readonly", "contig", "aligned", "nbo"]],
        )

    cdef cnp.ndarray part(self, Py_ssize_t start, Py_ssize_t stop):
        """Where a range is, or comes to be."""
        return self.memory[start:stop] if self.iterator is None else self.memory[:stop - start]

    cdef cnp.ndarray read(self, Py_ssize_t start, Py_ssize_t stop):
        cdef cnp.ndarray part = self.part(start, stop)
        cdef Py_ssize_t at = 0
        if self.iterator is not None:
            self.iterator.iterrange = start, stop
            for chunk in self.iterator:
                bring_into(part[at:at + cnp.PyArray_SIZE(chunk)], chunk)
                at += cnp.PyArray_SIZE(chunk)
        return part

    def taken(self, Py_ssize_t start, Py_ssize_t stop):
        """A range, until the next is taken."""
        return self.read(start, stop)

    cdef int write(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Bring what is in the part to its place."""
        cdef Py_ssize_t at = 0
        if self.iterator is not None:
            self.iterator.iterrange = start, stop
            for chunk in self.iterator:
                bring_into(chunk, self.memory[at:at + cnp.PyArray_SIZE(chunk)])
                at += cnp.PyArray_SIZE(chunk)
        return 0
