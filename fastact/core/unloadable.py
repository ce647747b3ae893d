"""Why the compiled modules could not be imported, and what to do."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path


def reason(file: str) -> str | None:
    """What is wrong with the folder of the package, of which `file` is a module.

    None where the modules are there, and for this Python: then the error itself says more.
    """
    here = Path(file).parent
    archive = next((folder for folder in here.parents if folder.is_file()), None)
    if archive:
        return (
            f"fastact was imported from the archive {archive}, and Python loads no compiled modules from an "
            "archive. Install the wheel with `pip install` instead of putting it on sys.path."
        )
    compiled = sorted(path.name for path in here.glob("_dispatch.*") if path.suffix in (".so", ".pyd"))
    if not compiled:
        return (
            f"fastact was imported from {here}, where its compiled kernels are missing: this is a source "
            "tree and Python found it before any installed fastact. Build into it with "
            "`pip install -e .`, or start Python from another directory to use the installed wheel."
        )
    if not any(name == f"_dispatch{suffix}" for name in compiled for suffix in EXTENSION_SUFFIXES):
        return (
            f"fastact was imported from {here}, whose compiled modules ({', '.join(compiled)}) are for "
            f"another Python or platform: this one loads names that end in {', '.join(EXTENSION_SUFFIXES)}. "
            "Install fastact with the `pip` of this Python, which takes the wheel that fits."
        )
    return None
