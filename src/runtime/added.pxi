# The short path of calls that add a bias or a residual to x first, and sum the gradient of the bias; and of dropout
# behind them.

cdef extern from *:
    """
    // Cython would lose the const of what the field points to.
    static inline void bring_to(fastact::Call& call, const fastact::Added& added) { call.added = &added; }
    """
    void bring_to(Call&, const Added&) noexcept nogil

cdef extern from "loops/streaming.hpp" namespace "fastact" nogil:
    const Py_ssize_t line
    Py_ssize_t to_next_line(const double*)

cdef const Entry* to_elements = NULL
cdef const Entry* to_gates = NULL
cdef const Entry* dropping = NULL
cdef const Entry* identity = NULL

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLong(object) except? 0xffffffffffffffff

# What a call says of it, by name, in this order; those that are not given are as in the second.
cdef tuple BESIDE = ("bias", "bias_axis", "residual", "dropout", "bias_grad")
cdef tuple NOTHING_BESIDE = (None, -1, None, None, False)


cpdef tuple taken(dict given, int count):
    """The first `count` of these words, taken out of what a call was given by name; None where there is none."""
    cdef list values = None
    cdef int k
    for k in range(count):
        if BESIDE[k] in given:
            if values is None:
                values = list(NOTHING_BESIDE[:count])
            values[k] = given.pop(BESIDE[k])
    return None if values is None else tuple(values)


cdef bint read_dropout(object given, Added* added, double* numbers, int dtype) except -1:
    """Whether `dropout=` is None or a pair for kernels, which `added` has then; `numbers` is room for two."""
    cdef double p
    added.dropout = NULL
    if given is None:
        return True
    if type(given) is not tuple or len(<tuple>given) != 2:
        return False
    p, seed = number_of((<tuple>given)[0]), (<tuple>given)[1]
    if not 0 <= p <= 1:
        return False
    if seed is None or p == 0:
        return seed is None or is_seed(seed)
    if not is_seed(seed):
        return False
    numbers[0] = p
    (<uint64_t*>numbers)[1] = PyLong_AsUnsignedLongLong(seed)
    drop_with(added, numbers, dtype)
    return True


cdef inline bint is_seed(object seed):
    return PyLong_CheckExact(seed) and 0 <= seed <= 0xffffffffffffffff


cdef inline void drop_with(Added* added, const double* numbers, int dtype) noexcept:
    """Have dropout behind a kernel: `numbers` are its probability and its seed."""
    added.dropout = dropping.forward.kernel[computed_in(dtype)]
    added.left_out = numbers


cdef object bias_of(cnp.ndarray x, object bias, object axis, Call* call, Added* added, double* number):
    """The array of a bias that is one for x as it is, or the number; both in the call. None for any other.

    `number` is room for one number.
    """
    cdef int dim, dtype = dtype_of(x)
    cdef bint is_number = PyFloat_CheckExact(bias) or PyLong_CheckExact(bias)
    added.axis.outer, added.axis.length, added.axis.inner = 1, 1, cnp.PyArray_SIZE(x)
    dim = along(x, axis)
    if dim < 0:
        return None
    if not is_number and is_numpys_number(bias):
        bias = float(bias)
        is_number = True
    if is_number:
        number[0] = number_of(bias)
        if number[0] != number[0]:
            return None
        if dtype != FLOAT64:
            (<float*>number)[0] = <float>number[0]
        call.inputs[3] = number
        return bias
    if not plain(bias) or cnp.PyArray_NDIM(<cnp.ndarray>bias) != 1:
        return None
    if cnp.PyArray_DIM(<cnp.ndarray>bias, 0) not in (1, cnp.PyArray_DIM(x, dim)):
        return None
    if dtype >= FLOAT16 and cnp.PyArray_TYPE(<cnp.ndarray>bias) == cnp.PyArray_TYPE(x):
        bias = cnp.PyArray_Cast(<cnp.ndarray>bias, cnp.NPY_FLOAT)
    if cnp.PyArray_TYPE(<cnp.ndarray>bias) != (cnp.NPY_DOUBLE if dtype == FLOAT64 else cnp.NPY_FLOAT):
        return None
    if cnp.PyArray_DIM(<cnp.ndarray>bias, 0) != 1:
        split(&added.axis, cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), dim)
    call.inputs[3] = cnp.PyArray_DATA(<cnp.ndarray>bias)
    return bias


