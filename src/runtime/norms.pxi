# The short path of norms: plain arrays, of which a row is the last axis or a channel any one. What is no such
# array is answered with None, and core/norms.py sees to it.

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


cdef Py_ssize_t rows_of_bundle(Py_ssize_t rows, Py_ssize_t length) noexcept:
    """So many rows have their sums together: a few that are added at once, enough to be worth the sums, and not
    more bundles than `MOST_RANGES`. The shape alone decides."""
    cdef Py_ssize_t least = max((segment + length - 1) // length, (rows + MOST_RANGES - 1) // MOST_RANGES)
    return (least + rows_at_once - 1) // rows_at_once * rows_at_once


cdef cnp.ndarray added_up(cnp.ndarray partial):
    """The sums of bundles, of two dimensions, added in order."""
    cdef cnp.npy_intp count = cnp.PyArray_DIM(partial, 0), columns = cnp.PyArray_DIM(partial, 1)
    cdef cnp.ndarray result = cnp.PyArray_ZEROS(1, &columns, cnp.NPY_DOUBLE, 0)
    cdef double* total = <double*>cnp.PyArray_DATA(result)
    cdef const double* sums = <const double*>cnp.PyArray_DATA(partial)
    cdef Py_ssize_t unit, column
    with nogil:
        for unit in range(count):
            for column in range(columns):
                total[column] += sums[unit * columns + column]
    return result


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
        """The result and, where asked for, mean and rstd of each row side by side."""
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
        return out, found

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
        cdef cnp.npy_intp shape[2]
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
        if weight is not None or bias is not None:
            shape[0] = self.entry.backward_x.count(call)
            shape[1] = call.axis.length * (2 if self.centred else 1)
            partial = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        call.inputs[2], call.inputs[3] = data_of(weights), data_of(stats)
        call.outputs[1], call.outputs[2] = data_of(partial), NULL
        run(&self.entry.backward_x, &call, dtype_of(x), dy, x, out)
        return out, None if partial is None else added_up(partial)

cdef cnp.ndarray numbers_of(object value, Py_ssize_t count):
    """A plain array of so many numbers in float64; None where it is none."""
    if not plain(value):
        return None
    cdef cnp.ndarray numbers = value
    if cnp.PyArray_NDIM(numbers) != 1 or cnp.PyArray_DIM(numbers, 0) != count:
        return None
    return numbers if dtype_of(numbers) == FLOAT64 else cnp.PyArray_Cast(numbers, cnp.NPY_DOUBLE)


cdef bint movable(object value, Py_ssize_t count) noexcept:
    """Whether these are running statistics of so many channels that are moved as they lie."""
    if not plain(value) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>value):
        return False
    cdef cnp.ndarray numbers = value
    return cnp.PyArray_NDIM(numbers) == 1 and cnp.PyArray_DIM(numbers, 0) == count and dtype_of(numbers) < FLOAT16


cdef int move(cnp.ndarray running, cnp.ndarray stats, int column, double momentum, double factor) except -1:
    """Move running statistics towards a column of new ones, times a factor."""
    cdef const double* new = <const double*>cnp.PyArray_DATA(stats) + column
    cdef void* data = cnp.PyArray_DATA(running)
    cdef Py_ssize_t channel, columns = cnp.PyArray_DIM(stats, 1)
    cdef double old
    for channel in range(cnp.PyArray_DIM(stats, 0)):
        if dtype_of(running) == FLOAT64:
            old = (<double*>data)[channel]
            (<double*>data)[channel] = old + momentum * (new[channel * columns] * factor - old)
        else:
            old = (<float*>data)[channel]
            (<float*>data)[channel] = <float>(old + momentum * (new[channel * columns] * factor - old))
    return 0


ctypedef fused computed:
    float
    double


cdef void set_table(
    computed* table, double* stats, Py_ssize_t count, const double* mean, const double* var, const double* weight,
    const double* bias, double eps,
) noexcept nogil:
    """Of each channel what inference subtracts, multiplies with and adds, and its mean and rstd.

    What the mean loses in the dtype is in the last.
    """
    cdef Py_ssize_t c
    cdef double rstd, factor
    for c in range(count):
        rstd = 1 / sqrt(var[c] + eps)
        factor = rstd if weight == NULL else rstd * weight[c]
        table[c], table[count + c] = <computed>mean[c], <computed>factor
        table[2 * count + c] = <computed>(
            (<double>table[c] - mean[c]) * factor + (0.0 if bias == NULL else bias[c]))
        stats[2 * c], stats[2 * c + 1] = mean[c], rstd


