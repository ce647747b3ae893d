# The short path of norms of rows: plain arrays, of which a row is the last axis. What is no such array is answered with
# None, and core/norms.py sees to it.

cdef cnp.ndarray weights_of(object value, cnp.ndarray x, Py_ssize_t extent):
    """Weights as kernels read them, in what x is computed in; None where they are not plain or not so many."""
    cdef int wanted = cnp.NPY_DOUBLE if dtype_of(x) == FLOAT64 else cnp.NPY_FLOAT
    if not plain(value):
        return None
    cdef cnp.ndarray weights = value
    if cnp.PyArray_NDIM(weights) != 1 or cnp.PyArray_DIM(weights, 0) != extent:
        return None
    if cnp.PyArray_TYPE(weights) == wanted:
        return weights
    if dtype_of(weights) == dtype_of(x):
        return cnp.PyArray_Cast(weights, wanted)
    return None


cdef inline void* data_of(cnp.ndarray array) noexcept:
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef inline bint clear_of(cnp.ndarray out, cnp.ndarray read) noexcept:
    """Whether what is written shares no memory with what every row reads."""
    return read is None or disjoint(out, read)


cdef cnp.ndarray zeros(Py_ssize_t count):
    cdef cnp.npy_intp shape = count
    return cnp.PyArray_ZEROS(1, &shape, cnp.NPY_DOUBLE, 0)


cdef cnp.ndarray added_up(const double* sums, Py_ssize_t ranges, Py_ssize_t length, bint twofold):
    """The sums of ranges added in order, followed by what they lost."""
    cdef cnp.ndarray total = zeros(2 * length)
    cdef double* to = <double*>cnp.PyArray_DATA(total)
    with nogil:
        add_ranges(sums, ranges, length, twofold, to)
    return total


cdef Py_ssize_t step_of(cnp.ndarray array) noexcept:
    """How many bytes the elements of an array are apart in C order; 0 where it is not the same for all."""
    cdef Py_ssize_t step = 0, expected = 0, extent
    cdef int i
    for i in range(cnp.PyArray_NDIM(array) - 1, -1, -1):
        extent = cnp.PyArray_DIM(array, i)
        if extent == 1:
            continue
        if step == 0:
            step = expected = cnp.PyArray_STRIDE(array, i)
        elif cnp.PyArray_STRIDE(array, i) != expected:
            return 0
        expected *= extent
    return step if step else sizeof(double)


cdef bint stats_fit(object value, Py_ssize_t count) noexcept:
    """Whether these are float64 statistics of so many rows or channels, as a forward call gives them."""
    if type(value) is not cnp.ndarray:
        return False
    cdef cnp.ndarray numbers = value
    return (
        cnp.PyArray_TYPE(numbers) == cnp.NPY_DOUBLE and cnp.PyArray_ISNOTSWAPPED(numbers)
        and cnp.PyArray_ISALIGNED(numbers) and cnp.PyArray_SIZE(numbers) == count and step_of(numbers) != 0
    )


cdef int copy_stats(cnp.ndarray stats, int column, cnp.ndarray values) except -1:
    """Write one of the statistics into its column of those that lie side by side."""
    cdef double* to = <double*>cnp.PyArray_DATA(stats) + column
    cdef const char* data = <const char*>cnp.PyArray_DATA(values)
    cdef Py_ssize_t i, step = step_of(values)
    for i in range(cnp.PyArray_DIM(stats, 0)):
        to[2 * i] = (<const double*>(data + i * step))[0]
    return 0


cdef cnp.ndarray side_by_side(cnp.ndarray mean, cnp.ndarray rstd, Py_ssize_t count):
    """Statistics as kernels read them; without a mean there is nothing in its place that is read."""
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = count, 2
    cdef cnp.ndarray stats = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
    copy_stats(stats, 0, rstd if mean is None else mean)
    copy_stats(stats, 1, rstd)
    return stats


cpdef cnp.ndarray whole_totals(cnp.ndarray total):
    """Sums with what they lost, which follows them."""
    cdef cnp.npy_intp i, length = cnp.PyArray_SIZE(total) // 2
    cdef cnp.ndarray result = cnp.PyArray_EMPTY(1, &length, cnp.NPY_DOUBLE, 0)
    for i in range(length):
        (<double*>cnp.PyArray_DATA(result))[i] = total_of(<double*>cnp.PyArray_DATA(total), length, i)
    return result


