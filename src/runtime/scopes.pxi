# Thread counts of a context: tasks, generators and threads have their own.


cdef class Scope:
    """A thread count that holds while it is active."""

    cdef readonly int count
    cdef public bint active

    def __init__(self, int count):
        self.count = count
        self.active = True


# The scopes that were entered in a context, the last one innermost. Each is left by itself, in any order and
# from anywhere, so none brings back what another one found.
scopes = ContextVar("fastact.num_threads", default=())
cdef object scopes_here = scopes


cdef int scoped_threads() except -1:
    """What the context says, 0 where it says nothing."""
    cdef tuple entered = get_value(scopes_here)
    cdef Py_ssize_t i
    for i in range(len(entered) - 1, -1, -1):
        if (<Scope>entered[i]).active:
            return (<Scope>entered[i]).count
    return 0
