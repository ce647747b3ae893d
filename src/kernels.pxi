# One CPU level's kernels: this file is compiled once per level, each time with
# that level's instruction set, and offers nothing but the table of its kernels.

from cpython.pycapsule cimport PyCapsule_New

cdef extern from "declarations.hpp" namespace "fastact" nogil:
    cppclass Tables:
        pass
    const Tables tables

capsule = PyCapsule_New(<void*>&tables, "fastact.tables", NULL)
