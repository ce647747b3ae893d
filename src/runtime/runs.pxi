# The short path of calls on numbers, and on arrays whose rows are contiguous: parts of matrices.

cdef extern from "numpy/arrayobject.h":
    object PyArray_Scalar(void*, cnp.dtype, object)

cdef enum:
    # Arrays of more elements than FEW in shorter runs are copied together instead, as any other layout.
    SHORTEST_RUN = 16
    FEW = 4096


cdef inline bint in_memory(object array) noexcept:
    """Whether a kernel can read the elements of an array where they lie."""
    return (
        type(array) is cnp.ndarray
        and dtype_of(<cnp.ndarray>array) != UNKNOWN
        and cnp.PyArray_ISBEHAVED_RO(<cnp.ndarray>array)
    )


cdef inline bint in_rows(object array) noexcept:
    """Whether it has rows whose elements lie side by side."""
    if not in_memory(array) or cnp.PyArray_NDIM(<cnp.ndarray>array) == 0:
        return False
    cdef int last = cnp.PyArray_NDIM(<cnp.ndarray>array) - 1
    return (
        cnp.PyArray_STRIDE(<cnp.ndarray>array, last) == cnp.PyArray_ITEMSIZE(<cnp.ndarray>array)
        or cnp.PyArray_DIM(<cnp.ndarray>array, last) == 1
    )


cdef inline bint rows_alike(object array, cnp.ndarray first) noexcept:
    return in_rows(array) and alike(<cnp.ndarray>array, first)


cdef inline int add_view(Runs* runs, cnp.ndarray array, Py_ssize_t elements, int place) noexcept:
    """One more array of a call, in runs of so many elements; its number."""
    runs.add(
        <const char*>cnp.PyArray_DATA(array), <const Py_ssize_t*>cnp.PyArray_STRIDES(array),
        elements * cnp.PyArray_ITEMSIZE(array), place)
    return runs.count - 1


cdef inline bint writable_rows(
    Runs* runs, int dims, cnp.ndarray like, Py_ssize_t run, bint joins, int outputs
) noexcept:
    """Whether a kernel can go through the arrays run by run; the last ones are written."""
    cdef int k, out
    if not runs.see(dims, <const Py_ssize_t*>cnp.PyArray_DIMS(like), run, joins):
        return False
    for k in range(runs.count):
        if not runs.in_order(k):
            return False
    for out in range(runs.count - outputs, runs.count):
        for k in range(out):
            if not runs.apart(k, out):
                return False
    return True


cdef object launch_runs(const Work* work, const Work* priced, Call* call, x, saved, residual, out):
    """As `launch_flat`, for arrays of one shape in rows; None where they are anything else."""
    cdef Runs runs
    cdef int dtype, dims
    if not in_rows(x):
        return None
    cdef cnp.ndarray first = <cnp.ndarray>x
    dtype, dims = dtype_of(first), cnp.PyArray_NDIM(first)
    if not (saved is None or rows_alike(saved, first)) or not (residual is None or rows_alike(residual, first)):
        return None
    call.size = cnp.PyArray_SIZE(first)
    if call.size == 0 or work.kernel[dtype] == NULL:
        return None
    if out is None:
        out = cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
    elif not rows_alike(out, first) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return None
    cdef Py_ssize_t length = cnp.PyArray_DIM(first, dims - 1)
    add_view(&runs, first, length, 0)
    if saved is not None:
        add_view(&runs, <cnp.ndarray>saved, length, 1)
    if residual is not None:
        add_view(&runs, <cnp.ndarray>residual, length, 4)
    add_view(&runs, <cnp.ndarray>out, length, INPUTS)
    if not writable_rows(&runs, dims - 1, first, length, True, 1):
        return None
    if runs.length < SHORTEST_RUN and call.size > FEW:
        return None
    runs.kernel = work.kernel[dtype]
    call.runs = &runs
    call.axis.outer, call.axis.length, call.axis.inner = 1, 1, call.size
    call.place.index, call.place.step = 0, 1
    run_runs(&elements_in_runs, priced, call, dtype)
    return out


