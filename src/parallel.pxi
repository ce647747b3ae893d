# The parallel loops: one per shape of work, over typed memoryviews of contiguous
# arrays. Each thread takes one contiguous share and runs the level's kernel on
# it. A share starts at a multiple of 64 elements, so that two threads never write
# to one cache line.

ctypedef fused real:
    float
    double

# What kernels of elements, rows and gates take beside these: the bits of half precision.
ctypedef fused stored:
    float
    double
    cnp.uint16_t


cdef inline Py_ssize_t share(Py_ssize_t size, int thread, int threads) noexcept nogil:
    return size if thread == threads else size // 64 * thread // threads * 64


cdef int forward(
    Forward kernel, const double* parameters,
    const stored[::1] x,                       # IN
    stored[::1] out,                           # OUT
    Py_ssize_t index, int threads,
) except -1:
    cdef Py_ssize_t size = x.shape[0], start
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        start = share(size, thread, threads)
        kernel(parameters, &x[start], &out[start], index + start, share(size, thread + 1, threads) - start)
    return 0


cdef int backward(
    Backward kernel, const double* parameters,
    const stored[::1] dy,                      # IN
    const stored[::1] saved,                   # IN
    stored[::1] out,                           # OUT
    Py_ssize_t index, int threads,
) except -1:
    cdef Py_ssize_t size = dy.shape[0], start
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        start = share(size, thread, threads)
        kernel(parameters, &dy[start], &saved[start], &out[start], index + start,
               share(size, thread + 1, threads) - start)
    return 0


cdef int parameter_gradient(
    ParameterGradient kernel, const double* parameters,
    const real[::1] dy,                      # IN
    const real[::1] x,                       # IN
    double[::1] partial,                     # OUT
    Py_ssize_t span, int threads,
) except -1:
    cdef Py_ssize_t units = partial.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(parameters, &dy[0], &x[0], &partial[0], dy.shape[0], span,
               units * thread // threads, units * (thread + 1) // threads)
    return 0


# Along an axis a share is a range of units (loops.hpp says which), and the kernel
# finds its elements itself.

cdef inline Py_ssize_t part(Py_ssize_t units, int thread, int threads) noexcept nogil:
    return units * thread // threads


cdef int rows_forward(
    RowsForward kernel, const double* parameters,
    const stored[::1] x,                       # IN
    stored[::1] out,                           # OUT
    Axis axis, Place place, int threads,
) except -1:
    cdef Py_ssize_t units = axis.outer * axis.inner
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(parameters, &x[0], &out[0], axis, place,
               part(units, thread, threads), part(units, thread + 1, threads))
    return 0


cdef int rows_backward(
    RowsBackward kernel, const double* parameters,
    const stored[::1] dy,                      # IN
    const stored[::1] y,                       # IN
    stored[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t units = axis.outer * axis.inner
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(parameters, &dy[0], &y[0], &out[0], axis, part(units, thread, threads), part(units, thread + 1, threads))
    return 0


# A row that all threads share goes through its phases, each of which ends when all are done.

cdef int row_forward(
    RowForward kernel, const double* parameters,
    const real[::1] x,                       # IN
    real[::1] out,                           # OUT
    Axis axis, Place place, int threads,
) except -1:
    cdef Py_ssize_t segments = (axis.length + segment - 1) // segment, row, start
    cdef Shared* shared = <Shared*>malloc(segments * sizeof(Shared))
    cdef int thread, phase
    if shared == NULL:
        raise MemoryError
    for row in range(axis.outer):
        start = row * axis.length
        for phase in range(3):
            for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
                kernel(parameters, &x[start], &out[start], axis.length,
                       Place(place.index + start * place.step, place.step), phase, shared,
                       part(segments, thread, threads), part(segments, thread + 1, threads))
    free(shared)
    return 0


cdef int row_backward(
    RowBackward kernel, const double* parameters,
    const real[::1] dy,                      # IN
    const real[::1] y,                       # IN
    real[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t segments = (axis.length + segment - 1) // segment, row, start
    cdef Shared* shared = <Shared*>malloc(segments * sizeof(Shared))
    cdef int thread, phase
    if shared == NULL:
        raise MemoryError
    for row in range(axis.outer):
        start = row * axis.length
        for phase in range(2):
            for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
                kernel(parameters, &dy[start], &y[start], &out[start], axis.length, phase, shared,
                       part(segments, thread, threads), part(segments, thread + 1, threads))
    free(shared)
    return 0


cdef int channels_forward(
    ChannelsForward kernel,
    const stored[::1] x,                       # IN
    const void* weight,                        # IN
    stored[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t units = x.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&x[0], weight, &out[0], axis, share(units, thread, threads), share(units, thread + 1, threads))
    return 0


cdef int channels_backward(
    ChannelsBackward kernel,
    const stored[::1] dy,                      # IN
    const stored[::1] x,                       # IN
    const void* weight,                        # IN
    stored[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t units = x.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&dy[0], &x[0], weight, &out[0], axis,
               share(units, thread, threads), share(units, thread + 1, threads))
    return 0


cdef int channels_gradient(
    ChannelsGradient kernel,
    const stored[::1] dy,                      # IN
    const stored[::1] x,                       # IN
    double[:, ::1] partial,                  # OUT
    Axis axis, Py_ssize_t index, Py_ssize_t span, int threads,
) except -1:
    cdef Py_ssize_t units = partial.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&dy[0], &x[0], &partial[0, 0], axis, index, dy.shape[0], span,
               part(units, thread, threads), part(units, thread + 1, threads))
    return 0


cdef int pieces_forward(
    PiecesForward kernel,
    const real[::1] x,                       # IN
    real[::1] out,                           # OUT
    int[::1] which,                          # OUT, or None
    Axis axis, Py_ssize_t pieces, int threads,
) except -1:
    cdef Py_ssize_t units = out.shape[0]
    cdef int* winners = NULL
    if which is not None:
        winners = &which[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&x[0], &out[0], winners, axis, pieces, share(units, thread, threads), share(units, thread + 1, threads))
    return 0


cdef int pieces_backward(
    PiecesBackward kernel,
    const real[::1] dy,                      # IN
    const real[::1] x,                       # IN, or None
    const int[::1] which,                    # IN, or None
    real[::1] out,                           # OUT
    Axis axis, Py_ssize_t pieces, int threads,
) except -1:
    cdef Py_ssize_t units = dy.shape[0]
    cdef const real* values = NULL
    cdef const int* winners = NULL
    if x is not None:
        values = &x[0]
    if which is not None:
        winners = &which[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&dy[0], values, winners, &out[0], axis, pieces,
               share(units, thread, threads), share(units, thread + 1, threads))
    return 0


cdef int gated_forward(
    GatedForward kernel,
    const stored[::1] x,                       # IN
    stored[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t units = out.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&x[0], &out[0], axis, share(units, thread, threads), share(units, thread + 1, threads))
    return 0


cdef int gated_backward(
    GatedBackward kernel,
    const stored[::1] dy,                      # IN
    const stored[::1] x,                       # IN
    stored[::1] out,                           # OUT
    Axis axis, int threads,
) except -1:
    cdef Py_ssize_t units = dy.shape[0]
    cdef int thread
    for thread in prange(threads, nogil=True, schedule="static", chunksize=1, num_threads=threads):
        kernel(&dy[0], &x[0], &out[0], axis, share(units, thread, threads), share(units, thread + 1, threads))
    return 0
