# What compiled callers are given: the struct of fastact_api.h, in a capsule.

def c_api(list functions, bytes level):
    """The capsule of these functions, each (name, signature, address); they stay for the life of the process."""
    cdef fastact_api* api = <fastact_api*>malloc(sizeof(fastact_api))
    cdef fastact_entry* entries = <fastact_entry*>malloc(len(functions) * sizeof(fastact_entry))
    cdef bytes name, signature
    cdef uintptr_t address
    cdef int i
    if api == NULL or entries == NULL:
        raise MemoryError
    for i, (name, signature, address) in enumerate(functions):
        entries[i].name, entries[i].signature, entries[i].function = name, signature, <Function>address
    api.version, api.count, api.entries, api.level = FASTACT_API, len(functions), entries, level
    handed_out.append((functions, level))
    return PyCapsule_New(api, "fastact._c_api", NULL)


handed_out = []
"""The texts that the structs point to."""