cdef int read_number(object value, double* to) noexcept:
    """The dtype of a number, which is copied; UNKNOWN for what is none or has no dtype of ours."""
    cdef cnp.ndarray array
    cdef int dtype
    if PyFloat_CheckExact(value) or PyLong_CheckExact(value):
        to[0] = number_of(value)
        return UNKNOWN if PyLong_CheckExact(value) and to[0] != to[0] else FLOAT64
    if type(value) is cnp.ndarray:
        array = <cnp.ndarray>value
        if cnp.PyArray_NDIM(array) != 0 or not in_memory(array):
            return UNKNOWN
        memcpy(to, cnp.PyArray_DATA(array), cnp.PyArray_ITEMSIZE(array))
        return dtype_of(array)
    for dtype in range(BFLOAT16):
        if type(value) is SCALARS[dtype]:
            cnp.PyArray_ScalarAsCtype(value, to)
            return dtype
    return UNKNOWN


cdef tuple SCALARS = (float32, float64, float16)


cdef object launch_number(const Work* work, Call* call, first, saved):
    """A call without `out` on numbers, or arrays of no dimensions; None for anything else."""
    cdef double x = 0, kept = 0, result = 0
    cdef int dtype = read_number(first, &x)
    if dtype == UNKNOWN or work.kernel[dtype] == NULL:
        return None
    if saved is not None and read_number(saved, &kept) != dtype:
        return None
    call.size = 1
    call.axis.outer, call.axis.length, call.axis.inner = 1, 1, 1
    call.place.index, call.place.step = 0, 1
    call.inputs[0], call.inputs[1], call.outputs[0] = &x, &kept, &result
    work.kernel[dtype](call[0], 0, 1)
    if dtype == BFLOAT16:
        return PyArray_Scalar(&result, first.dtype, None)
    return PyArray_Scalar(&result, cnp.PyArray_DescrFromType(NUMBERS[dtype]), None)


cdef object as_one(object value):
    """An array of one element: a number, or what an array of no dimensions holds; None for anything else."""
    cdef double number = 0
    cdef cnp.npy_intp size = 1
    cdef int dtype = read_number(value, &number)
    if dtype == UNKNOWN:
        return None
    cdef int kind = cnp.PyArray_TYPE(<cnp.ndarray>value) if dtype == BFLOAT16 else NUMBERS[dtype]
    one = cnp.PyArray_EMPTY(1, &size, kind, 0)
    memcpy(cnp.PyArray_DATA(<cnp.ndarray>one), &number, cnp.PyArray_ITEMSIZE(<cnp.ndarray>one))
    return one


cdef inline object room_for_one(object out):
    """Where the result of a call on numbers goes, as an array of one element: `out`, seen so, or a new one."""
    return out.reshape(1) if plain(out) and cnp.PyArray_NDIM(<cnp.ndarray>out) == 0 else None


cdef object launch_added_number(const Entry* entry, Call* call, x, out, bias, axis, residual, dropout):
    """As `launch_added`, for numbers."""
    cdef object one = as_one(x), other = None, room = None
    if residual is not None:
        other = as_one(residual)
    if out is not None:
        room = room_for_one(out)
    # A bias that has an axis is an error here.
    if (
        one is None or (residual is not None and other is None) or (out is not None and room is None)
        or (type(bias) is cnp.ndarray and cnp.PyArray_NDIM(<cnp.ndarray>bias) > 0)
    ):
        return None
    result = launch_added(entry, call, one, room, bias, axis, other, dropout)
    if result is None:
        return None
    return result[0] if out is None else out


