# The short path of batch_norm: plain arrays, along any axis. What is none is answered with None, and core/batch_norm.py
# sees to it. Channels that are not taken whole (ranges.hpp) are summed in ranges, and a second kernel goes over the
# elements.

ctypedef fused computed:
    float
    double


cdef bint numbers_of(object value, Py_ssize_t count, double otherwise, Numbers* numbers) noexcept:
    """Whether these are plain numbers of so many channels, or None for one that stands for all."""
    numbers.data, numbers.otherwise = NULL, otherwise
    if value is None:
        return True
    if not plain(value) or dtype_of(<cnp.ndarray>value) >= FLOAT16:
        return False
    cdef cnp.ndarray array = value
    numbers.data, numbers.wide = cnp.PyArray_DATA(array), dtype_of(array) == FLOAT64
    return cnp.PyArray_NDIM(array) == 1 and cnp.PyArray_DIM(array, 0) == count


cdef cnp.ndarray table_of(int dtype, Py_ssize_t rows, Py_ssize_t channels):
    """Room for so many numbers of each channel, in what a dtype is computed in."""
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = rows, channels
    return cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE if dtype == FLOAT64 else cnp.NPY_FLOAT, 0)


cdef cnp.ndarray stats_of(Py_ssize_t channels, Py_ssize_t columns):
    """Room for so many statistics of each channel."""
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = channels, columns
    return cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0)


def channel_forms(cnp.ndarray stats, cnp.ndarray weight, cnp.ndarray bias, bint wide):
    """What is subtracted from each channel, multiplied with and added, by the moments that were found.

    `wide` says that this is computed for float64; weight and bias are contiguous, or None.
    """
    cdef Numbers factors, shifts
    cdef Py_ssize_t channels = cnp.PyArray_DIM(stats, 0)
    cdef cnp.ndarray table = table_of(FLOAT64 if wide else FLOAT32, 3, channels)
    numbers_of(weight, channels, 1, &factors)
    numbers_of(bias, channels, 0, &shifts)
    if wide:
        set_forms(<double*>data_of(table), channels, <double*>data_of(stats), factors, shifts)
    else:
        set_forms(<float*>data_of(table), channels, <double*>data_of(stats), factors, shifts)
    return table


def running_forms(cnp.ndarray mean, cnp.ndarray var, double eps, cnp.ndarray weight, cnp.ndarray bias, bint wide):
    """The same by running statistics, and the mean and rstd of each channel that they come to."""
    cdef Numbers means, variances, factors, shifts
    cdef Py_ssize_t channels = cnp.PyArray_DIM(mean, 0)
    cdef cnp.ndarray table = table_of(FLOAT64 if wide else FLOAT32, 3, channels), stats = stats_of(channels, 2)
    numbers_of(mean, channels, 0, &means)
    numbers_of(var, channels, 1, &variances)
    numbers_of(weight, channels, 1, &factors)
    numbers_of(bias, channels, 0, &shifts)
    if wide:
        set_running_forms(
            <double*>data_of(table), channels, means, variances, eps, factors, shifts, <double*>data_of(stats))
    else:
        set_running_forms(
            <float*>data_of(table), channels, means, variances, eps, factors, shifts, <double*>data_of(stats))
    return table, stats


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


cdef class ChannelSums:
    """Where the sums of all channels of an array come from, as their moments and their gradients need them."""

    cdef Axis axis
    cdef int dtype  # float32 or float64, which is computed in

    cdef cnp.ndarray samples(self):
        """Elements of every channel, a row of each."""
        raise NotImplementedError

    cdef cnp.ndarray total(self, const Work* work, const void* numbers, const void* scales):
        """Two sums of each channel, one after another, followed by what they lost."""
        raise NotImplementedError

    cdef Py_ssize_t count(self) noexcept:
        return self.axis.outer * self.axis.inner

    cdef cnp.ndarray moments(self, const Work* work, double eps):
        """The moments of each channel: mean, rstd, variance and what the mean loses."""
        if self.dtype == FLOAT64:
            return found_moments[double](self, work, eps, 0)
        return found_moments[float](self, work, eps, 0)

    cdef cnp.ndarray slopes(self, const Work* work, cnp.ndarray stats, const Numbers& weight, cnp.ndarray table):
        """The sums of the gradient times the normalised value, and of the gradient; the table of what is left to do."""
        if self.dtype == FLOAT64:
            return found_slopes[double](self, work, stats, weight, <double*>data_of(table))
        return found_slopes[float](self, work, stats, weight, <float*>data_of(table))


