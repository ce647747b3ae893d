"""The catalog of a source tree, loaded by itself: the package needs what is about to be built."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parents[1] / "fastact"


def catalog_of(package: Path = PACKAGE) -> ModuleType:
    """The catalog of a package that need not be built."""
    name = "fastact_catalog"
    spec = importlib.util.spec_from_file_location(name, package / "catalog" / "__init__.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
            del sys.modules[loaded]
    return module


def write(texts: dict[str, str]) -> None:
    """Write the files of the package that are not as they should be; others keep their time."""
    for place, text in texts.items():
        path = PACKAGE / place
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