cdef object in_one_piece(object array):
    """An array as it is, if a kernel can run on it; a copy of one of few elements whose rows are in C order."""
    if plain(array):
        return array
    if not in_memory(array) or not lies_in_order(<cnp.ndarray>array):
        return None
    piece = cnp.PyArray_EMPTY(
        cnp.PyArray_NDIM(<cnp.ndarray>array), cnp.PyArray_DIMS(<cnp.ndarray>array),
        cnp.PyArray_TYPE(<cnp.ndarray>array), 0)
    copy_between(<cnp.ndarray>array, <cnp.ndarray>piece, False)
    return piece


cdef int copy_between(cnp.ndarray array, cnp.ndarray piece, bint back) except -1:
    """Copy an array to a contiguous one, or back; in rows it takes a third of NumPy's time."""
    cdef Runs runs
    cdef char* memory
    cdef int last = cnp.PyArray_NDIM(array) - 1
    if in_rows(array) and cnp.PyArray_SIZE(array) > 0:
        add_view(&runs, array, cnp.PyArray_DIM(array, last), 0)
        if runs.see(last, <const Py_ssize_t*>cnp.PyArray_DIMS(array), cnp.PyArray_DIM(array, last), True):
            memory = <char*>cnp.PyArray_DATA(piece)
            if cnp.PyArray_SIZE(array) <= FEW:
                copy_all(runs, memory, back)
            else:
                with nogil:
                    copy_all(runs, memory, back)
            return 0
    return cnp.PyArray_CopyInto(array, piece) if back else cnp.PyArray_CopyInto(piece, array)


cdef bint lies_in_order(cnp.ndarray array) noexcept:
    """Whether an array of at most a slab's elements has them in C order, no two in one place."""
    cdef Py_ssize_t least = cnp.PyArray_ITEMSIZE(array)
    cdef int i
    if cnp.PyArray_SIZE(array) > SLAB:
        return False
    for i in range(cnp.PyArray_NDIM(array) - 1, -1, -1):
        if cnp.PyArray_DIM(array, i) == 1:
            continue
        if cnp.PyArray_STRIDE(array, i) < least:
            return False
        least = cnp.PyArray_DIM(array, i) * cnp.PyArray_STRIDE(array, i)
    return True


cdef bint can_be_copied_to(object out, cnp.ndarray like) noexcept:
    """Whether a result of this shape and dtype can be copied to `out`, which is small."""
    return (
        in_memory(out) and alike(<cnp.ndarray>out, like) and lies_in_order(<cnp.ndarray>out)
        and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
    )


cdef object room_for(object out, cnp.ndarray like):
    """Where a kernel writes the result that goes to `out`: there, or into an array that is copied to it; or None."""
    if plain(out):
        return out
    if not can_be_copied_to(out, like):
        return None
    return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(like), cnp.PyArray_DIMS(like), cnp.PyArray_TYPE(like), 0)


cdef object brought_back(object room, object out):
    """`out`, with what was written to its room."""
    if room is not out:
        copy_between(<cnp.ndarray>out, <cnp.ndarray>room, True)
    return out


cdef int[3] NUMBERS
NUMBERS[FLOAT32], NUMBERS[FLOAT64], NUMBERS[FLOAT16] = cnp.NPY_FLOAT, cnp.NPY_DOUBLE, cnp.NPY_FLOAT16


# -- Gates -------------------------------------------------------------------------------------------

cdef int see_halves(Call* call, Runs* runs, Py_ssize_t outputs, Py_ssize_t length) except -1:
    call.runs = runs
    call.axis.outer, call.axis.length, call.axis.inner = outputs // length, length, 1
    call.place.index, call.place.step = 0, 1
    call.size = 2 * outputs
    return 0


