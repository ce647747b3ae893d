"""The files that the build writes for compiled callers, from the catalog: fastact.h and the package's .pxd.

Nothing of it is checked in, and `tests/compiled` holds that what lies in the package
is what the catalog says. Run as a script it writes them without a build:

    python tools/headers.py
"""

from __future__ import annotations

from typing import Any

from source_catalog import catalog_of, write

HEADER = """\
/* fastact's functions for C and C++: {count} of them, written by the build from the catalog.
 *
 * Each computes on the thread that calls it, on contiguous memory, with the results of the array call in
 * Python to the bit. A result may be written where an input lies, never across its beginning or end. Half
 * precision is uint16_t. Of rows and gates `length` is that of a row of the result. Parameters are not
 * checked.
 *
 * A function is looked for at its first call; threads that look at once find the same.
 */
#ifndef FASTACT_H
#define FASTACT_H

#define FASTACT_FUNCTIONS {count}
#include "fastact_api.h"
{functions}
#endif
"""

WRAPPER = """
static inline {result} fastact_{name}({arguments}) {{
    typedef {result} (*function)({types});
    static function found;
    if (found == NULL) found = (function)fastact_needed("{name}", "{signature}");
    {call};
}}
"""

DECLARATIONS = '''\
"""fastact's functions for Cython, written by the build from the catalog: see docs/compiled.md.

A module that cimports them is compiled with fastact.get_include() among its include_dirs.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint16_t


cdef extern from "fastact.h":
    int import_fastact "fastact_import" () except -1


cdef extern from "fastact.h" nogil:
{functions}
'''


def texts(catalog: Any) -> dict[str, str]:
    """What belongs into the files, by their place in the package."""
    offered = [function for row in catalog.rows for function in catalog.functions(row)]
    wrappers, lines = "".join(map(_wrapper, offered)), "\n".join(map(_declaration, offered))
    return {
        "include/fastact.h": HEADER.format(count=len(offered), functions=wrappers),
        "__init__.pxd": DECLARATIONS.format(functions=lines),
    }


def _wrapper(function: Any) -> str:
    call = f"found({', '.join(name for _, name in function.arguments)})"
    return WRAPPER.format(
        name=function.name,
        result=function.result,
        arguments=_arguments(function),
        types=", ".join(kind for kind, _ in function.arguments),
        signature=function.signature,
        call=call if function.result == "void" else f"return {call}",
    )


def _declaration(function: Any) -> str:
    named = f'{function.name} "fastact_{function.name}"'
    return f"    {function.result} {named}({_arguments(function)}) noexcept"


def _arguments(function: Any) -> str:
    return ", ".join(f"{kind} {name}".replace("* ", "*") for kind, name in function.arguments)


if __name__ == "__main__":
    write(texts(catalog_of()))
