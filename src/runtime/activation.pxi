# The short path of a call: one small reader per shape of work, and one launch for all. A reader says
# what the call means (parameters, axis, the shape of the result); where it meets anything but plain
# arrays it hands the call to `_forward` or `_backward` of its Python subclass (fastact/core), which see
# every case and raise every error.

cdef extern from "Python.h":
    ctypedef struct PyObject
    ctypedef void* PyCFunction
    ctypedef struct PyMethodDef:
        const char* ml_name
        PyCFunction ml_meth
        int ml_flags
        const char* ml_doc
    int METH_FASTCALL, METH_KEYWORDS
    int Py_tp_methods
    void* PyType_GetSlot(type, int)
    object PyDescr_NewMethod(type, PyMethodDef*)

cdef enum:
    MOST = 3  # parameters of a formula
    INPUTS = 5  # of a call
    OUTPUTS = 3
    MOST_SUMS = 1 << 17  # that ranges have in memory together


cdef extern from *:
    """
    // An int as a double; NaN, which no parameter is, for one beyond the range.
    static double as_double(PyObject* number) {
        double value = PyLong_AsDouble(number);
        if (value != -1.0 || !PyErr_Occurred()) return value;
        PyErr_Clear();
        return NAN;
    }
    """
    double as_double(object) noexcept


cdef inline double number_of(object value) noexcept:
    """A float or an int as a parameter; NaN for what Python has to look at."""
    if PyFloat_CheckExact(value):
        return PyFloat_AS_DOUBLE(value)
    return as_double(value) if PyLong_CheckExact(value) else NAN


cpdef object single(object out):
    """What `out` of a call is, as ufuncs take it: an array, or a tuple of one."""
    if not isinstance(out, tuple):
        return out
    if len(out) != 1:
        raise ValueError(f"out is a tuple of {len(out)}; allowed is an array or a tuple of one")
    return out[0]


cdef object launch(
    const Work* work, Call* call, const cnp.npy_intp* shape, cnp.ndarray first, cnp.ndarray saved, out
):
    """Run a call on plain arrays of one dtype and give the result.

    None where `out` cannot take it as it is, no kernel has that dtype, or there are no elements.
    """
    cdef int dtype = dtype_of(first)
    if call.size == 0 or work.kernel[dtype] == NULL:
        return None
    out = output(out, shape, first, saved)
    if out is not None:
        run(work, call, dtype, first, saved, <cnp.ndarray>out)
    return out


cdef object launch_along(const Work* work, Call* call, int dim, cnp.ndarray first, cnp.ndarray saved, out):
    """As `launch`, for a result of the shape of `first` that is computed along one of its axes."""
    split(&call.axis, cnp.PyArray_NDIM(first), cnp.PyArray_DIMS(first), dim)
    # Columns of half precision that are longer than the kernels' buffers, and rows of some kernels, are brought.
    if call.axis.length > longest_half_row and dtype_of(first) >= FLOAT16:
        if not work.long_halves or call.axis.inner > 1:
            return None
    call.size = call.axis.outer * call.axis.length * call.axis.inner
    call.place.index, call.place.step = 0, call.axis.inner
    call.rows = NULL
    return launch(work, call, cnp.PyArray_DIMS(first), first, saved, out)


cdef object launch_flat(const Work* work, Call* call, cnp.ndarray first, cnp.ndarray saved, out):
    """As `launch`, for a result of the shape of `first` that no axis matters to."""
    call.size = cnp.PyArray_SIZE(first)
    call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
    call.place.index, call.place.step = 0, 1
    return launch(work, call, cnp.PyArray_DIMS(first), first, saved, out)


cdef object launch_others(const Work* work, Call* call, first, saved, out):
    """As `launch_flat`, for numbers and for arrays in rows; None for any other."""
    result = launch_number(work, call, first, saved) if out is None else None
    return launch_runs(work, work, call, first, saved, None, out) if result is None else result


cdef list for_good = []  # methods that were taken from a class know where these lie


cdef class Described:
    """The compiled `backward` of a class under a text of its own: the signature and docstring of one activation.

    The interpreter reads both from the text when they are asked for, and a call goes to the same code.
    """

    cdef PyMethodDef definition
    cdef bytes text
    cdef readonly object method

    def __init__(self, Kernels kernels, str text):
        cdef const PyMethodDef* method
        cdef type kind = type(kernels)
        self.text = text.encode()
        for base in kind.__mro__:
            method = <const PyMethodDef*>PyType_GetSlot(base, Py_tp_methods)
            while method != NULL and method.ml_name != NULL:
                if strcmp(method.ml_name, b"backward") == 0:
                    self.definition = method[0]
                    self.definition.ml_doc = self.text
                    if isinstance(kernels, FixedKernels):
                        (<FixedKernels>kernels).explain_backward(&self.definition)
                    self.method = PyDescr_NewMethod(kind, &self.definition)
                    for_good.append(self)
                    return
                method += 1
        raise TypeError(f"{kind.__name__} has no compiled backward")


cdef extern from *:
    """
    static const fastact::Entry no_entry{};
    """
    const Entry no_entry