cdef object launch_halves_in_runs(const Entry* entry, dy, x, axis, out, bias, bias_axis, dropout):
    """A gated call along the last axis on arrays in rows, backward where `dy` is given."""
    cdef Runs runs
    cdef Call call
    cdef Added added
    cdef double number
    cdef double left_out[2]
    cdef bint adds = bias is not None or dropout is not None
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef const Work* work = &entry.forward if dy is None else &entry.backward_x
    cdef int i
    if not in_rows(x) or not (dy is None or in_rows(dy)):
        return None
    cdef cnp.ndarray source = <cnp.ndarray>x, like = source if dy is None else <cnp.ndarray>dy
    cdef int dims = cnp.PyArray_NDIM(source), dtype = dtype_of(source)
    cdef Py_ssize_t length = cnp.PyArray_DIM(source, dims - 1) // 2
    if along(source, axis) != dims - 1 or 2 * length != cnp.PyArray_DIM(source, dims - 1) or not work.offered():
        return None
    for i in range(dims):
        shape[i] = cnp.PyArray_DIM(source, i) if i < dims - 1 else length
    if dy is not None and not shaped(like, source, shape):
        return None
    cdef Py_ssize_t outputs = cnp.PyArray_SIZE(source) // 2
    if outputs == 0 or (length < SHORTEST_RUN and outputs > FEW):
        return None
    if dy is not None:
        shape[dims - 1] = 2 * length
    if out is None:
        out = cnp.PyArray_EMPTY(dims, shape, cnp.PyArray_TYPE(source), 0)
    elif not in_rows(out) or not shaped(<cnp.ndarray>out, source, shape):
        return None
    elif not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return None
    if dy is not None:
        add_view(&runs, like, length, 0)
    add_view(&runs, source, 2 * length, 0 if dy is None else 1)
    add_view(&runs, <cnp.ndarray>out, shape[dims - 1], INPUTS)
    if not writable_rows(&runs, dims - 1, source, length, False, 1):
        return None
    call.parameters = NULL
    call.inputs[2] = call.inputs[3] = call.inputs[4] = call.outputs[1] = NULL
    runs.kernel = work.kernel[dtype]
    if adds:
        runs.kernel = to_gates.forward.kernel[dtype] if dy is None else to_gates.backward_y.kernel[dtype]
        added.kernel = work.kernel[computed_in(dtype)]
        if not read_dropout(dropout, &added, left_out, dtype):
            return None
        if bias is not None:
            bias = bias_of(source, bias, bias_axis, &call, &added, &number)
            if bias is None or bias_within(bias, out):
                return None
        bring_to(call, added)
    see_halves(&call, &runs, outputs, length)
    run_runs(&outputs_in_runs, work, &call, dtype)
    return out


cdef object bring_pair(
    const Work* work, cnp.ndarray a, tuple outputs, bias, bias_axis, dropout, Call* call, Added* added,
    double* left_out,
):
    """The biases of two arrays, which are in the call then; None for any but those that kernels take as they are."""
    cdef double number
    cdef int k, dtype = dtype_of(a)
    call.inputs[3] = call.inputs[4] = NULL
    added.axis.outer, added.axis.length, added.axis.inner = 1, 1, cnp.PyArray_SIZE(a)
    added.kernel = work.kernel[computed_in(dtype)]
    bring_to(call[0], added[0])
    if not read_dropout(dropout, added, left_out, dtype):
        return None
    if bias is None:
        return ()
    if type(bias) is not tuple or len(<tuple>bias) != 2:
        return None
    cdef list kept = []
    for k in range(2):
        one = (<tuple>bias)[1 - k]
        call.inputs[3] = NULL
        if one is not None:
            one = bias_of(a, one, bias_axis, call, added, &number)
            # A number is one for both only where the other is one, too.
            if type(one) is not cnp.ndarray or cnp.PyArray_SIZE(<cnp.ndarray>one) != cnp.PyArray_DIM(
                a, along(a, bias_axis)
            ):
                return None
            for out in outputs:
                if out is not None and (not in_memory(out) or bias_within(one, out)):
                    return None
            kept.append(one)
        if k == 0:
            call.inputs[4] = call.inputs[3]
    # `bias_of` has the axis of the last one that it saw.
    if kept:
        split(&added.axis, cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), along(a, bias_axis))
    return kept


