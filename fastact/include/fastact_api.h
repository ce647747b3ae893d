/* How a C or C++ program finds fastact's functions. Include fastact.h, which has their prototypes, and not this.
 *
 * fastact hands out one struct, in the capsule fastact._c_api: a list of functions by name and signature. Nothing of
 * it is moved or taken away: the struct and the list grow at their ends, a name keeps its signature, and FASTACT_API
 * counts the struct's fields as they were added.
 *
 * What includes fastact.h has Python's headers, unless FASTACT_WITHOUT_PYTHON is defined before: then the struct comes
 * from whoever has Python, by fastact_use(). Every file that is compiled finds its functions for itself.
 */
#ifndef FASTACT_API_H
#define FASTACT_API_H

#ifndef FASTACT_WITHOUT_PYTHON
#include <Python.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FASTACT_API 1

/* How many functions fastact.h has. */
#ifndef FASTACT_FUNCTIONS
#define FASTACT_FUNCTIONS 0
#endif

/* Any function; it is cast to what its signature says before it is called. */
typedef void (*fastact_function)(void);

typedef struct {
    const char *name;      /* "silu_backward_f32" */
    const char *signature; /* "void (const float *, const float *, float *, ptrdiff_t)" */
    fastact_function function;
} fastact_entry;

typedef struct {
    int version; /* FASTACT_API of the fastact that runs */
    int count;   /* of the entries */
    const fastact_entry *entries;
    const char *level; /* CPU level of the kernels behind the functions: "v3" */
} fastact_api;

static const fastact_api *fastact_used;

/* The function of that name and signature, or NULL. */
static inline fastact_function fastact_find(const fastact_api *api, const char *name, const char *signature) {
    int i;
    for (i = 0; i < api->count; ++i)
        if (strcmp(api->entries[i].name, name) == 0)
            return strcmp(api->entries[i].signature, signature) == 0 ? api->entries[i].function : NULL;
    return NULL;
}

/* Calls from this file use this struct. 0, or -1 where it lacks functions that this file was compiled with. */
static inline int fastact_use(const fastact_api *api) {
    if (api->version < FASTACT_API || api->count < FASTACT_FUNCTIONS) return -1;
    fastact_used = api;
    return 0;
}

#ifndef FASTACT_WITHOUT_PYTHON
/* Imports fastact, in the initialisation of a module. 0, or -1 with a Python exception set. A file that does not call
 * it imports fastact with the first function it calls, which ends the process where that fails. */
static inline int fastact_import(void) {
    const fastact_api *api = (const fastact_api *)PyCapsule_Import("fastact._c_api", 0);
    if (api == NULL) return -1;
    if (fastact_use(api) == 0) return 0;
    PyErr_Format(PyExc_ImportError,
                 "this module was compiled with %d functions of fastact; the one that is installed has %d",
                 FASTACT_FUNCTIONS, api->count);
    return -1;
}
#endif

/* Not for use outside fastact.h: the function, or the end of the process. */
static inline fastact_function fastact_needed(const char *name, const char *signature) {
    fastact_function function = NULL;
#ifndef FASTACT_WITHOUT_PYTHON
    if (fastact_used == NULL) {
        PyGILState_STATE state = PyGILState_Ensure();
        if (fastact_import() != 0) PyErr_Print();
        PyGILState_Release(state);
    }
#endif
    if (fastact_used != NULL) function = fastact_find(fastact_used, name, signature);
    if (function == NULL) {
        fprintf(stderr, "fastact.h: there is no %s %s\n", name,
                fastact_used ? signature : "before fastact is imported");
        abort();
    }
    return function;
}

#endif