cdef cnp.ndarray found_moments(ChannelSums self, const Work* work, double eps, computed kind):
    cdef Py_ssize_t channels = self.axis.length
    cdef cnp.ndarray samples = self.samples(), stats = stats_of(channels, kept_moments), total
    cdef cnp.ndarray centres = table_of(self.dtype, 2, channels), kept = zeros(channels)
    cdef computed* at = <computed*>data_of(centres)
    cdef bint again = True
    set_centres(<computed*>data_of(samples), cnp.PyArray_DIM(samples, 0), channels, at)
    while again:
        total = self.total(work, at, at + channels if any_scaled(at, channels) else NULL)
        again = move_centres(
            at, <char*>data_of(kept), channels, <double*>data_of(total), self.count(), eps, <double*>data_of(stats))
    return stats


cdef cnp.ndarray found_slopes(
    ChannelSums self, const Work* work, cnp.ndarray stats, const Numbers& weight, computed* table
):
    cdef Py_ssize_t channels = self.axis.length, columns = cnp.PyArray_DIM(stats, 1)
    cdef cnp.ndarray sums = stats_of(channels, 2), total
    cdef const double* known = <double*>data_of(stats)
    set_distances(table, channels, known, columns)
    total = self.total(work, table, NULL)
    set_gradients(
        table, channels, known, columns, weight, <double*>data_of(total), self.count(), <double*>data_of(sums))
    return sums


cdef class PlainSums(ChannelSums):
    """Of arrays as they lie in memory: x and a residual, or dy and x."""

    cdef cnp.ndarray first, second

    cdef cnp.ndarray samples(self):
        cdef cnp.ndarray samples = table_of(self.dtype, samples_of(self.count()), self.axis.length)
        if self.dtype == FLOAT64:
            take_samples(
                <double*>data_of(self.first), <double*>data_of(self.second), self.axis, <double*>data_of(samples))
        else:
            take_samples(
                <float*>data_of(self.first), <float*>data_of(self.second), self.axis, <float*>data_of(samples))
        return samples

    cdef cnp.ndarray total(self, const Work* work, const void* numbers, const void* scales):
        cdef Call call
        cdef Py_ssize_t channels = self.axis.length, ranges
        cdef bint twofold = self.dtype == FLOAT64
        cdef cnp.ndarray partial
        cdef double parameters = 0
        call.parameters = &parameters
        call.axis, call.size, call.group = self.axis, cnp.PyArray_SIZE(self.first), channel_range(self.axis)
        call.place.index, call.place.step = 0, channels
        ranges = (positions_of(self.axis) + call.group - 1) // call.group
        partial = zeros(ranges * 2 * channels * (1 + twofold))
        call.inputs[1], call.inputs[2], call.inputs[3] = NULL, numbers, scales
        call.outputs[0], call.outputs[1] = NULL, data_of(partial)
        run(work, &call, self.dtype, self.first, self.second, None)
        return added_up(<double*>data_of(partial), ranges, 2 * channels, twofold)


cdef PlainSums plain_sums(const Axis& axis, cnp.ndarray first, cnp.ndarray second):
    cdef PlainSums sums = PlainSums.__new__(PlainSums)
    sums.axis, sums.dtype = axis, dtype_of(first)
    sums.first, sums.second = first, second
    return sums