cdef object launch_pair(const Entry* entry, a, gate, axis, out, bias, bias_axis, dropout):
    """A gated call on two arrays of one shape, in rows or contiguous."""
    cdef Runs runs
    cdef Call call
    cdef Added added
    cdef double left_out[2]
    cdef bint adds = bias is not None or dropout is not None
    if not in_rows(a) or not rows_alike(gate, <cnp.ndarray>a):
        return None
    cdef cnp.ndarray first = <cnp.ndarray>a, second = <cnp.ndarray>gate
    cdef int dims = cnp.PyArray_NDIM(first), dtype = dtype_of(first)
    cdef Py_ssize_t length = cnp.PyArray_DIM(first, dims - 1), outputs = cnp.PyArray_SIZE(first)
    if outputs == 0 or along(first, axis) < 0 or not entry.forward.offered():
        return None
    if out is None:
        out = cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(first), cnp.PyArray_TYPE(first), 0)
    elif not rows_alike(out, first) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return None
    add_view(&runs, first, length, 0)
    add_view(&runs, second, length, 2)
    add_view(&runs, <cnp.ndarray>out, length, INPUTS)
    if not writable_rows(&runs, dims - 1, first, length, True, 1) or (runs.length < SHORTEST_RUN and outputs > FEW):
        return None
    call.parameters = NULL
    call.outputs[1] = NULL
    runs.kernel = to_gates.forward.kernel[dtype] if adds else entry.forward.kernel[dtype]
    if adds:
        bias = bring_pair(&entry.forward, first, (out,), bias, bias_axis, dropout, &call, &added, left_out)
        if bias is None:
            return None
    see_halves(&call, &runs, outputs, runs.length)
    run_runs(&outputs_in_runs, &entry.forward, &call, dtype)
    return out


cdef object launch_pair_backward(const Entry* entry, dy, a, gate, axis, out, bias, bias_axis, dropout):
    """The gradients of both arrays, as `launch_pair`."""
    cdef Runs runs
    cdef Call call
    cdef Added added
    cdef double left_out[2]
    cdef bint adds = bias is not None or dropout is not None
    if not in_rows(a) or not rows_alike(gate, <cnp.ndarray>a) or not rows_alike(dy, <cnp.ndarray>a):
        return None
    cdef cnp.ndarray first = <cnp.ndarray>a
    cdef int dims = cnp.PyArray_NDIM(first), dtype = dtype_of(first), number = cnp.PyArray_TYPE(first)
    cdef Py_ssize_t length = cnp.PyArray_DIM(first, dims - 1), outputs = cnp.PyArray_SIZE(first)
    if outputs == 0 or along(first, axis) < 0 or not entry.backward_x.offered():
        return None
    if out is None:
        out = (
            cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(first), number, 0),
            cnp.PyArray_EMPTY(dims, cnp.PyArray_DIMS(first), number, 0),
        )
    elif not isinstance(out, tuple) or len(out) != 2:
        return None
    da, db = out
    if not rows_alike(da, first) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>da):
        return None
    if not rows_alike(db, first) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>db) or da is db:
        return None
    add_view(&runs, <cnp.ndarray>dy, length, 0)
    add_view(&runs, first, length, 1)
    add_view(&runs, <cnp.ndarray>gate, length, 2)
    add_view(&runs, <cnp.ndarray>da, length, INPUTS)
    add_view(&runs, <cnp.ndarray>db, length, INPUTS + 1)
    if not writable_rows(&runs, dims - 1, first, length, True, 2) or (runs.length < SHORTEST_RUN and outputs > FEW):
        return None
    if cnp.PyArray_DATA(<cnp.ndarray>da) == cnp.PyArray_DATA(<cnp.ndarray>db):
        return None
    call.parameters = NULL
    runs.kernel = to_gates.backward_y.kernel[dtype] if adds else entry.backward_x.kernel[dtype]
    if adds:
        bias = bring_pair(&entry.backward_x, first, out, bias, bias_axis, dropout, &call, &added, left_out)
        if bias is None:
            return None
    see_halves(&call, &runs, outputs, runs.length)
    run_runs(&outputs_in_runs, &entry.backward_x, &call, dtype)
    return out