cdef inline bint is_numpys_number(object value):
    """Whether it is a scalar of NumPy's, or an array of no dimensions, of one of the kernels' dtypes."""
    if type(value) is cnp.ndarray:
        return cnp.PyArray_NDIM(<cnp.ndarray>value) == 0 and in_memory(value)
    return type(value) in SCALARS


cdef inline bint shares_memory(object bias, object out) noexcept:
    """Whether a bias may lie in an array that is written."""
    return (
        type(bias) is cnp.ndarray and out is not None
        and not (plain(out) and disjoint(<cnp.ndarray>bias, <cnp.ndarray>out))
    )


cdef int computed_in(int dtype) noexcept:
    return FLOAT64 if dtype == FLOAT64 else FLOAT32


cdef object launch_added(const Entry* entry, Call* call, x, out, bias, axis, residual, dropout):
    """As `launch_flat`, of x with what is added to it. A kernel that takes weights finds their axis in the call."""
    cdef const Work* work = &entry.forward
    cdef const Work* brings = &to_elements.forward
    cdef Added added
    cdef double number
    cdef double left_out[2]
    if not in_memory(x) or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
        return None
    cdef cnp.ndarray first = <cnp.ndarray>x
    cdef int dtype = dtype_of(first)
    call.inputs[3] = call.inputs[4] = NULL
    added.weights = call.axis
    if not read_dropout(dropout, &added, left_out, dtype):
        return None
    if bias is not None:
        bias = bias_of(first, bias, axis, call, &added, &number)
        if bias is None or (type(bias) is cnp.ndarray and not (out is None or in_memory(out))):
            return None
    else:
        added.axis.outer, added.axis.length, added.axis.inner = 1, 1, cnp.PyArray_SIZE(first)
    added.kernel = work.kernel[computed_in(dtype)]
    bring_to(call[0], added)
    if entry.biased.kernel[dtype] != NULL and bias is not None and residual is None and added.dropout == NULL:
        brings = &entry.biased
    if not plain(x) or not (residual is None or plain(residual)) or not (out is None or plain(out)):
        if bias is not None and out is not None and bias_within(bias, out):
            return None
        return launch_runs(brings, work, call, x, None, residual, out)
    if residual is not None:
        if not alike(<cnp.ndarray>residual, first):
            return None
        call.inputs[4] = cnp.PyArray_DATA(<cnp.ndarray>residual)
    call.size = cnp.PyArray_SIZE(first)
    call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
    call.place.index, call.place.step = 0, 1
    if call.size == 0 or shares_memory(bias, out):
        return None
    out = output(out, cnp.PyArray_DIMS(first), first, residual)
    if out is not None:
        run_priced(brings, work, call, dtype, first, None, out)
    return out


cdef bint bias_within(object bias, object out) noexcept:
    """Whether a bias may lie within the memory that an array of any strides spans."""
    if type(bias) is not cnp.ndarray:
        return False
    cdef cnp.ndarray array = <cnp.ndarray>out
    cdef uintptr_t low = <uintptr_t>cnp.PyArray_DATA(array), high = low + cnp.PyArray_ITEMSIZE(array)
    cdef uintptr_t start = <uintptr_t>cnp.PyArray_DATA(<cnp.ndarray>bias)
    cdef Py_ssize_t reach
    cdef int i
    for i in range(cnp.PyArray_NDIM(array)):
        reach = (cnp.PyArray_DIM(array, i) - 1) * cnp.PyArray_STRIDE(array, i)
        if reach < 0:
            low += reach
        else:
            high += reach
    return start < high and start + cnp.PyArray_NBYTES(<cnp.ndarray>bias) > low