cdef class Kernels:
    """The kernels of one activation."""

    cdef const Entry* entry

    def __cinit__(self):
        # What is never initialised computes nothing.
        self.entry = &no_entry

    def __init__(self, str kernel):
        self.entry = table.named(kernel.encode())
        if self.entry == NULL:
            self.entry = &no_entry
            raise LookupError(f"no kernel is declared for {kernel!r}")

    @property
    def _kernel_saves(self):
        """What the kernels can be differentiated from."""
        return {"x": self.entry.backward_x.offered(), "y": self.entry.backward_y.offered()}

    @property
    def _kernel_parameters(self):
        """How many numbers the kernels read."""
        return self.entry.parameters

    def _shares_rows(self, str direction):
        """Whether threads can go over one row together, in phases."""
        return self.work(direction).phases > 0

    def _takes_long_halves(self, str direction):
        """Whether contiguous rows of half precision may be longer than a buffer."""
        return self.work(direction).long_halves

    def _function(self, str direction, int dtype):
        """The address of a direction's C function, in the dtype of that number; 0 where there is none."""
        cdef Functions functions
        if direction in ("scalar", "scalar_bound"):
            functions = self.entry.scalar if direction == "scalar" else self.entry.scalar_bound
            return 0 if functions == NULL else <uintptr_t>functions(dtype)
        return <uintptr_t>self.work(direction).function(dtype)

    cdef const Work* work(self, str direction) except NULL:
        if direction == "forward":
            return &self.entry.forward
        return &self.entry.backward_y if direction == "y" else &self.entry.backward_x

    def _run_plain(self, str direction, x, saved, out, tuple parameters, axis=None, Kernels then=None):
        """The result for arrays that a kernel can run on as they are, with checked parameters; None for others.

        Along an axis, `then` is run forward on the result, without parameters and in place.
        """
        cdef double values[MOST]
        cdef Call call
        cdef int dim
        read_numbers(parameters, values)
        call.parameters = values
        if not plain(x) or not (saved is None or plain(saved) and alike(<cnp.ndarray>x, <cnp.ndarray>saved)):
            return launch_others(self.work(direction), &call, x, saved, out) if axis is None else None
        if axis is None:
            result = launch_flat(self.work(direction), &call, x, saved, out)
            return launch_others(self.work(direction), &call, x, saved, out) if result is None else result
        dim = along(x, axis)
        result = None if dim < 0 else launch_along(self.work(direction), &call, dim, x, saved, out)
        if result is not None and then is not None:
            launch_along(&then.entry.forward, &call, dim, result, None, result)
        return result

    def _run_plain_added(
        self, str direction, x, saved, out, tuple parameters, bias, bias_axis, residual, dropout, bint sums=False
    ):
        """As `_run_plain`, with what is added to x and dropout; with `sums` a pair of dx and those of dbias."""
        cdef double values[MOST]
        cdef Call call
        read_numbers(parameters, values)
        call.parameters = values
        call.axis.outer = call.axis.length = call.axis.inner = 1
        if saved is not None:
            return launch_any_backward(
                self.work(direction), &call, x, saved, out, bias, bias_axis, residual, dropout, direction == "y", sums)
        result = launch_added(self.entry, &call, x, out, bias, bias_axis, residual, dropout)
        if result is None:
            return launch_added_number(self.entry, &call, x, out, bias, bias_axis, residual, dropout)
        return result

    def _run_kernel(
        self, str direction, list inputs, list outputs, tuple parameters=(), axis=None, tuple place=(0, 1),
        Py_ssize_t group=0,
    ):
        """Run one direction on contiguous, native arrays, disjoint or the same.

        `inputs` and `outputs` are those of call.hpp in their order, None for what there is not. `axis` is
        (outer, length, inner), and `place` says where the elements stand in the whole array, where they
        are a part of it.
        """
        cdef double values[MOST]
        cdef Call call
        cdef cnp.ndarray array
        cdef const Work* work = self.work(direction)
        cdef int i, dtype = known_dtype(work, inputs[0])
        if len(inputs) > INPUTS or len(outputs) > OUTPUTS:
            raise ValueError(f"{len(inputs)} inputs, {len(outputs)} outputs; allowed are {INPUTS} and {OUTPUTS}")
        read_numbers(parameters, values)
        call.parameters = values
        call.place.index, call.place.step = place
        call.group = group
        call.rows = NULL
        call.size = 0
        for i in range(INPUTS):
            call.inputs[i] = NULL
        for i in range(OUTPUTS):
            call.outputs[i] = NULL
        for i, array in enumerate(inputs):
            call.inputs[i] = NULL if array is None else cnp.PyArray_DATA(array)
        for i, array in enumerate(outputs):
            call.outputs[i] = NULL if array is None else cnp.PyArray_DATA(array)
        for array in (inputs[0], outputs[0]):
            if array is not None:
                call.size = max(call.size, cnp.PyArray_SIZE(array))
        if axis is None:
            call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
        else:
            call.axis.outer, call.axis.length, call.axis.inner = axis
        run(work, &call, dtype, inputs[0], inputs[1] if len(inputs) > 1 else None, outputs[0])

    def _add_gradient(
        self, cnp.ndarray dy, cnp.ndarray x, double[::1] total, tuple parameters, tuple axis, Py_ssize_t index,
        Py_ssize_t span,
    ):
        """Add the gradient of the parameter, or of each weight, to `total`, range after range of `span` elements.

        Both arrays are contiguous, the first element's flat index in the whole array is `index`.
        """
        cdef double values[MOST]
        cdef Call call
        read_numbers(parameters, values)
        call.parameters = values
        call.axis.outer, call.axis.length, call.axis.inner = axis
        call.place.index, call.place.step = index, 1
        call.size, call.group = cnp.PyArray_SIZE(x), span
        self.add_ranges(&call, dy, x, total)

    def _run_with_added(
        self, str direction, list inputs, out, tuple parameters, bias, tuple axis, tuple dropout, tuple weighted,
        Py_ssize_t index, Sums total=None, Py_ssize_t group=0,
    ):
        """Run one direction on x, or on dy and what was saved, with what is added to x before and dropout behind.

        The arrays are contiguous parts of larger ones, which begin at the flat position `index`, with the residual
        behind them, if there is one. `bias` may be None, `axis` is that of it in the whole. `dropout` is its two
        numbers, or empty; `weighted` the weights of a kernel that takes them and their axis, or empty. Where `total`
        is given, the gradient of the bias is added to it; then `out` may be None.
        """
        cdef double values[MOST]
        cdef double left_out[MOST]
        cdef Call call
        cdef Added added
        cdef bint backward = direction != "forward"
        cdef const Work* work = self.work(direction)
        cdef const Work* brings = &to_elements.backward_x if backward else &to_elements.forward
        cdef cnp.ndarray first = inputs[0], saved = inputs[1] if backward else None, array
        cdef int dtype = known_dtype(work, first)
        read_numbers(parameters, values)
        call.parameters = values
        call.place.index, call.place.step = index, 1
        call.size = cnp.PyArray_SIZE(first)
        call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
        call.inputs[2] = call.inputs[3] = call.inputs[4] = call.outputs[0] = call.outputs[2] = NULL
        added.dropout = NULL
        added.weights = call.axis
        if dropout:
            read_numbers(dropout, left_out)
            drop_with(&added, left_out, dtype)
        if weighted:
            array = weighted[0]
            call.inputs[2] = cnp.PyArray_DATA(array)
            added.weights.outer, added.weights.length, added.weights.inner = weighted[1]
        array = bias
        if bias is not None:
            call.inputs[3] = cnp.PyArray_DATA(array)
        if len(inputs) > 1 + backward:
            array = inputs[1 + backward]
            call.inputs[4] = cnp.PyArray_DATA(array)
        added.axis.outer, added.axis.length, added.axis.inner = axis
        added.kernel = work.kernel[computed_in(dtype)]
        bring_to(call, added)
        call.group = group if group else segment
        if call.size == 0:
            return
        if total is not None:
            total.begin(&call, added.axis, dtype)
        run_priced(brings, work, &call, dtype, first, saved, out)
        if total is not None:
            total.end()

    cdef int add_ranges(self, Call* call, cnp.ndarray dy, cnp.ndarray x, double[::1] total) except -1:
        cdef const Work* work = &self.entry.gradient
        cdef cnp.npy_intp shape[2]
        cdef Py_ssize_t unit, channel
        shape[0], shape[1] = work.count(call[0]), total.shape[0]
        cdef cnp.ndarray partial = cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, 0)
        cdef double* sums = <double*>cnp.PyArray_DATA(partial)
        call.outputs[1] = sums
        run(work, call, known_dtype(work, x), dy, x, None)
        for unit in range(shape[0]):
            for channel in range(shape[1]):
                total[channel] += sums[unit * shape[1] + channel]
        return 0


