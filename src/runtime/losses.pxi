# What a row gives one number of: logsumexp, and losses with their gradients.

cdef object numbers_of_rows(cnp.ndarray x):
    """A new array for a number of each row along the last axis, of the dtype that x is computed in."""
    cdef int number = cnp.NPY_DOUBLE if dtype_of(x) == FLOAT64 else cnp.NPY_FLOAT
    return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x) - 1, cnp.PyArray_DIMS(x), number, 0)


cdef bint along_last(object x, object axis) noexcept:
    """Whether x is plain, with rows along its last axis that a kernel takes as they are; and is not empty."""
    if not plain(x) or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0 or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0:
        return False
    cdef cnp.ndarray array = <cnp.ndarray>x
    cdef int last = cnp.PyArray_NDIM(array) - 1
    return along(array, axis) == last and not (
        dtype_of(array) >= FLOAT16 and cnp.PyArray_DIM(array, last) > longest_half_row
    )


cdef void see_rows(Call* call, cnp.ndarray x) noexcept:
    """See a contiguous x as its rows along the last axis, each of which gives one number."""
    cdef Py_ssize_t length = cnp.PyArray_DIM(x, cnp.PyArray_NDIM(x) - 1)
    call.size = cnp.PyArray_SIZE(x)
    call.axis.outer, call.axis.length, call.axis.inner = call.size // length, length, 1
    call.place.index, call.place.step = 0, 1
    call.group = 0


cdef class LogSumExpKernels(Kernels):
    """The short path of logsumexp along the last axis of a plain array."""

    def forward(self, x, axis, double scale, causal, mask):
        """A new array, of the dtype that x is computed in; None where Python has to look at something."""
        cdef double parameters[MOST]
        cdef Visible told
        cdef Call call
        if not along_last(x, axis) or not see(&told, x, causal, mask, None):
            return None
        parameters[0], parameters[1], parameters[2] = scale, 0, 0
        call.parameters = parameters
        call.inputs[2] = NULL if mask is None else cnp.PyArray_DATA(<cnp.ndarray>mask)
        call.inputs[3] = &told
        see_rows(&call, x)
        cdef cnp.ndarray result = numbers_of_rows(x)
        run(&self.entry.forward, &call, dtype_of(x), x, None, result)
        return result

    def backward(self, cnp.ndarray dy, x, axis, double scale, causal, mask, out):
        """The gradient of x from that of the result, which is contiguous and of the dtype that x is computed in."""
        cdef double parameters[MOST]
        cdef Visible told
        cdef Call call
        if not along_last(x, axis) or not see(&told, x, causal, mask, out):
            return None
        if out is not None and not keeps_off(out, dy):
            return None
        parameters[0], parameters[1], parameters[2] = scale, 0, 0
        call.parameters = parameters
        call.inputs[1] = cnp.PyArray_DATA(dy)
        call.inputs[2] = NULL if mask is None else cnp.PyArray_DATA(<cnp.ndarray>mask)
        call.inputs[3] = &told
        call.group = 0
        return launch_along(&self.entry.backward_x, &call, cnp.PyArray_NDIM(<cnp.ndarray>x) - 1, x, None, out)


cdef bint are_classes(const int64_t* target, Py_ssize_t count, Py_ssize_t classes, Py_ssize_t ignored) noexcept nogil:
    cdef bint good = True
    cdef Py_ssize_t i
    for i in range(count):
        good &= (0 <= target[i] < classes) | (target[i] == ignored)
    return good


cdef class CrossEntropyKernels(Kernels):
    """The short path of cross-entropy along the last axis of a plain array."""

    def launch(
        self, x, target, axis, weight, double smoothing, double factor, Py_ssize_t ignored, dy, out, bint gradient,
        bint losses,
    ):
        """The losses and the gradient, as far as they are asked for, or None where Python has to look at something.

        Losses, `weight` and `dy` are of the dtype that x is computed in, the latter two contiguous and checked; so is
        `smoothing`. The target is an array of classes, int64 or int32, or of probabilities of x's shape and dtype.
        """
        cdef double parameters[MOST]
        cdef Call call
        cdef cnp.ndarray classes, array, given = None
        cdef int last
        if not along_last(x, axis) or type(target) is not cnp.ndarray:
            return None
        array = <cnp.ndarray>x
        last = cnp.PyArray_NDIM(array) - 1
        parameters[0], parameters[1], parameters[2] = smoothing, factor, NAN
        call.inputs[3] = NULL
        if plain(target):
            if not alike(<cnp.ndarray>target, array):
                return None
            given = target
        else:
            classes = as_classes(target, array, ignored)
            if classes is None:
                return None
            parameters[2] = <double>ignored if 0 <= ignored < cnp.PyArray_DIM(array, last) else -1
            call.inputs[3] = cnp.PyArray_DATA(classes)
        for beside in (target, weight, dy):
            if beside is not None and not keeps_off(out, <cnp.ndarray>beside):
                return None
        call.parameters = parameters
        call.inputs[1] = NULL
        call.inputs[2] = NULL if dy is None else cnp.PyArray_DATA(<cnp.ndarray>dy)
        call.inputs[4] = NULL if weight is None else cnp.PyArray_DATA(<cnp.ndarray>weight)
        cdef cnp.ndarray numbers = numbers_of_rows(array) if losses else None
        if not gradient:
            see_rows(&call, array)
            run(&self.entry.forward, &call, dtype_of(array), array, given, numbers)
            return numbers, None
        call.group = 0
        call.outputs[1] = NULL if numbers is None else cnp.PyArray_DATA(numbers)
        result = launch_along(&self.entry.backward_x, &call, last, array, given, out)
        return None if result is None else (numbers, result)


cdef cnp.ndarray as_classes(cnp.ndarray target, cnp.ndarray x, Py_ssize_t ignored):
    """Targets as int64, one for each row of x; None where they are not plainly that, or one is out of range."""
    cdef int last = cnp.PyArray_NDIM(x) - 1
    if (
        cnp.PyArray_TYPE(target) not in (cnp.NPY_INT64, cnp.NPY_INT32) or not cnp.PyArray_ISCARRAY_RO(target)
        or cnp.PyArray_NDIM(target) != last
        or not cnp.PyArray_CompareLists(cnp.PyArray_DIMS(target), cnp.PyArray_DIMS(x), last)
    ):
        return None
    if cnp.PyArray_TYPE(target) == cnp.NPY_INT32:
        target = cnp.PyArray_Cast(target, cnp.NPY_INT64)
    cdef const int64_t* numbers = <const int64_t*>cnp.PyArray_DATA(target)
    return target if are_classes(numbers, cnp.PyArray_SIZE(target), cnp.PyArray_DIM(x, last), ignored) else None