cdef class BatchNormKernels(Kernels):
    """The kernels of a norm of channels."""

    cdef readonly Kernels inference

    def __init__(self, str kernel):
        Kernels.__init__(self, kernel)
        self.inference = Kernels(f"{kernel}_inference")

    cdef bint takes(self, const Work* work, x, axis, Call* call) except -1:
        """Whether x is plain and of a dtype that the kernels take; sets the axis of the call."""
        cdef int dim = along(x, axis) if plain(x) else -1
        if dim < 0 or work.kernel[dtype_of(x)] == NULL or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0:
            return False
        cdef cnp.ndarray source = x
        split(&call.axis, cnp.PyArray_NDIM(source), cnp.PyArray_DIMS(source), dim)
        call.size = cnp.PyArray_SIZE(source)
        call.place.index, call.place.step = 0, 1
        call.group = 0
        return True

    def plain_forward(
        self, x, running_mean, running_var, weight, bias, training, momentum, eps, axis, residual, out
    ):
        """A call whose arrays are all plain: the result, and of each channel mean and rstd in float64."""
        if not PyFloat_CheckExact(eps) or not 0 <= PyFloat_AS_DOUBLE(eps) < INFINITY:
            return None
        if training is True:
            if not PyFloat_CheckExact(momentum) or not 0 <= PyFloat_AS_DOUBLE(momentum) <= 1:
                return None
            return self.train(x, running_mean, running_var, weight, bias, momentum, eps, axis, residual, out)
        if training is False and running_mean is not None and running_var is not None:
            return self.infer(x, running_mean, running_var, weight, bias, eps, axis, residual, out)
        return None

    cdef object train(
        self, x, running_mean, running_var, weight, bias, double momentum, double eps, axis, residual, out
    ):
        cdef Call call
        cdef Py_ssize_t count
        cdef double unbiased
        if not self.takes(&self.entry.forward, x, axis, &call):
            return None
        count = call.axis.outer * call.axis.inner
        if (running_mean is None) is not (running_var is None) or count < 2:
            return None
        if running_mean is not None and not (
            movable(running_mean, call.axis.length) and movable(running_var, call.axis.length)
            and disjoint(running_mean, running_var)
        ):
            return None
        if running_mean is not None and out is not None and plain(out) and not (
            disjoint(out, running_mean) and disjoint(out, running_var)
        ):
            return None
        result = self.plain_training(x, weight, bias, axis, eps, residual, out)
        if result is not None and running_mean is not None:
            unbiased = <double>count / <double>(count - 1)
            move(running_mean, result[1], 0, momentum, 1.0)
            move(running_var, result[1], 2, momentum, unbiased)
        return result

    def plain_training(self, x, weight, bias, axis, double eps, residual, out):
        """The result, and of each channel the mean, rstd and variance in float64."""
        cdef Call call
        cdef cnp.ndarray weights = None, biases = None, found
        cdef cnp.npy_intp shape[2]
        if not self.takes(&self.entry.forward, x, axis, &call):
            return None
        cdef cnp.ndarray source = x
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
        shape[0], shape[1] = call.axis.length, 3
        found = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        call.parameters = &eps
        call.inputs[1] = NULL
        call.inputs[2], call.inputs[3] = data_of(weights), data_of(biases)
        call.outputs[1] = data_of(found)
        run(&self.entry.forward, &call, dtype_of(source), source, residual, out)
        return out, found

    cdef object infer(self, x, running_mean, running_var, weight, bias, double eps, axis, residual, out):
        cdef Call call
        cdef cnp.npy_intp shape[2]
        cdef cnp.ndarray table, found, mean, var, factor = None, shift = None
        if not self.takes(&self.inference.entry.forward, x, axis, &call):
            return None
        mean, var = numbers_of(running_mean, call.axis.length), numbers_of(running_var, call.axis.length)
        if mean is None or var is None:
            return None
        if weight is not None:
            factor = numbers_of(weight, call.axis.length)
            if factor is None:
                return None
        if bias is not None:
            shift = numbers_of(bias, call.axis.length)
            if shift is None:
                return None
        shape[0], shape[1] = call.axis.length, 2
        found = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        shape[0], shape[1] = 3, call.axis.length
        table = cnp.PyArray_EMPTY(
            2, shape, cnp.NPY_DOUBLE if dtype_of(x) == FLOAT64 else cnp.NPY_FLOAT, 0)
        if dtype_of(x) == FLOAT64:
            set_table[double](
                <double*>data_of(table), <double*>data_of(found), call.axis.length, <double*>data_of(mean),
                <double*>data_of(var), <double*>data_of(factor), <double*>data_of(shift), eps)
        else:
            set_table[float](
                <float*>data_of(table), <double*>data_of(found), call.axis.length, <double*>data_of(mean),
                <double*>data_of(var), <double*>data_of(factor), <double*>data_of(shift), eps)
        out = self.plain_inference(x, table, axis, residual, out)
        return None if out is None else (out, found)

    def plain_inference(self, x, cnp.ndarray table, axis, residual, out):
        """The result, of a table of means, factors and shifts of the channels, in what x is computed in."""
        cdef Call call
        cdef const Work* work = &self.inference.entry.forward
        if not self.takes(work, x, axis, &call):
            return None
        cdef cnp.ndarray source = x
        if residual is not None and not (plain(residual) and alike(<cnp.ndarray>residual, source)):
            return None
        out = output(out, cnp.PyArray_DIMS(source), source, residual)
        if out is None:
            return None
        call.parameters = NULL
        call.inputs[1] = NULL
        call.inputs[2] = data_of(table)
        run(work, &call, dtype_of(source), source, residual, out)
        return out

    def plain_gradients(
        self, dy, x, weight, bias, running_mean, running_var, training, eps, axis, mean, rstd, out
    ):
        """The gradients of x, weight and bias, where all arrays are plain."""
        cdef Call call
        cdef cnp.ndarray stats = None, total
        cdef Py_ssize_t count
        if not PyFloat_CheckExact(eps) or not 0 <= PyFloat_AS_DOUBLE(eps) < INFINITY:
            return None
        if training is not True and training is not False:
            return None
        if not self.takes(&self.entry.backward_x, x, axis, &call):
            return None
        count = call.axis.length
        if bias is not None and weights_of(bias, x, count) is None:
            return None
        if rstd is not None and mean is not None and running_mean is None and running_var is None:
            if not (stats_fit(mean, count) and cnp.PyArray_NDIM(<cnp.ndarray>mean) == 1):
                return None
            if not (stats_fit(rstd, count) and cnp.PyArray_NDIM(<cnp.ndarray>rstd) == 1):
                return None
            stats = side_by_side(mean, rstd, count)
        elif rstd is not None or mean is not None or training is False:
            return None
        found = self.plain_backward(dy, x, weight, axis, eps, training, stats, out)
        if found is None:
            return None
        total = found[1]
        return (
            found[0],
            None if weight is None else rounded(<double*>data_of(total), count, 2, dtype_of(x)),
            None if bias is None else rounded(<double*>data_of(total) + 1, count, 2, dtype_of(x)),
        )

    def plain_backward(self, dy, x, weight, axis, double eps, bint training, cnp.ndarray stats, out):
        """dx and, of each channel, the float64 gradients of weight and bias.

        `stats` are the mean and rstd of each channel side by side, contiguous; or None.
        """
        cdef Call call
        cdef cnp.ndarray weights = None, found
        cdef cnp.npy_intp shape[2]
        cdef double numbers[2]
        if not self.takes(&self.entry.backward_x, x, axis, &call):
            return None
        if not plain(dy) or not alike(<cnp.ndarray>dy, <cnp.ndarray>x):
            return None
        if weight is not None:
            weights = weights_of(weight, x, call.axis.length)
            if weights is None:
                return None
        out = output(out, cnp.PyArray_DIMS(<cnp.ndarray>x), dy, x)
        if out is None or not clear_of(out, weights) or not clear_of(out, stats):
            return None
        shape[0], shape[1] = call.axis.length, 2
        found = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)
        numbers[0], numbers[1] = eps, training
        call.parameters = numbers
        call.inputs[2], call.inputs[3] = data_of(weights), data_of(stats)
        call.outputs[1] = data_of(found)
        run(&self.entry.backward_x, &call, dtype_of(x), dy, x, out)
        return out, found