cdef int known_dtype(const Work* work, cnp.ndarray array) except -1:
    """The dtype of an array that a kernel of this work computes in."""
    cdef int dtype = dtype_of(array)
    if dtype == UNKNOWN or work.kernel[dtype] == NULL:
        raise TypeError(f"no kernel of this work computes in {array.dtype}")
    return dtype


cdef int read_numbers(tuple parameters, double* values) except -1:
    cdef int i
    if len(parameters) > MOST:
        raise ValueError(f"{len(parameters)} parameters were given; allowed are at most {MOST}")
    for i in range(len(parameters)):
        values[i] = parameters[i]
    return 0


cdef class ElementwiseKernels(Kernels):
    """The short path of an elementwise activation."""

    cdef tuple names
    cdef int count
    cdef Py_ssize_t most  # arguments that are taken by position before `out`
    cdef bint has_defaults
    cdef bint sign_will_do  # to differentiate from y
    cdef double defaults[MOST]
    # What passed the Python subclass's checks last: for forward or backward from x, and for backward from y.
    cdef CheckedParameters checked[2]

    def __init__(
        self, str kernel, tuple names, tuple defaults, bint has_defaults, Py_ssize_t most, bint sign_will_do
    ):
        cdef double unknown[MOST]
        cdef int i
        Kernels.__init__(self, kernel)
        self.sign_will_do = sign_will_do
        self.names = names
        self.count, self.most = len(names), most
        self.has_defaults = has_defaults
        read_numbers(defaults, self.defaults)
        for i in range(MOST):
            # NaN, where there are no defaults: equal to nothing that is given.
            unknown[i] = self.defaults[i] if has_defaults else NAN
        self.checked[0].keep(unknown, self.count)
        self.checked[1].keep(unknown, self.count)

    cdef bint read(self, tuple args, dict kwargs, double* parameters, int use) except -1:
        """Parameters of a call; False where Python has to look at them (and check them) first."""
        cdef int i, given = 0
        parameters[0], parameters[1], parameters[2] = self.defaults[0], self.defaults[1], self.defaults[2]
        if not args and not kwargs:
            return self.has_defaults
        if len(args) > self.count:
            return False
        for i in range(len(args)):
            parameters[i] = number_of(args[i])
        for i in range(len(args), self.count):
            if self.names[i] in kwargs:
                parameters[i] = number_of(kwargs[self.names[i]])
                given += 1
        if given != len(kwargs) or not (self.has_defaults or len(args) + given == self.count):
            return False
        return self.checked[use].equal(parameters, self.count)

    def _remember(self, tuple parameters, bint output):
        """Keep parameters that were found good, for the short path of the next call."""
        cdef double values[MOST]
        read_numbers(parameters, values)
        self.checked[output].keep(values, self.count)

    # What is added beside is read from `kwargs`: each name that Cython looked for would be looked for among the
    # parameters of every call, too.

    def __call__(self, x, *args, out=None, **kwargs):
        cdef double parameters[MOST]
        cdef Call call
        result = None
        if self.read(args, kwargs, parameters, 0):
            call.parameters = parameters
            if plain(x):
                result = launch_flat(&self.entry.forward, &call, x, None, out)
            if result is None:
                result = launch_others(&self.entry.forward, &call, x, None, out)
            if result is not None:
                return result
        if len(args) == self.most + 1 and out is None:
            return self(x, *args[:self.most], out=args[self.most], **kwargs)
        beside = taken(kwargs, 4) if kwargs else None
        if beside is not None:
            return self.call_added(x, args, out, kwargs, beside)
        return self._forward(x, args, kwargs, single(out))

    cdef object call_added(self, x, tuple args, out, dict kwargs, tuple beside):
        cdef double parameters[MOST]
        cdef Call call
        bias, bias_axis, residual, dropout = beside
        if bias is None and residual is None and dropout is None:
            return self(x, *args, out=out, **kwargs)
        if self.read(args, kwargs, parameters, 0):
            call.parameters = parameters
            call.axis.outer = call.axis.length = call.axis.inner = 1
            result = launch_added(self.entry, &call, x, out, bias, bias_axis, residual, dropout)
            if result is None:
                result = launch_added_number(self.entry, &call, x, out, bias, bias_axis, residual, dropout)
            if result is not None:
                return result
        return self._forward(x, args, kwargs, single(out), beside)

    def backward(self, dy, *args, x=None, y=None, out=None, **kwargs):
        cdef double parameters[MOST]
        cdef Call call
        cdef bint output = x is None
        cdef const Work* work = &self.entry.backward_y if output else &self.entry.backward_x
        saved = y if output else x
        result = None
        if (
            not args and (x is None or y is None) and saved is not None and work.offered()
            and self.read(args, kwargs, parameters, output)
        ):
            call.parameters = parameters
            if plain(dy) and plain(saved) and alike(<cnp.ndarray>dy, <cnp.ndarray>saved):
                result = launch_flat(work, &call, dy, saved, out)
            if result is None:
                result = launch_others(work, &call, dy, saved, out)
            if result is not None:
                return result
        beside = taken(kwargs, 5) if kwargs else None
        if beside is not None:
            return self.backward_added(dy, args, x, y, out, kwargs, beside)
        return self._backward(dy, args, x, y, single(out), kwargs)

    cdef object backward_added(self, dy, tuple args, x, y, out, dict kwargs, tuple beside):
        cdef double parameters[MOST]
        cdef Call call
        cdef bint output = x is None, sums
        cdef const Work* work = &self.entry.backward_y if output else &self.entry.backward_x
        bias, bias_axis, residual, dropout, bias_grad = beside
        sums = bias_grad
        saved = y if output else x
        if bias is None and residual is None and dropout is None and not sums:
            return self.backward(dy, *args, x=x, y=y, out=out, **kwargs)
        if (
            not args and (x is None or y is None) and saved is not None and work.offered()
            and (self.sign_will_do or dropout is None or not output)
            and self.read(args, kwargs, parameters, output)
        ):
            call.parameters = parameters
            call.axis.outer = call.axis.length = call.axis.inner = 1
            result = launch_any_backward(
                work, &call, dy, saved, out, bias, bias_axis, residual, dropout, output, sums)
            if result is not None and sums:
                return result[0], gradient_of(
                    self, result[1], bias, saved if type(saved) is cnp.ndarray else as_one(saved))
            if result is not None:
                return result
        return self._backward(dy, args, x, y, single(out), kwargs, beside)


