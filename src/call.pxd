# The Cython face of call.hpp and of the plan of a call.

cdef extern from "call.hpp" namespace "fastact" nogil:
    struct Axis:
        Py_ssize_t outer, length, inner
    struct Place:
        Py_ssize_t index, step
    struct Segment:
        pass
    Py_ssize_t segment, longest_half_row
    cppclass Call:
        const double* parameters
        const void* inputs "in"[3]
        void* outputs "out"[2]
        Axis axis
        Place place
        Py_ssize_t size, group, stage
        Segment* segments
    ctypedef void (*Kernel)(const Call&, Py_ssize_t, Py_ssize_t) noexcept nogil
    cppclass Work:
        Kernel kernel[4]
        bint offered() noexcept
        Py_ssize_t count(const Call&) noexcept
    cppclass Entry:
        Work forward, backward_x, backward_y, gradient
    cppclass Table:
        const Entry* named(const char*)

cdef extern from "runtime/plan.hpp" namespace "fastact" nogil:
    Py_ssize_t sample_size
    int current_threads() noexcept
    void watch_forks() noexcept
    void set_count "fastact::set_process_threads" (int) noexcept
    int exchange_scoped_threads(int) noexcept
    cppclass Plan:
        int threads
        Py_ssize_t units, stages
        Py_ssize_t bound(int) noexcept
    Plan plan(const Work&, int, const Call&) noexcept
    cppclass CheckedParameters "fastact::Checked<3>":
        bint equal(const double*, int) noexcept
        void keep(const double*, int) noexcept