cdef class OrderedSums(ChannelSums):
    """Of arrays of any layout and dtype, a part at a time in C order."""

    cdef InOrder first, second
    cdef Py_ssize_t most

    def __init__(self, tuple axis, cnp.dtype dtype, cnp.ndarray first, second=None):
        self.axis.outer, self.axis.length, self.axis.inner = axis
        self.dtype = FLOAT64 if dtype.num == cnp.NPY_DOUBLE else FLOAT32
        cdef Py_ssize_t channels = self.axis.length, whole = chained_rows * rows_side_by_side(self.axis)
        # Rows, of which a range of few channels is taken whole; or channels' runs side by side.
        if self.axis.inner > 1:
            self.most = max(SLAB // self.axis.inner, 1)
        elif rows_side_by_side(self.axis) > 1:
            self.most = channel_range(self.axis)
        else:
            self.most = max(SLAB // channels // whole, 1) * whole
        cdef Py_ssize_t room = self.most * (min(self.axis.inner, segment) if self.axis.inner > 1 else channels)
        self.first = InOrder(first, dtype, room)
        self.second = None if second is None else InOrder(second, dtype, room)

    cdef cnp.ndarray samples(self):
        cdef Py_ssize_t channels = self.axis.length, inner = self.axis.inner, taken = samples_of(self.count())
        cdef Py_ssize_t position, channel, at, k, width = channels if inner == 1 else 1
        cdef cnp.ndarray samples = table_of(self.dtype, taken, channels)
        for k in range(taken):
            position = k * (self.count() // taken)
            for channel in range(0, channels, width):
                at = (position // inner * channels + channel) * inner + position % inner
                self.take(at, width, samples, k * channels + channel)
        return samples

    cdef int take(self, Py_ssize_t at, Py_ssize_t width, cnp.ndarray samples, Py_ssize_t place) except -1:
        """Elements from a flat position on, with the residual's."""
        cdef cnp.ndarray values = self.first.read(at, at + width), others = None
        cdef Py_ssize_t i
        if self.second is not None:
            others = self.second.read(at, at + width)
        for i in range(width):
            if self.dtype == FLOAT64:
                (<double*>data_of(samples))[place + i] = (<double*>data_of(values))[i] + (
                    0 if others is None else (<double*>data_of(others))[i])
            else:
                (<float*>data_of(samples))[place + i] = (<float*>data_of(values))[i] + (
                    <float>0 if others is None else (<float*>data_of(others))[i])
        return 0

    cdef cnp.ndarray total(self, const Work* work, const void* numbers, const void* scales):
        cdef Py_ssize_t columns = 2 * self.axis.length, positions = positions_of(self.axis)
        cdef Py_ssize_t group = channel_range(self.axis), position
        cdef bint twofold = self.dtype == FLOAT64
        cdef cnp.ndarray total = zeros(2 * columns), partial = zeros(2 * columns)
        for position in range(0, positions, group):
            cnp.PyArray_FILLWBYTE(partial, 0)
            self.add(work, position, min(position + group, positions), <double*>data_of(partial), numbers, scales)
            add_ranges(<double*>data_of(partial), 1, columns, twofold, <double*>data_of(total))
        return total

    cdef int add(
        self, const Work* work, Py_ssize_t position, Py_ssize_t stop, double* partial, const void* numbers,
        const void* scales,
    ) except -1:
        """Add what a range of positions has."""
        cdef Py_ssize_t channels = self.axis.length, inner = self.axis.inner, end, row, channel, start, size
        cdef Py_ssize_t pieces = (inner + segment - 1) // segment
        while inner == 1 and position < stop:
            end = min(position + self.most, stop)
            self.add_part(work, position * channels, end - position, channels, 1, 0, partial, numbers, scales)
            position = end
        while inner > 1 and position < stop:
            row, start = position // pieces, position % pieces * segment
            size = min(segment, inner - start)
            for channel in range(0, channels, self.most):
                self.add_part(
                    work, (row * channels + channel) * inner + start, 1, min(self.most, channels - channel), size,
                    channel, partial, numbers, scales)
            position += 1
        return 0

    cdef int add_part(
        self, const Work* work, Py_ssize_t at, Py_ssize_t rows, Py_ssize_t channels, Py_ssize_t inner,
        Py_ssize_t channel, double* partial, const void* numbers, const void* scales,
    ) except -1:
        """Add what elements from a flat position on have, of some channels."""
        cdef Call call
        cdef double parameters = 0
        cdef Py_ssize_t width = sizeof(double) if self.dtype == FLOAT64 else sizeof(float)
        call.parameters = &parameters
        call.axis.outer, call.axis.length, call.axis.inner = rows, channels, inner
        call.size, call.group = rows * channels * inner, rows
        call.place.index, call.place.step = channel, self.axis.length
        call.inputs[1] = NULL
        call.inputs[2] = <const char*>numbers + channel * width
        call.inputs[3] = NULL
        if scales != NULL:
            call.inputs[3] = <const char*>scales + channel * width
        call.outputs[0], call.outputs[1] = NULL, partial
        run(
            work, &call, self.dtype, self.first.read(at, at + call.size),
            None if self.second is None else self.second.read(at, at + call.size), None)
        return 0


cdef class BatchNormKernels(Kernels):
    """The kernels of a norm of channels: of whole ones, of sums and of elements."""

    cdef readonly Kernels sums, elements

    def __init__(self, str kernel):
        Kernels.__init__(self, kernel)
        self.sums, self.elements = Kernels("channel_sums"), Kernels("channel_elements")

    def takes_whole(self, tuple axis):
        """Whether the channels of an array of (outer, length, inner) are taken one after another."""
        cdef Axis seen
        seen.outer, seen.length, seen.inner = axis
        return takes_whole_channels(seen)

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
        self, x, running_mean, running_var, weight, bias, training, momentum, eps, axis, residual, bint stats, out
    ):
        """What a call gives whose arrays are all plain: the result, with mean and rstd of each channel if asked for."""
        if not PyFloat_CheckExact(eps) or not 0 <= PyFloat_AS_DOUBLE(eps) < INFINITY:
            return None
        if training is True:
            if not PyFloat_CheckExact(momentum) or not 0 <= PyFloat_AS_DOUBLE(momentum) <= 1:
                return None
            return self.train(x, running_mean, running_var, weight, bias, momentum, eps, axis, residual, stats, out)
        if training is False and running_mean is not None and running_var is not None:
            return self.infer(x, running_mean, running_var, weight, bias, eps, axis, residual, stats, out)
        return None

    cdef object train(
        self, x, running_mean, running_var, weight, bias, double momentum, double eps, axis, residual, bint wanted,
        out,
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
        if result is None:
            return None
        out, found = result
        if running_mean is not None:
            unbiased = <double>count / <double>(count - 1)
            move(running_mean, found, 0, momentum, 1.0)
            move(running_var, found, 2, momentum, unbiased)
        return (out, found[:, 0], found[:, 1]) if wanted else out

    def plain_training(self, x, weight, bias, axis, double eps, residual, out):
        """The result, and the moments of each channel in float64."""
        cdef Call call
        cdef cnp.ndarray weights = None, biases = None, found, table
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
        if takes_whole_channels(call.axis):
            found = stats_of(call.axis.length, kept_moments)
            call.parameters = &eps
            call.inputs[1] = NULL
            call.inputs[2], call.inputs[3] = data_of(weights), data_of(biases)
            call.outputs[1] = data_of(found)
            run(&self.entry.forward, &call, dtype_of(source), source, residual, out)
            return out, found
        found = plain_sums(call.axis, source, residual).moments(&self.sums.entry.forward, eps)
        table = channel_forms(found, weights, biases, dtype_of(source) == FLOAT64)
        self.write(&call, table, source, residual, out)
        return out, found

    cdef int write(self, Call* call, cnp.ndarray table, cnp.ndarray x, cnp.ndarray residual, cnp.ndarray out) except -1:
        """Write the normalised elements."""
        call.parameters = NULL
        call.inputs[1] = NULL
        call.inputs[2] = data_of(table)
        return run(&self.elements.entry.forward, call, dtype_of(x), x, residual, out)

    cdef object infer(self, x, running_mean, running_var, weight, bias, double eps, axis, residual, bint wanted, out):
        cdef Call call
        cdef Numbers mean, var, factors, shifts
        cdef Py_ssize_t channels
        cdef cnp.ndarray table, found = None
        if not self.takes(&self.elements.entry.forward, x, axis, &call):
            return None
        channels = call.axis.length
        if not (
            numbers_of(running_mean, channels, 0, &mean) and numbers_of(running_var, channels, 1, &var)
            and numbers_of(weight, channels, 1, &factors) and numbers_of(bias, channels, 0, &shifts)
        ):
            return None
        cdef cnp.ndarray source = x
        if residual is not None and not (plain(residual) and alike(<cnp.ndarray>residual, source)):
            return None
        out = output(out, cnp.PyArray_DIMS(source), source, residual)
        if out is None:
            return None
        if wanted:
            found = stats_of(channels, 2)
        table = table_of(dtype_of(source), 3, channels)
        if dtype_of(source) == FLOAT64:
            set_running_forms(
                <double*>data_of(table), channels, mean, var, eps, factors, shifts, <double*>data_of(found))
        else:
            set_running_forms(
                <float*>data_of(table), channels, mean, var, eps, factors, shifts, <double*>data_of(found))
        self.write(&call, table, source, residual, out)
        return (out, found[:, 0], found[:, 1]) if wanted else out

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
        cdef Numbers factors
        cdef cnp.ndarray weights = None, found, table
        cdef double numbers[2]
        if not self.takes(&self.entry.backward_x, x, axis, &call):
            return None
        cdef cnp.ndarray source = x
        if not plain(dy) or not alike(<cnp.ndarray>dy, source):
            return None
        if weight is not None:
            weights = weights_of(weight, x, call.axis.length)
            if weights is None:
                return None
        out = output(out, cnp.PyArray_DIMS(source), dy, x)
        if out is None or not clear_of(out, weights) or not clear_of(out, stats):
            return None
        numbers[0], numbers[1] = eps, training
        call.parameters = numbers
        if takes_whole_channels(call.axis):
            found = stats_of(call.axis.length, 2)
            call.inputs[2], call.inputs[3] = data_of(weights), data_of(stats)
            call.outputs[1] = data_of(found)
            run(&self.entry.backward_x, &call, dtype_of(source), dy, source, out)
            return out, found
        numbers_of(weights, call.axis.length, 1, &factors)
        if stats is None:
            stats = plain_sums(call.axis, source, None).moments(&self.sums.entry.forward, eps)
        table = table_of(dtype_of(source), 5, call.axis.length)
        found = plain_sums(call.axis, dy, source).slopes(&self.sums.entry.backward_x, stats, factors, table)
        call.parameters = numbers + 1
        call.inputs[2] = data_of(table)
        run(&self.elements.entry.backward_x, &call, dtype_of(source), dy, source, out)
        return out, found

    def ordered_moments(self, OrderedSums sums, double eps):
        """The moments of each channel, of arrays of any layout."""
        return sums.moments(&self.sums.entry.forward, eps)

    def ordered_slopes(self, OrderedSums sums, cnp.ndarray stats, cnp.ndarray weight):
        """The gradients of weight and bias, and the table of what the gradient of x is made with."""
        cdef Numbers factors
        cdef cnp.ndarray table = table_of(sums.dtype, 5, sums.axis.length)
        numbers_of(weight, sums.axis.length, 1, &factors)
        return sums.slopes(&self.sums.entry.backward_x, stats, factors, table), table