cdef extern from *:
    """
    typedef PyObject* (*FastMethod)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

    // After a call that failed: an activation says more of a name that it does not take than the interpreter.
    // `names` are a dict or a tuple of those that were given, or null.
    static PyObject* explained(PyObject* result, PyObject* self, PyObject* names, int backward) {
        if (result || !names || !PyErr_ExceptionMatches(PyExc_TypeError)) return result;
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        PyObject* none = PyObject_CallMethod(self, "_refuse_unknown", "Oi", names, backward);
        if (none) {
            Py_DECREF(none);
            PyErr_Restore(type, error, trace);
        } else {
            Py_XDECREF(type);
            Py_XDECREF(error);
            Py_XDECREF(trace);
        }
        return nullptr;
    }

    static PyObject* call_of_class(PyObject* self, PyObject* args, PyObject* named) {
        const ternaryfunc own = Py_TYPE(self)->tp_call;
        PyTypeObject* base = Py_TYPE(self)->tp_base;
        while (base->tp_call == own) base = base->tp_base;
        return base->tp_call(self, args, named);
    }

    static void call_by(PyObject* self, ternaryfunc call) { Py_TYPE(self)->tp_call = call; }

    // What a call gives of a few names, the first `count` by position and the others by name: `given` is their
    // dict, or, with `values` behind the positions, their tuple, or null. False where it gives any other.
    static bool place(PyObject* names, Py_ssize_t count, PyObject* name, PyObject* value, PyObject** to) {
        for (Py_ssize_t k = count; k < PyTuple_GET_SIZE(names); ++k)
            if (PyTuple_GET_ITEM(names, k) == name) return to[k] = value, true;
        return false;
    }
    static bool read_few(PyObject* names, PyObject* const* args, Py_ssize_t count, PyObject* given, PyObject** to) {
        for (Py_ssize_t k = 0; k < count; ++k) to[k] = args[k];
        if (!given) return true;
        if (PyTuple_CheckExact(given)) {
            for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(given); ++k)
                if (!place(names, count, PyTuple_GET_ITEM(given, k), args[count + k], to)) return false;
            return true;
        }
        PyObject *name, *value;
        for (Py_ssize_t at = 0; PyDict_Next(given, &at, &name, &value);)
            if (!place(names, count, name, value, to)) return false;
        return true;
    }
    static PyObject* const* items_of(PyObject* tuple) { return reinterpret_cast<PyTupleObject*>(tuple)->ob_item; }
    """
    ctypedef PyObject* (*FastMethod)(PyObject*, PyObject**, Py_ssize_t, PyObject*) noexcept
    ctypedef PyObject* (*ternaryfunc)(PyObject*, PyObject*, PyObject*) noexcept
    PyObject* explained(PyObject*, PyObject*, PyObject*, int) noexcept
    PyObject* call_of_class(PyObject*, PyObject*, PyObject*) noexcept
    void call_by(object, ternaryfunc)
    bint read_few(PyObject*, PyObject**, Py_ssize_t, PyObject*, PyObject**) noexcept
    PyObject** items_of(PyObject*) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject*) noexcept
    void Py_DECREF(PyObject*) noexcept


ctypedef PyObject* (*Few)(PyObject*, PyObject*, PyObject*, PyObject*, PyObject*) noexcept
ctypedef PyObject* (*FewBackward)(PyObject*, PyObject*, PyObject*, PyObject*, PyObject*, PyObject*) noexcept


cdef PyObject* call_explained(PyObject* self, PyObject* args, PyObject* named) noexcept:
    cdef PyObject* result
    cdef PyObject* given[MOST_OFTEN]
    cdef Py_ssize_t count = PyTuple_GET_SIZE(args)
    if 0 < count <= (<FixedKernels>self).positions:
        (<FixedKernels>self).by_default(given)
        if read_few(<PyObject*>(<FixedKernels>self).often, items_of(args), count, named, given):
            result = (<FixedKernels>self).few(self, given[0], given[1], given[2], given[3])
            if result != <PyObject*>None:
                return result
            Py_DECREF(result)
    return explained(call_of_class(self, args, named), self, named, False)


cdef PyObject* backward_explained(PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names) noexcept:
    cdef PyObject* result
    cdef PyObject* given[MOST_OFTEN + 1]
    if count == 1:
        (<FixedKernels>self).by_default(given + 1)
        if read_few(<PyObject*>(<FixedKernels>self).often_backward, args, count, names, given):
            result = (<FixedKernels>self).few_backward(self, given[0], given[1], given[2], given[3], given[4])
            if result != <PyObject*>None:
                return result
            Py_DECREF(result)
    return explained((<FixedKernels>self).backward_of_class(self, args, count, names), self, names, True)


cdef enum:
    MOST_OFTEN = 4