cdef cnp.ndarray rounded(const double* total, cnp.npy_intp count, Py_ssize_t step, int dtype):
    """Float64 sums, `step` apart, as float32 or float64; what is beyond the range is infinite without a word."""
    cdef cnp.ndarray result = cnp.PyArray_EMPTY(
        1, &count, cnp.NPY_DOUBLE if dtype == FLOAT64 else cnp.NPY_FLOAT, 0)
    cdef void* to = cnp.PyArray_DATA(result)
    cdef Py_ssize_t i
    if dtype == FLOAT64:
        for i in range(count):
            (<double*>to)[i] = total[i * step]
    else:
        for i in range(count):
            (<float*>to)[i] = <float>total[i * step]
    return result


cdef class NormKernels(Kernels):
    """The kernels of a norm of rows."""

    cdef readonly bint centred

    def __init__(self, str kernel):
        Kernels.__init__(self, kernel)
        self.centred = kernel != "rms_norm"

    cdef double eps_of(self, eps, cnp.ndarray x) noexcept:
        """The number that is added to a variance; NaN for what Python has to look at."""
        if PyFloat_CheckExact(eps):
            return PyFloat_AS_DOUBLE(eps)
        if eps is None and not self.centred:
            return 2.0**-52 if dtype_of(x) == FLOAT64 else 2.0**-23
        return NAN

    cdef bint takes(self, x, axis, eps, Call* call, double* number) except -1:
        """Whether x is plain and its last axis is a row that kernels take; sets the axis and eps of the call."""
        if not plain(x):
            return False
        cdef cnp.ndarray source = x
        number[0] = self.eps_of(eps, source)
        if not 0 <= number[0] < INFINITY:
            return False
        call.parameters = number
        cdef int dims = cnp.PyArray_NDIM(source)
        if dims == 0 or along(source, axis) != dims - 1 or cnp.PyArray_SIZE(source) == 0:
            return False
        split(&call.axis, dims, cnp.PyArray_DIMS(source), dims - 1)
        call.size = cnp.PyArray_SIZE(source)
        call.place.index, call.place.step = 0, 1
        call.group = 0
        return call.axis.length <= longest_half_row or dtype_of(source) < FLOAT16

    def plain_forward(self, x, weight, bias, axis, eps, residual, residual_out, bint stats, out):
        """What a call gives whose arrays are all plain: the result, and mean and rstd of each row if asked for."""
        cdef Call call
        cdef cnp.ndarray weights = None, biases = None, found = None
        cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
        cdef double number
        cdef int i, dims
        if not self.takes(x, axis, eps, &call, &number):
            return None
        cdef cnp.ndarray source = x
        dims = cnp.PyArray_NDIM(source)
        if weight is not None:
            weights = weights_of(weight, source, call.axis.length)
            if weights is None:
                return None
        if bias is not None:
            biases = weights_of(bias, source, call.axis.length)
            if biases is None:
                return None
        if residual is not None and not (plain(residual) and alike(<cnp.ndarray>residual, source)):
            return None
        out = output(out, cnp.PyArray_DIMS(source), source, residual)
        if out is None or not clear_of(out, weights) or not clear_of(out, biases):
            return None
        if residual_out is not None:
            if residual is None or output(residual_out, cnp.PyArray_DIMS(source), source, residual) is None:
                return None
            if not (disjoint(residual_out, out) and clear_of(residual_out, weights)
                    and clear_of(residual_out, biases)):
                return None
        if stats:
            for i in range(dims - 1):
                shape[i] = cnp.PyArray_DIM(source, i)
            shape[dims - 1] = 2
            found = cnp.PyArray_EMPTY(dims, shape, cnp.NPY_DOUBLE, 0)
        call.inputs[1] = NULL
        call.inputs[2], call.inputs[3] = data_of(weights), data_of(biases)
        call.outputs[1], call.outputs[2] = data_of(found), data_of(residual_out)
        run(&self.entry.forward, &call, dtype_of(source), source, residual, out)
        if not stats:
            return out
        return (out, found[..., :1], found[..., 1:]) if self.centred else (out, found[..., 1:])

    def plain_gradients(self, dy, x, weight, bias, axis, eps, mean, rstd, out):
        """The gradients of x, weight and bias, where all arrays are plain and not of half precision."""
        cdef Call call
        cdef double number
        cdef cnp.ndarray stats = None, total
        cdef Py_ssize_t length, rows
        if not self.takes(x, axis, eps, &call, &number) or dtype_of(x) >= FLOAT16:
            return None
        length, rows = call.axis.length, call.axis.outer
        if bias is not None and weights_of(bias, x, length) is None:
            return None
        if rstd is not None:
            if not self.stats_lie(rstd, x) or not (mean is None or self.stats_lie(mean, x)):
                return None
            stats = side_by_side(mean, rstd, rows)
        found = self.plain_backward(dy, x, weight, bias, axis, eps, stats, out)
        if found is None:
            return None
        total = found[1]
        return (
            found[0],
            None if weight is None else rounded(<double*>data_of(total), length, 1, dtype_of(x)),
            None if bias is None else rounded(<double*>data_of(total) + length, length, 1, dtype_of(x)),
        )

    cdef bint stats_lie(self, value, cnp.ndarray x) noexcept:
        """Whether these are statistics of the rows of x, in its shape with 1 for the last axis."""
        cdef int i, dims = cnp.PyArray_NDIM(x)
        if not stats_fit(value, cnp.PyArray_SIZE(x) // cnp.PyArray_DIM(x, dims - 1)):
            return False
        cdef cnp.ndarray stats = value
        if cnp.PyArray_NDIM(stats) != dims:
            return False
        for i in range(dims - 1):
            if cnp.PyArray_DIM(stats, i) != cnp.PyArray_DIM(x, i):
                return False
        return True

    def plain_backward(self, dy, x, weight, bias, axis, eps, cnp.ndarray stats, out):
        """dx and, where one of them was given, the float64 gradients of weight and bias, one after another.

        `stats` are the mean and rstd of each row side by side, contiguous; or None.
        """
        cdef Call call
        cdef cnp.ndarray weights = None, partial = None
        cdef Py_ssize_t columns, ranges
        cdef double number
        if not self.takes(x, axis, eps, &call, &number) or not plain(dy) or not alike(<cnp.ndarray>dy, <cnp.ndarray>x):
            return None
        if weight is not None:
            weights = weights_of(weight, x, call.axis.length)
            if weights is None:
                return None
        out = output(out, cnp.PyArray_DIMS(<cnp.ndarray>x), dy, x)
        if out is None or not clear_of(out, weights) or not clear_of(out, stats):
            return None
        call.group = rows_of_bundle(call.axis.outer, call.axis.length)
        columns = self.columns(call.axis.length)
        if weight is not None or bias is not None:
            partial = zeros(self.entry.backward_x.count(call) * columns * (1 + (dtype_of(x) == FLOAT64)))
        call.inputs[2], call.inputs[3] = data_of(weights), data_of(stats)
        call.outputs[1], call.outputs[2] = data_of(partial), NULL
        run(&self.entry.backward_x, &call, dtype_of(x), dy, x, out)
        if partial is None:
            return out, None
        ranges = self.entry.backward_x.count(call)
        return out, whole_totals(
            added_up(<double*>data_of(partial), ranges, columns, dtype_of(x) == FLOAT64))

    cdef Py_ssize_t columns(self, Py_ssize_t length) noexcept:
        """Sums of the gradients of weights."""
        return 2 * length if self.centred else length

    def backward_in_slabs(
        self, dy, x, out, cnp.dtype dtype, Py_ssize_t length, weights, double eps, stats, total,
    ):
        """The same for arrays of any layout whose rows are in C order, a few rows at a time as arrays of a dtype.

        `weights` and `stats` are as kernels read them; sums are added to `total`, followed by what they lost, or it
        is None.
        """
        cdef Call call
        cdef cnp.ndarray partial = None
        cdef Py_ssize_t rows = cnp.PyArray_SIZE(x) // length, group = rows_of_bundle(rows, length), row, stop, end
        cdef Py_ssize_t most = max(SLAB // length // rows_at_once, 1) * rows_at_once, columns = self.columns(length)
        cdef InOrder gradients = InOrder(dy, dtype, most * length), values = InOrder(x, dtype, most * length)
        cdef InOrder results = InOrder(out, dtype, most * length, True)
        cdef const Work* work = &self.entry.backward_x
        cdef int kind = known_dtype(work, gradients.part(0, 0))
        if total is not None:
            partial = zeros(2 * columns)
        call.parameters = &eps
        call.inputs[2] = data_of(weights)
        call.outputs[1], call.outputs[2] = data_of(partial), NULL
        for row in range(0, rows, group):
            end = min(row + group, rows)
            if partial is not None:
                cnp.PyArray_FILLWBYTE(partial, 0)
            while row < end:
                stop = min(row + most, end)
                call.axis.outer, call.axis.length, call.axis.inner = stop - row, length, 1
                call.group, call.size = stop - row, (stop - row) * length
                call.inputs[3] = NULL if stats is None else <double*>data_of(stats) + 2 * row
                run(
                    work, &call, kind, gradients.read(row * length, stop * length),
                    values.read(row * length, stop * length), results.part(row * length, stop * length))
                results.write(row * length, stop * length)
                row = stop
            if partial is not None:
                add_ranges(<double*>data_of(partial), 1, columns, kind == FLOAT64, <double*>data_of(total))
