# The one way from a call to its kernel, on one thread or shared among several.

ctypedef fused stored:
    float
    double
    cnp.uint16_t  # the bits of half precision

# Below this many elements, releasing the GIL costs more than it gives.
cdef Py_ssize_t GIL_SIZE = 2048


cdef int share(
    Kernel kernel, Call* call, const Plan* plan,
    const stored[::1] first,                   # IN
    const stored[::1] saved,                   # IN, or None
    stored[::1] out,                           # OUT, or None
) except -1:
    """Run a kernel on all threads of the plan, each on its share, stage after stage."""
    cdef Py_ssize_t stage
    cdef int thread, threads = plan.threads
    call.inputs[0] = &first[0]
    if saved is not None:
        call.inputs[1] = &saved[0]
    if out is not None:
        call.outputs[0] = &out[0]
    for stage in range(plan.stages):
        call.stage = stage
        for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
            kernel(call[0], plan.bound(thread), plan.bound(thread + 1))
    return 0


cdef int run(const Work* work, Call* call, int dtype, cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out) except -1:
    """Run a call on contiguous arrays of one dtype; `saved` and `out` may be None. All else is in the call."""
    cdef Kernel kernel = work.kernel[dtype]
    cdef Py_ssize_t units
    cdef Plan how
    call.inputs[0] = cnp.PyArray_DATA(first)
    if saved is not None:
        call.inputs[1] = cnp.PyArray_DATA(saved)
    if out is not None:
        call.outputs[0] = cnp.PyArray_DATA(out)
    call.segments = NULL
    if call.size > sample_size:
        how = plan(work[0], dtype, call[0])
        if how.threads > 1:
            return run_shared(kernel, call, &how, dtype, first, saved, out)
    units = work.count(call[0])
    if call.size < GIL_SIZE:
        kernel(call[0], 0, units)
    else:
        with nogil:
            kernel(call[0], 0, units)
    return 0


cdef int run_shared(
    Kernel kernel, Call* call, const Plan* how, int dtype, cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out
) except -1:
    if how.stages > 1:
        call.segments = <Segment*>malloc(how.units * sizeof(Segment))
        if call.segments == NULL:
            raise MemoryError
    try:
        if dtype == FLOAT32:
            share[float](kernel, call, how, flat(first), flat(saved), flat(out))
        elif dtype == FLOAT64:
            share[double](kernel, call, how, flat(first), flat(saved), flat(out))
        else:
            share[cnp.uint16_t](kernel, call, how, flat_bits(first), flat_bits(saved), flat_bits(out))
    finally:
        free(call.segments)
    return 0
