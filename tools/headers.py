"""The files that the build writes for compiled callers, from the catalog: fastact.h and the package's .pxd.

The build calls `write`; nothing of it is checked in, and `tests/compiled` holds that what lies in the package
is what the catalog says. Run as a script it writes them without a build:

    python tools/headers.py
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parents[1] / "fastact"

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


def catalog_of_sources() -> ModuleType:
    """The catalog beside this file: the package cannot be imported before its modules are built."""
    folder, name = PACKAGE / "catalog", "catalog_of_the_sources"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(catalog: ModuleType) -> dict[str, str]:
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


def write() -> None:
    """Write them where they are not as they should be."""
    for place, text in texts(catalog_of_sources()).items():
        path = PACKAGE / place
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    write()