cdef object numbers_as_biases(object bias, int dtype):
    """The biases of a pair of numbers as arrays of one element; None for anything else."""
    cdef cnp.npy_intp size = 1
    cdef double number
    cdef list biases = []
    if not is_pair(bias):
        return None
    for one in <tuple>bias:
        if one is None:
            biases.append(None)
            continue
        number = number_of(float(one) if is_numpys_number(one) else one)
        if number != number:
            return None
        array = cnp.PyArray_EMPTY(1, &size, cnp.NPY_DOUBLE if dtype == FLOAT64 else cnp.NPY_FLOAT, 0)
        if dtype == FLOAT64:
            (<double*>cnp.PyArray_DATA(<cnp.ndarray>array))[0] = number
        else:
            (<float*>cnp.PyArray_DATA(<cnp.ndarray>array))[0] = <float>number
        biases.append(array)
    return tuple(biases)


cdef object launch_any_pair(const Entry* entry, a, gate, axis, out, bias, bias_axis, dropout):
    """As `launch_pair`, for numbers too, which no axis matters to."""
    result = launch_pair(entry, a, gate, axis, out, bias, bias_axis, dropout)
    if result is not None or out is not None:
        return result
    a, gate = as_one(a), as_one(gate)
    if a is None or gate is None:
        return None
    if bias is not None:
        bias = numbers_as_biases(bias, dtype_of(<cnp.ndarray>a))
        if bias is None:
            return None
    result = launch_pair(entry, a, gate, -1, None, bias, -1, dropout)
    return None if result is None else result[0]


cdef object launch_any_pair_backward(const Entry* entry, dy, a, gate, axis, out, bias, bias_axis, dropout):
    result = launch_pair_backward(entry, dy, a, gate, axis, out, bias, bias_axis, dropout)
    if result is not None or out is not None:
        return result
    dy, a, gate = as_one(dy), as_one(a), as_one(gate)
    if dy is None or a is None or gate is None:
        return None
    if bias is not None:
        bias = numbers_as_biases(bias, dtype_of(<cnp.ndarray>a))
        if bias is None:
            return None
    result = launch_pair_backward(entry, dy, a, gate, -1, None, bias, -1, dropout)
    return None if result is None else (result[0][0], result[1][0])


cdef inline bint is_pair(object given) noexcept:
    return type(given) is tuple and len(<tuple>given) == 2


cdef bint disjoint_views(object a, object b) noexcept:
    """Whether two arrays of one shape in rows share no memory, as the halves of a matrix."""
    cdef Runs runs
    cdef int last
    if not in_rows(a) or not rows_alike(b, <cnp.ndarray>a):
        return False
    last = cnp.PyArray_NDIM(<cnp.ndarray>a) - 1
    add_view(&runs, <cnp.ndarray>a, cnp.PyArray_DIM(<cnp.ndarray>a, last), 0)
    add_view(&runs, <cnp.ndarray>b, cnp.PyArray_DIM(<cnp.ndarray>a, last), INPUTS)
    return (
        writable_rows(&runs, last, <cnp.ndarray>a, cnp.PyArray_DIM(<cnp.ndarray>a, last), True, 1)
        and cnp.PyArray_DATA(<cnp.ndarray>a) != cnp.PyArray_DATA(<cnp.ndarray>b)
    )


cdef bint fits_beside(object room, cnp.ndarray like, tuple inputs, tuple biases) noexcept:
    """Whether a kernel can write to a contiguous array, beside what it reads."""
    if not alike(<cnp.ndarray>room, like) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>room):
        return False
    for array in inputs:
        if not apart(<cnp.ndarray>array, <cnp.ndarray>room):
            return False
    for one in biases:
        if one is not None and not disjoint(<cnp.ndarray>one, <cnp.ndarray>room):
            return False
    return True