cdef class FixedKernels(Kernels):
    """What takes the same arguments in every activation of its kind, so that their names are read in C.

    The dict that would hold other names takes a seventh of a small call; those are looked at when they failed it.
    The class of `self` is its own.

    Four arguments are given most often: x, one of the kind's own, `axis` and `out`. A call with these alone is read
    here: for each of the others Cython would take a reference to None and give it back, one after the other as they
    are all of one object, which is a tenth of a small call.
    """

    cdef FastMethod backward_of_class
    cdef tuple often, often_backward  # their names, and with dy before them
    cdef object axis  # the one by default
    cdef Py_ssize_t positions  # of `often` that can be given by position
    # The result of such a call; None where all of the arguments have to be looked at.
    cdef Few few
    cdef FewBackward few_backward

    def __init__(self, str kernel, str own, axis, Py_ssize_t positions):
        Kernels.__init__(self, kernel)
        self.often = ("x", intern(own), "axis", "out")
        self.often_backward = ("dy", *self.often)
        self.axis, self.positions = axis, positions
        call_by(self, call_explained)

    cdef inline void by_default(self, PyObject** given) noexcept:
        given[0] = given[1] = given[3] = <PyObject*>None
        given[2] = <PyObject*>self.axis

    cdef int explain_backward(self, PyMethodDef* method) except -1:
        if method.ml_flags == METH_FASTCALL | METH_KEYWORDS:
            self.backward_of_class = <FastMethod>method.ml_meth
            method.ml_meth = <PyCFunction>backward_explained
        return 0


# Where each element of the result takes several of the input along an axis.

cdef object launch_smaller(const Entry* entry, x, axis, Py_ssize_t parts, out):
    """Forward, into an array of 1 / `parts` of the extent along the axis."""
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef Call call
    cdef int i, dim = along(<cnp.ndarray>x, axis) if plain(x) else -1
    if dim < 0:
        return None
    cdef cnp.ndarray source = <cnp.ndarray>x
    cdef int dims = cnp.PyArray_NDIM(source)
    for i in range(dims):
        shape[i] = cnp.PyArray_DIM(source, i)
    shape[dim] = shape[dim] // parts if parts > 0 else 0
    if shape[dim] * parts != cnp.PyArray_DIM(source, dim):
        return None
    call.parameters = NULL
    call.inputs[2] = call.outputs[1] = NULL
    split(&call.axis, dims, shape, dim)
    call.size, call.group = call.axis.outer * call.axis.length * call.axis.inner * parts, parts
    return launch(&entry.forward, &call, shape, source, None, out)


cdef object launch_larger(const Entry* entry, dy, x, axis, Py_ssize_t parts, out):
    """Backward from x, into an array of its shape."""
    cdef Call call
    cdef int i, dim = along(<cnp.ndarray>x, axis) if plain(x) and plain(dy) else -1
    if dim < 0 or parts < 1:
        return None
    cdef cnp.ndarray gradient = <cnp.ndarray>dy, source = <cnp.ndarray>x
    cdef int dims = cnp.PyArray_NDIM(source)
    if cnp.PyArray_TYPE(source) != cnp.PyArray_TYPE(gradient) or cnp.PyArray_NDIM(gradient) != dims:
        return None
    for i in range(dims):
        if cnp.PyArray_DIM(source, i) != cnp.PyArray_DIM(gradient, i) * (parts if i == dim else 1):
            return None
    call.parameters = NULL
    call.inputs[2] = NULL
    split(&call.axis, dims, cnp.PyArray_DIMS(gradient), dim)
    call.size, call.group = call.axis.outer * call.axis.length * call.axis.inner * parts, parts
    return launch(&entry.backward_x, &call, cnp.PyArray_DIMS(source), gradient, source, out)


cdef object few_of_gated(GatedKernels self, x, gate, axis, out):
    if gate is not None:
        return launch_any_pair(self.entry, x, gate, axis, out, None, -1, None)
    result = launch_smaller(self.entry, x, axis, 2, out)
    return launch_halves_in_runs(self.entry, None, x, axis, out, None, -1, None) if result is None else result


cdef object few_of_gated_backward(GatedKernels self, dy, x, gate, axis, out):
    if gate is not None:
        return launch_any_pair_backward(self.entry, dy, x, gate, axis, out, None, -1, None)
    result = launch_larger(self.entry, dy, x, axis, 2, out)
    return launch_halves_in_runs(self.entry, dy, x, axis, out, None, -1, None) if result is None else result


