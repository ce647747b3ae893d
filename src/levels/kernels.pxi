# One CPU level's kernels: this file is compiled once per level, each time with
# that level's instruction set, and offers nothing but the table of its kernels.

from cpython.pycapsule cimport PyCapsule_New

cdef extern from "declarations.hpp" namespace "fastact" nogil:
    cppclass Table:
        pass
    const Table table

capsule = PyCapsule_New(<void*>&table, "fastact.table", NULL)
