# The Cython face of call.hpp and of the plan of a call.

cdef extern from "call.hpp" namespace "fastact" nogil:
    struct Twofold:
        pass
    struct Axis:
        Py_ssize_t outer, length, inner
    struct Place:
        Py_ssize_t index, step
    struct Segment:
        double largest
        Twofold total, count
    struct Passing:
        pass
    Py_ssize_t segment, longest_half_row, rows_at_once
    Py_ssize_t segments_of(Py_ssize_t) noexcept
    Py_ssize_t positions_of(Axis) noexcept
    cppclass Call
    cppclass Runs
    ctypedef void (*Kernel)(const Call&, Py_ssize_t, Py_ssize_t) noexcept nogil
    struct Added:
        Kernel kernel, dropout
        Axis axis, weights
        const double* left_out
    cppclass Call:
        const double* parameters
        const void* inputs "in"[5]
        void* outputs "out"[3]
        Axis axis
        Place place
        Py_ssize_t size, group, stage
        Segment* segments
        const Py_ssize_t* rows
        const Added* added
        const Runs* runs
        Passing passing
    ctypedef void (*Function)() noexcept nogil
    ctypedef Function (*Functions)(int) noexcept
    cppclass Work:
        Kernel kernel[4]
        int phases
        bint long_halves
        Function function(int) noexcept
        bint offered() noexcept
        bint in_stages(int, Axis) noexcept
        Py_ssize_t count(const Call&) noexcept
    cppclass Entry:
        const char* name
        Work forward, backward_x, backward_y, gradient, biased
        int parameters
        Functions scalar, scalar_bound
    cppclass Table:
        const Entry* named(const char*)

cdef extern from "ranges.hpp" namespace "fastact" nogil:
    Py_ssize_t range_of(Axis, Py_ssize_t) noexcept
    Py_ssize_t sums_of(Axis, bint) noexcept
    void add_ranges(const double*, Py_ssize_t, Py_ssize_t, bint, double*) noexcept
    double total_of(const double*, Py_ssize_t, Py_ssize_t) noexcept
    Py_ssize_t rows_of_bundle(Py_ssize_t, Py_ssize_t) noexcept
    bint takes_whole_channels(Axis) noexcept
    Py_ssize_t channel_range(Axis) noexcept
    Py_ssize_t rows_side_by_side(Axis) noexcept
    Py_ssize_t chained_rows

cdef extern from "runtime/moments.hpp" namespace "fastact" nogil:
    Py_ssize_t kept_moments
    struct Numbers:
        const void* data
        bint wide
        double otherwise
    Py_ssize_t samples_of(Py_ssize_t) noexcept
    void take_samples[T](const T*, const T*, Axis, T*) noexcept
    void set_centres[T](const T*, Py_ssize_t, Py_ssize_t, T*) noexcept
    bint move_centres[T](T*, char*, Py_ssize_t, const double*, double, double, double*) noexcept
    bint any_scaled[T](const T*, Py_ssize_t) noexcept
    void set_forms[T](T*, Py_ssize_t, const double*, Numbers, Numbers) noexcept
    void set_running_forms[T](T*, Py_ssize_t, Numbers, Numbers, double, Numbers, Numbers, double*) noexcept
    void set_distances[T](T*, Py_ssize_t, const double*, Py_ssize_t) noexcept
    void set_gradients[T](
        T*, Py_ssize_t, const double*, Py_ssize_t, Numbers, const double*, double, double*) noexcept

cdef extern from "runtime/runs.hpp" namespace "fastact" nogil:
    cppclass Runs:
        Kernel kernel
        Py_ssize_t length
        int count, dims
        Py_ssize_t steps[6][6]
        void add(const char*, const Py_ssize_t*, Py_ssize_t, int) noexcept
        bint see(int, const Py_ssize_t*, Py_ssize_t, bint) noexcept
        bint in_order(int) noexcept
        bint apart(int, int) noexcept
    void copy_all(const Runs&, char*, bint) noexcept
    Work elements_in_runs, outputs_in_runs

cdef extern from "fastact_api.h" nogil:
    int FASTACT_API
    ctypedef struct fastact_entry:
        const char* name
        const char* signature
        Function function
    ctypedef struct fastact_api:
        int version, count
        const fastact_entry* entries
        const char* level

cdef extern from "runtime/threads.hpp" namespace "fastact" nogil:
    void set_process_threads "fastact::process_threads.store" (int) noexcept
    int available_threads(int) noexcept
    cppclass Processors:
        void add(int)
    void settle_in(const Processors&, bint)

cdef extern from "runtime/team.hpp" namespace "fastact" nogil:
    bint own_threads "FASTACT_TEAM"
    int workers(int) noexcept

cdef extern from "runtime/plan.hpp" namespace "fastact" nogil:
    void set_judged "fastact::judged.store" (bint) noexcept
    bint one_thread_will_do(const Work&, int, Py_ssize_t) noexcept
    cppclass Plan:
        int threads
        Py_ssize_t units, stages
        void see(const Work&, const Work&, int, Call&, bint) noexcept
        bint shares(const Work&, const Work&, int, const Call&, int) noexcept
        bint tries_alone(const Work&, const Call&) noexcept
        void begin_stage() noexcept
        void reduce(int) noexcept
        void end() noexcept
    void take_part(Kernel, const Call&, Plan&, int) noexcept

cdef extern from "runtime/passing.hpp" namespace "fastact" nogil:
    void fix_ways "fastact::choices.fixed.store" (int) noexcept
    cppclass Choice:
        int chosen() const
        int ways() const
        float loss(int) const
    const Choice* known_choice "fastact::choices.known" (const Work&, int, Py_ssize_t, int) noexcept
    int trials "fastact::Choice::trials"

cdef extern from "runtime/checked.hpp" namespace "fastact" nogil:
    cppclass CheckedParameters "fastact::Checked<3>":
        bint equal(const double*, int) noexcept
        void keep(const double*, int) noexcept