cdef class GatedKernels(FixedKernels):
    """The short path of a gated activation."""

    def __init__(self, str kernel):
        FixedKernels.__init__(self, kernel, "gate", -1, 1)
        self.few, self.few_backward = <Few>few_of_gated, <FewBackward>few_of_gated_backward

    def __call__(self, x, axis=-1, out=None, *, gate=None, bias=None, bias_axis=-1, dropout=None):
        if bias is None and dropout is None:
            result = few_of_gated(self, x, gate, axis, out)
        elif gate is not None:
            result = launch_any_pair(self.entry, x, gate, axis, out, bias, bias_axis, dropout)
        else:
            result = self.launch_biased(x, axis, out, bias, bias_axis, dropout)
            if result is None:
                result = launch_halves_in_runs(self.entry, None, x, axis, out, bias, bias_axis, dropout)
        if result is not None:
            return result
        return self._forward(x, axis, single(out), gate, bias, bias_axis, dropout)

    def backward(
        self, dy, *, x=None, y=None, axis=-1, gate=None, bias=None, bias_axis=-1, dropout=None, bias_grad=False,
        out=None,
    ):
        cdef bint sums = bias_grad, adds = bias is not None or dropout is not None or sums
        result = None
        if y is not None or x is None:
            pass
        elif not adds:
            result = few_of_gated_backward(self, dy, x, gate, axis, out)
        elif gate is not None:
            if sums:
                result = self.pair_and_sums(dy, x, gate, axis, out, bias, bias_axis, dropout)
            else:
                result = launch_any_pair_backward(self.entry, dy, x, gate, axis, out, bias, bias_axis, dropout)
        else:
            result = self.launch_biased_backward(dy, x, axis, out, bias, bias_axis, dropout, sums)
            if result is None and sums:
                result = self.halves_and_sums(dy, x, axis, out, bias, bias_axis, dropout)
            if result is not None and sums:
                return result[0], gradient_of(self, result[1], bias, x)
            if result is None and not sums:
                result = launch_halves_in_runs(self.entry, dy, x, axis, out, bias, bias_axis, dropout)
        if result is not None:
            return result
        return self._backward(
            dy, x, y, axis, out if gate is not None else single(out), gate, bias, bias_axis, dropout, sums)

    cdef object launch_biased(self, x, axis, out, bias, bias_axis, dropout):
        cdef Added added
        cdef double number
        cdef double left_out[2]
        cdef Call call
        cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
        cdef int i, dim = along(<cnp.ndarray>x, axis) if plain(x) else -1
        if dim < 0:
            return None
        cdef cnp.ndarray source = <cnp.ndarray>x
        cdef int dims = cnp.PyArray_NDIM(source), dtype = dtype_of(source)
        for i in range(dims):
            shape[i] = cnp.PyArray_DIM(source, i)
        shape[dim] = shape[dim] // 2
        if 2 * shape[dim] != cnp.PyArray_DIM(source, dim) or cnp.PyArray_SIZE(source) == 0:
            return None
        call.inputs[1] = call.inputs[2] = call.inputs[3] = call.inputs[4] = NULL
        if not read_dropout(dropout, &added, left_out, dtype):
            return None
        if bias is not None:
            bias = bias_of(source, bias, bias_axis, &call, &added, &number)
            if bias is None or shares_memory(bias, out):
                return None
        else:
            added.axis.outer, added.axis.length, added.axis.inner = 1, 1, cnp.PyArray_SIZE(source)
        out = output(out, shape, source, None)
        if out is None:
            return None
        call.parameters = NULL
        call.place.index, call.place.step = 0, 1
        split(&call.axis, dims, shape, dim)
        call.size = cnp.PyArray_SIZE(source)
        added.kernel = self.entry.forward.kernel[computed_in(dtype)]
        bring_to(call, added)
        run_priced(&to_gates.forward, &self.entry.forward, &call, dtype, source, None, out)
        return out

    def _run_added_gates(
        self, str direction, list inputs, list outputs, tuple split_outputs, list biases, tuple axis, tuple dropout,
        Sums total=None,
    ):
        """Run one direction with a bias and dropout on contiguous arrays, disjoint or the same.

        `inputs` are x, or dy and x, and behind them the array of its own that b may have; `outputs` and `biases` are
        one, or where b has an array two. Biases may be None. `split_outputs` is the result seen along the axis of
        the halves, `axis` x along that of a bias, whose gradient is added to `total` where that is given.
        """
        cdef double left_out[MOST]
        cdef Call call
        cdef Added added
        cdef bint backward = direction != "forward"
        cdef const Work* work = self.work(direction)
        cdef cnp.ndarray first = inputs[0], x = inputs[backward], array
        cdef int k, dtype = known_dtype(work, x)
        call.parameters = NULL
        call.place.index, call.place.step = 0, 1
        call.axis.outer, call.axis.length, call.axis.inner = split_outputs
        call.size = 2 * call.axis.outer * call.axis.length * call.axis.inner
        call.inputs[1] = call.inputs[2] = call.inputs[3] = call.inputs[4] = NULL
        call.outputs[1] = call.outputs[2] = NULL
        if len(inputs) > 1 + backward:
            array = inputs[1 + backward]
            call.inputs[2] = cnp.PyArray_DATA(array)
        for k, array in enumerate(biases):
            call.inputs[3 + k] = NULL if array is None else cnp.PyArray_DATA(array)
        for k, array in enumerate(outputs):
            call.outputs[k] = cnp.PyArray_DATA(array)
        added.axis.outer, added.axis.length, added.axis.inner = axis
        added.kernel = work.kernel[computed_in(dtype)]
        added.dropout = NULL
        if dropout:
            read_numbers(dropout, left_out)
            drop_with(&added, left_out, dtype)
        bring_to(call, added)
        call.group = range_of(added.axis, call.size)
        if total is not None:
            total.begin(&call, added.axis, dtype)
        run_priced(
            &to_gates.backward_x if backward else &to_gates.forward, work, &call, dtype, first,
            x if backward else None, outputs[0])
        if total is not None:
            total.end()

    cdef object launch_biased_backward(self, dy, x, axis, out, bias, bias_axis, dropout, bint sums):
        cdef Call call
        cdef int i, dim = along(<cnp.ndarray>x, axis) if plain(x) and plain(dy) else -1
        if dim < 0 or cnp.PyArray_TYPE(<cnp.ndarray>x) != cnp.PyArray_TYPE(<cnp.ndarray>dy):
            return None
        cdef cnp.ndarray source = <cnp.ndarray>x, gradient = <cnp.ndarray>dy
        cdef int dims = cnp.PyArray_NDIM(source)
        if cnp.PyArray_NDIM(gradient) != dims:
            return None
        for i in range(dims):
            if cnp.PyArray_DIM(source, i) != cnp.PyArray_DIM(gradient, i) * (2 if i == dim else 1):
                return None
        call.parameters = NULL
        split(&call.axis, dims, cnp.PyArray_DIMS(gradient), dim)
        return launch_added_backward(
            &self.entry.backward_x, &to_gates.backward_x, &call, dy, x, out, bias, bias_axis, None, dropout, False,
            sums)

    cdef object halves_and_sums(self, dy, x, axis, out, bias, bias_axis, dropout):
        """dx and the sums of dbias for small arrays in C order."""
        dy, x, room = in_one_piece(dy), in_one_piece(x), None
        if dy is None or x is None:
            return None
        if out is not None:
            room = room_for(out, <cnp.ndarray>x)
            if room is None:
                return None
        result = self.launch_biased_backward(dy, x, axis, room, bias, bias_axis, dropout, True)
        if result is None or out is None:
            return result
        return brought_back(room, out), result[1]

    cdef object pair_and_sums(self, dy, x, gate, axis, out, bias, bias_axis, dropout):
        """The gradients of both arrays and their biases, which are arrays or None, for small arrays in C order."""
        cdef cnp.ndarray a
        cdef int k, dim, kind
        cdef Py_ssize_t length
        cdef Axis seen
        cdef Sums total = Sums.__new__(Sums, 2)
        cdef list rooms = [None, None]
        dy, x, gate = in_one_piece(dy), in_one_piece(x), in_one_piece(gate)
        if dy is None or x is None or gate is None or dropout is not None or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
            return None
        a = <cnp.ndarray>x
        dim = along(a, bias_axis)
        if dim < 0 or along(a, axis) < 0 or dtype_of(a) >= FLOAT16 or cnp.PyArray_SIZE(a) == 0:
            return None
        if not alike(<cnp.ndarray>dy, a) or not alike(<cnp.ndarray>gate, a):
            return None
        length, kind = cnp.PyArray_DIM(a, dim), cnp.PyArray_TYPE(a)
        biases = (None, None) if bias is None else bias
        if type(biases) is not tuple or len(<tuple>biases) != 2 or (out is not None and not is_pair(out)):
            return None
        for one in <tuple>biases:
            if one is not None and not (
                plain(one) and cnp.PyArray_NDIM(<cnp.ndarray>one) == 1 and cnp.PyArray_TYPE(<cnp.ndarray>one) == kind
                and cnp.PyArray_DIM(<cnp.ndarray>one, 0) == length
            ):
                return None
        for k in range(2):
            if out is None:
                rooms[k] = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), kind, 0)
                continue
            rooms[k] = room_for((<tuple>out)[k], a)
            if rooms[k] is None or not fits_beside(rooms[k], a, (dy, a, gate), <tuple>biases):
                return None
        if out is not None and not disjoint_views((<tuple>out)[0], (<tuple>out)[1]):
            return None
        split(&seen, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), dim)
        self._run_added_gates(
            "x", [dy, a, gate], rooms, (1, cnp.PyArray_SIZE(a), 1), list(<tuple>biases),
            (seen.outer, seen.length, seen.inner), (), total)
        sums = (total.result(kind, 0), total.result(kind, 1))
        if out is None:
            return rooms[0], rooms[1], sums
        return brought_back(rooms[0], (<tuple>out)[0]), brought_back(rooms[1], (<tuple>out)[1]), sums


