# The one way from a call to its kernel, on one thread or shared among several.

ctypedef fused stored:
    float
    double
    cnp.uint16_t  # the bits of half precision

# Below this many elements, releasing the GIL costs more than it gives.
cdef Py_ssize_t GIL_SIZE = 2048

# Arrays that come from a cache are neither asked for nor streamed.
cdef Passing in_cache


cdef int share(
    Kernel kernel, Call* call, Plan* plan,
    const stored[::1] first,                   # IN, or None where the call has it
    const stored[::1] saved,                   # IN, or None
    stored[::1] out,                           # OUT, or None
) except -1:
    """Run a kernel on all threads of the plan, each on its share, stage after stage."""
    cdef Py_ssize_t stage
    cdef int thread, threads = plan.threads
    if first is not None:
        call.inputs[0] = &first[0]
    if saved is not None:
        call.inputs[1] = &saved[0]
    if out is not None:
        call.outputs[0] = &out[0]
    with nogil:
        for stage in range(plan.stages):
            call.stage = stage
            plan.begin_stage()
            for thread in prange(threads, schedule="static", chunksize=1, num_threads=threads):
                take_part(kernel, call[0], plan[0], thread)
    return 0


cdef int run(const Work* work, Call* call, int dtype, cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out) except -1:
    """Run a call on contiguous arrays of one dtype; `saved` and `out` may be None. All else is in the call."""
    return run_priced(work, work, call, dtype, first, saved, out)


cdef int run_priced(
    const Work* work, const Work* priced, Call* call, int dtype,
    cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out,
) except -1:
    """As `run`, at the cost of another work: what a kernel brings arrays to."""
    call.inputs[0] = cnp.PyArray_DATA(first)
    if saved is not None:
        call.inputs[1] = cnp.PyArray_DATA(saved)
    if out is not None:
        call.outputs[0] = cnp.PyArray_DATA(out)
    call.segments = NULL
    call.passing = in_cache
    if one_thread_will_do(priced[0], dtype, call.size):
        return run_alone(work, call, dtype)
    return run_planned(work, priced, call, dtype, first, saved, out)


cdef int run_runs(const Work* work, const Work* priced, Call* call, int dtype) except -1:
    """As `run_priced` for arrays that are in the call alone, in runs."""
    call.segments = NULL
    call.passing = in_cache
    if one_thread_will_do(priced[0], dtype, call.size):
        return run_alone(work, call, dtype)
    return run_planned(work, priced, call, dtype, None, None, None)


cdef int run_planned(
    const Work* work, const Work* priced, Call* call, int dtype,
    cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out,
) except -1:
    cdef Plan plan
    cdef int available = available_threads(scoped_threads())
    cdef bint in_place
    if first is not None:
        # Arrays in runs are not gone through as a whole.
        in_place = shares_place(call.outputs[0], call.inputs[0], call.inputs[1], saved is None)
        plan.see(work[0], priced[0], dtype, call[0], in_place)
    if available > 1 and plan.shares(work[0], priced[0], dtype, call[0], available) and find_workers(&plan):
        run_shared(work.kernel[dtype], call, &plan, dtype, first, saved, out)
    elif plan.tries_alone(work[0], call[0]):
        with nogil:
            take_part(work.kernel[dtype], call[0], plan, 0)
    else:
        run_alone(work, call, dtype)
    plan.end()
    return 0


cdef inline bint shares_place(const void* out, const void* first, const void* saved, bint alone) noexcept:
    """Whether results go where an input is; `alone`: there is no saved one."""
    return out == first or (not alone and out == saved)


cdef int run_alone(const Work* work, Call* call, int dtype) except -1:
    cdef Py_ssize_t units = work.count(call[0])
    if call.size < GIL_SIZE:
        work.kernel[dtype](call[0], 0, units)
    elif work.in_stages(dtype, call.axis):
        run_in_stages(work, call, dtype)
    else:
        with nogil:
            work.kernel[dtype](call[0], 0, units)
    return 0


cdef int run_in_stages(const Work* work, Call* call, int dtype) except -1:
    """On the calling thread, what several would do in stages."""
    cdef Py_ssize_t stage, units = segments_of(call.axis.length)
    call.segments = <Segment*>malloc(units * sizeof(Segment))
    if call.segments == NULL:
        raise MemoryError
    with nogil:
        for stage in range(call.axis.outer * work.phases):
            call.stage = stage
            work.kernel[dtype](call[0], 0, units)
    free(call.segments)
    return 0


cdef bint find_workers(Plan* plan) except -1:
    """Whether there are threads for the plan, of which the system may give fewer."""
    global shortage
    cdef int got = 1 + workers(plan.threads - 1)
    if got < plan.threads and shortage is None:
        shortage = (
            f"the system gives fastact {got} of the {plan.threads} threads that a call asked for"
            " (a limit of processes or memory?): it computes on these"
        )
        if not steps_taken:
            tell_shortage()
    plan.reduce(got)
    return plan.threads > 1


# What is to be said of missing threads, and said once: before a call writes, or after all of its steps.
cdef object shortage = None
cdef bint told = False
cdef int steps_taken = 0


cdef int tell_shortage() except -1:
    global told
    if shortage is not None and not told:
        told = True
        warnings.warn(shortage, RuntimeWarning, stacklevel=2)
    return 0


cdef int run_shared(
    Kernel kernel, Call* call, Plan* plan, int dtype, cnp.ndarray first, cnp.ndarray saved, cnp.ndarray out
) except -1:
    if plan.stages > 1:
        call.segments = <Segment*>malloc(plan.units * sizeof(Segment))
        if call.segments == NULL:
            raise MemoryError
    try:
        if dtype == FLOAT32:
            share[float](kernel, call, plan, flat(first), flat(saved), flat(out))
        elif dtype == FLOAT64:
            share[double](kernel, call, plan, flat(first), flat(saved), flat(out))
        else:
            share[cnp.uint16_t](kernel, call, plan, flat_bits(first), flat_bits(saved), flat_bits(out))
    finally:
        free(call.segments)
    return 0