cdef inline double* doubles_of(cnp.ndarray array) noexcept:
    return <double*>cnp.PyArray_DATA(array)


cdef class Sums:
    """The gradient of a bias: the sums of ranges, and what they come to; of two biases, where two arrays have one."""

    cdef cnp.ndarray partial, total
    cdef double* sums  # in `partial`, from where a cache line begins: vectors of terms are added to them
    cdef Py_ssize_t ranges, length
    cdef int biases
    cdef bint twofold

    def __cinit__(self, int biases=1):
        self.biases = biases

    cdef int begin(self, Call* call, Axis axis, int dtype) except -1:
        """Have room for the sums of a call whose `group` says what a range is."""
        cdef cnp.npy_intp numbers
        self.twofold, self.length = dtype == FLOAT64, axis.length
        self.ranges = (call.size + call.group - 1) // call.group
        numbers = self.biases * self.ranges * sums_of(axis, self.twofold) + line // sizeof(double)
        self.partial = cnp.PyArray_EMPTY(1, &numbers, cnp.NPY_DOUBLE, 0)
        self.sums = doubles_of(self.partial)
        self.sums += to_next_line(self.sums)
        call.outputs[2] = self.sums
        if self.total is None:
            numbers = self.biases * 2 * axis.length
            self.total = cnp.PyArray_ZEROS(1, &numbers, cnp.NPY_DOUBLE, 0)
        return 0

    cdef int end(self) except -1:
        cdef Py_ssize_t numbers = self.ranges * self.length * (2 if self.twofold else 1)
        cdef int k
        for k in range(self.biases):
            add_ranges(
                self.sums + k * numbers, self.ranges, self.length, self.twofold, self.totals_of(k))
        return 0

    cdef double* totals_of(self, int bias) noexcept:
        return doubles_of(self.total) + bias * 2 * self.length

    def totals(self, int bias=0):
        """One total per channel, in float64."""
        return self.result(cnp.NPY_DOUBLE, bias)

    def parts(self, int bias=0):
        """The totals, and behind them what each has lost in rounding."""
        return (<object>self.total)[2 * bias * self.length : 2 * (bias + 1) * self.length].copy()

    cdef object result(self, int number, int bias=0):
        """The same, in float32 where that is the dtype of this number."""
        cdef cnp.npy_intp length = self.length, channel
        cdef bint single = number == cnp.NPY_FLOAT
        cdef const double* total = self.totals_of(bias)
        cdef cnp.ndarray result = cnp.PyArray_EMPTY(1, &length, cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE, 0)
        for channel in range(length):
            if single:
                (<float*>cnp.PyArray_DATA(result))[channel] = <float>total_of(total, length, channel)
            else:
                (<double*>cnp.PyArray_DATA(result))[channel] = total_of(total, length, channel)
        return result


cdef object launch_added_backward(
    const Work* work, const Work* brings, Call* call, dy, saved, out, bias, axis, residual, dropout, bint from_y,
    bint sums,
):
    """dx, or dx and dbias, in float64 for half precision; None where Python has to look.

    `work` is brought its arrays by `brings`.
    """
    cdef Added added
    cdef double number
    cdef double left_out[2]
    cdef Sums of_bias = Sums.__new__(Sums) if sums else None
    cdef cnp.ndarray x = <cnp.ndarray>saved
    cdef int dim, dtype = dtype_of(x)
    call.size = cnp.PyArray_SIZE(x)
    if call.size == 0 or cnp.PyArray_NDIM(x) == 0:
        return None
    call.inputs[2] = call.inputs[3] = call.inputs[4] = call.outputs[1] = call.outputs[2] = NULL
    call.place.index, call.place.step = 0, 1
    dim = along(x, axis)
    added.weights = call.axis
    if dim < 0 or not read_dropout(dropout, &added, left_out, dtype):
        return None
    if bias is not None:
        bias = bias_of(x, bias, axis, call, &added, &number)
        if bias is None or shares_memory(bias, out):
            return None
    else:
        split(&added.axis, cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), dim)
    if from_y:
        call.inputs[3] = NULL
    elif residual is not None:
        if not plain(residual) or not alike(<cnp.ndarray>residual, x):
            return None
        if out is not None and not (plain(out) and apart(<cnp.ndarray>residual, <cnp.ndarray>out)):
            return None
        call.inputs[4] = cnp.PyArray_DATA(<cnp.ndarray>residual)
    out = output_of(out, x, <cnp.ndarray>dy)
    if out is None:
        return None
    added.kernel = work.kernel[computed_in(dtype)]
    bring_to(call[0], added)
    call.group = range_of(added.axis, call.size)
    if of_bias is not None:
        of_bias.begin(call, added.axis, dtype)
    run_priced(brings, work, call, dtype, dy, x, out)
    if of_bias is None:
        return out
    of_bias.end()
    return out, of_bias.result(cnp.PyArray_TYPE(x))