cdef object few_of_pieces(PiecesKernels self, x, pieces, axis, out):
    return launch_smaller(self.entry, x, axis, small(pieces), out)


cdef object few_of_pieces_backward(PiecesKernels self, dy, x, pieces, axis, out):
    return launch_larger(self.entry, dy, x, axis, small(pieces), out)


cdef class PiecesKernels(FixedKernels):
    """The short path of a forward call that wants the largest values alone, and of backward from the input."""

    def __init__(self, str kernel):
        FixedKernels.__init__(self, kernel, "pieces", -1, 4)
        self.few, self.few_backward = <Few>few_of_pieces, <FewBackward>few_of_pieces_backward

    def __call__(self, x, pieces, axis=-1, out=None, *, return_which=False):
        cdef Py_ssize_t parts = small(pieces)
        result = launch_smaller(self.entry, x, axis, parts, out) if return_which is False else None
        return self._forward(x, pieces, axis, single(out), return_which) if result is None else result

    def backward(self, dy, *, x=None, y=None, which=None, pieces=None, axis=-1, out=None):
        cdef Py_ssize_t parts = small(pieces)
        result = launch_larger(self.entry, dy, x, axis, parts, out) if y is None and which is None else None
        return self._backward(dy, x, y, which, pieces, axis, single(out)) if result is None else result


cdef extern from *:
    """
    // An int of one digit as it is, 0 for a longer one, which is left to Python: a conversion that may fail
    // takes a twentieth of a small call.
    static inline Py_ssize_t one_digit(PyObject* number) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyLongObject* integer = reinterpret_cast<PyLongObject*>(number);
        return PyUnstable_Long_IsCompact(integer) ? PyUnstable_Long_CompactValue(integer) : 0;
    #else
        return Py_SIZE(number) == 1 ? Py_ssize_t(reinterpret_cast<PyLongObject*>(number)->ob_digit[0]) : 0;
    #endif
    }
    """
    Py_ssize_t one_digit(object) noexcept


cdef inline Py_ssize_t small(object number) noexcept:
    """A number of pieces; 0 for what is no int, or too large for the short path."""
    return one_digit(number) if PyLong_CheckExact(number) else 0


cdef inline bint any_axis(cnp.ndarray x, object axis) noexcept:
    """Whether one weight for all may come with this axis: one that x has, or the default."""
    return small(axis) == 1 or along(x, axis) >= 0


cdef object few_of_channels(ChannelsKernels self, x, weight, axis, out):
    cdef Call call
    cdef double wide
    cdef float narrow
    if not plain(x):
        return None
    call.parameters = NULL
    if PyFloat_CheckExact(weight) and any_axis(x, axis):
        ChannelsKernels.takes_number(x, weight, &call, &wide, &narrow)
    elif not ChannelsKernels.takes(x, weight, axis, &call):
        return None
    elif out is not None and not (plain(out) and disjoint(<cnp.ndarray>weight, <cnp.ndarray>out)):
        return None
    return launch(&self.entry.forward, &call, cnp.PyArray_DIMS(<cnp.ndarray>x), x, None, out)


cdef object few_of_channels_backward(ChannelsKernels self, dy, x, weight, axis, out):
    cdef Call call
    cdef cnp.npy_intp count, channel
    cdef cnp.ndarray dweight
    cdef double[::1] total
    cdef double wide
    cdef float narrow
    cdef bint is_number = PyFloat_CheckExact(weight)
    if not plain(dy) or not plain(x) or not alike(<cnp.ndarray>dy, <cnp.ndarray>x) or dtype_of(x) >= FLOAT16:
        return None
    if is_number and any_axis(x, axis):
        ChannelsKernels.takes_number(x, weight, &call, &wide, &narrow)
    elif is_number or not ChannelsKernels.takes(x, weight, axis, &call):
        return None
    if out is not None and not (plain(out) and (is_number or disjoint(<cnp.ndarray>weight, <cnp.ndarray>out))):
        return None
    count = call.axis.length
    call.parameters = NULL
    call.place.index, call.place.step = 0, 1
    call.group = max(segment, count)
    # The sums of many ranges of many channels would be of the array's size.
    if call.size == 0 or call.size > MOST_RANGES * call.group:
        return None
    if call.size > call.group and (call.size + call.group - 1) // call.group * count > MOST_SUMS:
        return None
    out = output(out, cnp.PyArray_DIMS(<cnp.ndarray>x), dy, x)
    if out is None:
        return None
    total = cnp.PyArray_ZEROS(1, &count, cnp.NPY_DOUBLE, 0)
    self.add_ranges(&call, dy, x, total)
    run(&self.entry.backward_x, &call, dtype_of(x), dy, x, out)
    # As a kernel, which says nothing of a sum beyond the dtype's range.
    dweight = cnp.PyArray_EMPTY(1, &count, cnp.PyArray_TYPE(<cnp.ndarray>x), 0)
    for channel in range(count):
        if dtype_of(x) == FLOAT64:
            (<double*>cnp.PyArray_DATA(dweight))[channel] = total[channel]
        else:
            (<float*>cnp.PyArray_DATA(dweight))[channel] = <float>total[channel]
    return out, (<object>dweight)[0] if is_number else dweight