cdef object gradient_of(object activation, cnp.ndarray sums, object bias, cnp.ndarray saved):
    """The gradient of a bias from its sums, in the dtype of what was saved; Python rounds to half precision."""
    if dtype_of(saved) >= FLOAT16:
        return activation._of_bias(sums, bias, saved)
    cdef bint has_axis = bias is None or type(bias) is cnp.ndarray and cnp.PyArray_NDIM(<cnp.ndarray>bias) > 0
    return sums if has_axis else (<object>sums)[0]


cdef object launch_parts_backward(
    const Work* work, Call* call, dy, saved, out, bias, axis, residual, dropout, bint from_y, bint sums
):
    """As `launch_added_backward` of elements, for arrays of any layout in C order, where they are small."""
    dy, saved, room = in_one_piece(dy), in_one_piece(saved), None
    if residual is not None:
        residual = in_one_piece(residual)
        if residual is None:
            return None
    if dy is None or saved is None or not alike(<cnp.ndarray>dy, <cnp.ndarray>saved):
        return None
    if out is not None:
        room = room_for(out, <cnp.ndarray>saved)
        if room is None:
            return None
    result = launch_added_backward(
        work, &to_elements.backward_x, call, dy, saved, room, bias, axis, residual, dropout, from_y, sums)
    if out is None or result is None:
        return result
    brought_back(room, out)
    return (out, result[1]) if sums else out


cdef object launch_numbers_backward(
    const Work* work, Call* call, dy, saved, out, bias, axis, residual, dropout, bint from_y, bint sums
):
    """The same for numbers. The gradient of a bias is one where the bias is."""
    cdef object room = None if out is None else room_for_one(out)
    if sums and bias is None or type(bias) is cnp.ndarray and cnp.PyArray_NDIM(<cnp.ndarray>bias) > 0:
        return None
    dy, saved = as_one(dy), as_one(saved)
    if residual is not None:
        residual = as_one(residual)
        if residual is None:
            return None
    if dy is None or saved is None or (out is not None and room is None):
        return None
    result = launch_parts_backward(work, call, dy, saved, room, bias, axis, residual, dropout, from_y, sums)
    if result is None:
        return None
    dx = result[0] if sums else result
    if out is None:
        out = dx[0]
    return (out, result[1]) if sums else out


cdef object launch_any_backward(
    const Work* work, Call* call, dy, saved, out, bias, axis, residual, dropout, bint from_y, bint sums
):
    """The gradients of elements with what is added to them; None where Python has to look."""
    if type(saved) is cnp.ndarray and cnp.PyArray_NDIM(<cnp.ndarray>saved) > 0:
        return launch_parts_backward(work, call, dy, saved, out, bias, axis, residual, dropout, from_y, sums)
    return launch_numbers_backward(work, call, dy, saved, out, bias, axis, residual, dropout, from_y, sums)


cdef object output_of(object out, cnp.ndarray x, cnp.ndarray dy):
    """`out` for a gradient of the shape of x, from a `dy` that may be smaller, or a new array."""
    if out is not None and (not plain(out) or not apart(dy, <cnp.ndarray>out)):
        return None
    return output(out, cnp.PyArray_DIMS(x), x, None)