cdef class ChannelsKernels(FixedKernels):
    """The short path of a call with one weight, or one per position on an axis."""

    def __init__(self, str kernel):
        FixedKernels.__init__(self, kernel, "weight", 1, 4)
        self.few, self.few_backward = <Few>few_of_channels, <FewBackward>few_of_channels_backward

    @staticmethod
    cdef void takes_number(cnp.ndarray x, double weight, Call* call, double* wide, float* narrow) noexcept:
        """Has one weight for all in the call: in the room of the dtype that is computed in."""
        wide[0], narrow[0] = weight, <float>weight
        call.inputs[2] = <void*>wide if dtype_of(x) == FLOAT64 else <void*>narrow
        call.size = cnp.PyArray_SIZE(x)
        call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size

    @staticmethod
    cdef bint takes(cnp.ndarray x, object weight, object axis, Call* call) except -1:
        """Whether `weight` is an array for a plain x as it is; sets both in the call."""
        cdef int dim, dtype = dtype_of(x)
        if not plain(weight) or cnp.PyArray_NDIM(<cnp.ndarray>weight) != 1:
            return False
        cdef cnp.ndarray slopes = weight
        if cnp.PyArray_TYPE(slopes) != (cnp.NPY_DOUBLE if dtype == FLOAT64 else cnp.NPY_FLOAT):
            return False
        call.size = cnp.PyArray_SIZE(x)
        call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
        call.inputs[2] = cnp.PyArray_DATA(slopes)
        if cnp.PyArray_DIM(slopes, 0) == 1:
            return any_axis(x, axis)
        dim = along(x, axis)
        if dim < 0 or cnp.PyArray_DIM(x, dim) != cnp.PyArray_DIM(slopes, 0):
            return False
        split(&call.axis, cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), dim)
        return True

    def __call__(self, x, weight, axis=1, out=None, *, bias=None, bias_axis=-1, residual=None, dropout=None):
        cdef bint adds = bias is not None or residual is not None or dropout is not None
        cdef Call call
        cdef double wide
        cdef float narrow
        cdef bint fits = False
        result = None if adds else few_of_channels(self, x, weight, axis, out)
        if result is not None:
            return result
        call.parameters = NULL
        if in_rows(x) and PyFloat_CheckExact(weight) and any_axis(x, axis):
            ChannelsKernels.takes_number(x, weight, &call, &wide, &narrow)
            fits = True
        elif in_rows(x):
            fits = ChannelsKernels.takes(x, weight, axis, &call)
            fits = fits and (out is None or in_memory(out) and not bias_within(weight, out))
        elif out is None and not adds:
            result = self.of_number(x, weight, axis)
        # In rows, a kernel of chunks knows which weights those are.
        if fits and (adds or not plain(x) or not (out is None or plain(out))):
            result = launch_added(self.entry, &call, x, out, bias, bias_axis, residual, dropout)
        if result is not None:
            return result
        beside = (bias, bias_axis, residual, dropout) if adds else None
        return self._forward(x, weight, axis, single(out), beside)

    def backward(
        self, dy, *, weight=None, axis=1, x=None, y=None, out=None, bias=None, bias_axis=-1, residual=None,
        dropout=None, bias_grad=False,
    ):
        cdef bint sums = bias_grad, adds = bias is not None or residual is not None or dropout is not None or sums
        result = None
        if y is None and not adds:
            result = few_of_channels_backward(self, dy, x, weight, axis, out)
        if y is None and result is None:
            if type(x) is cnp.ndarray and cnp.PyArray_NDIM(<cnp.ndarray>x) > 0:
                result = self.gradients_of_parts(
                    dy, x, weight, axis, out, bias, bias_axis, residual, dropout, sums)
            elif not adds and out is None:
                result = self.gradients_of_number(dy, x, weight, axis)
        if result is not None:
            return result
        beside = (bias, bias_axis, residual, dropout, sums) if adds else None
        return self._backward(dy, weight, axis, x, y, single(out), beside)

    cdef object of_number(self, x, weight, axis):
        one = as_one(x)
        if one is None or small(axis) != 1:
            return None
        result = few_of_channels(self, one, weight, axis, None)
        return None if result is None else result[0]

    cdef object gradients_of_number(self, dy, x, weight, axis):
        dy, x = as_one(dy), as_one(x)
        if dy is None or x is None or small(axis) != 1:
            return None
        result = few_of_channels_backward(self, dy, x, weight, axis, None)
        return None if result is None else (result[0][0], result[1])

    cdef object gradients_of_parts(
        self, dy, x, weight, axis, out, bias, bias_axis, residual, dropout, bint sums
    ):
        """The gradients of small arrays in C order, at x with what is added to it."""
        cdef Call call
        cdef Added added
        cdef double left_out[2]
        kept, dy, x, room = x, in_one_piece(dy), in_one_piece(x), None
        if dy is None or x is None or not alike(<cnp.ndarray>dy, <cnp.ndarray>x) or dtype_of(x) >= FLOAT16:
            return None
        if cnp.PyArray_SIZE(<cnp.ndarray>x) > SLAB or along(x, bias_axis) < 0:
            return None
        if residual is not None:
            residual = in_one_piece(residual)
            if residual is None:
                return None
        if out is not None:
            room = room_for(out, <cnp.ndarray>x)
            if room is None or bias_within(bias, room):
                return None
        call.axis.outer = call.axis.length = call.axis.inner = 1
        if bias is not None or residual is not None:
            call.parameters = NULL
            x = launch_added(identity, &call, x, None, bias, bias_axis, residual, None)
        if x is None or not read_dropout(dropout, &added, left_out, dtype_of(<cnp.ndarray>x)):
            return None
        if added.dropout != NULL:
            call.parameters = left_out
            dy = launch_flat(&dropping.forward, &call, dy, None, None)
        result = few_of_channels_backward(self, dy, x, weight, axis, room)
        if result is None:
            return None
        dx, dweight = result
        if sums:
            # What is added to x has its gradient, so the sums are those of dx.
            call.parameters = NULL
            _, more = launch_added_backward(
                &identity.backward_x, &to_elements.backward_x, &call, dx, dx, dx, bias, bias_axis, None, None, True,
                True)
        if out is not None:
            dx = brought_back(room, out)
        return (dx, dweight, gradient_of(self, more, bias, kept)) if sums else (dx, dweight)
