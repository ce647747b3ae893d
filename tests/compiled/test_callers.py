"""docs/compiled.md: what a stranger compiles calls fastact, with the bits of the array call."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
import sysconfig
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pages
import pytest
from cases import same_bits
from pages import prints_what_it_says, run_python

import fastact as fa

examples = partial(pages.examples, "compiled.md")
COMPILER = {"c": shutil.which("gcc"), "c++": shutil.which("g++")}
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-shared", "-fPIC"]
LANGUAGES = {"c99": ["c", "-std=c99"], "c++11": ["c++", "-std=c++11"]}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.name.partition(".")[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(source: str, folder: Path, language: str = "c99", *, python: bool = True) -> Path:
    """A shared library, from C that earns no warning."""
    kind, standard = LANGUAGES[language]
    if COMPILER[kind] is None:
        pytest.skip(f"there is no compiler of {kind}")
    suffix = sysconfig.get_config_var("EXT_SUFFIX") if python else ".so"
    path, library = folder / "stranger.c", folder / f"stranger{suffix}"
    path.write_text(source)
    headers = ["-I", fa.get_include(), "-isystem", sysconfig.get_paths()["include"]]
    command = [COMPILER[kind], "-x", kind, standard, *STRICT, *headers, str(path), "-o", str(library)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return library


@pytest.fixture(scope="module")
def cython_modules(tmp_path_factory) -> tuple[ModuleType, Path]:
    """The stranger of the page, and one that leaves out its import, built as the page says."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    if COMPILER["c"] is None:
        pytest.skip("there is no compiler")
    folder = tmp_path_factory.mktemp("cython")
    (source,), (build,) = examples("Cython", "cython"), examples("Cython", "python")
    (folder / "stranger.pyx").write_text(source)
    (folder / "careless.pyx").write_text(source.replace("\nimport_fastact()\n", ""))
    for name in ("stranger", "careless"):
        (folder / "setup.py").write_text(build.replace("stranger", name))
        run = run_python("setup.py", "build_ext", "--inplace", folder=folder)
        assert run.returncode == 0, run.stderr
    (path,) = folder.glob("stranger.*.so")
    return load(path), folder


def test_a_cython_module_calls_in_a_parallel_loop_of_its_own(cython_modules):
    x = np.random.default_rng(0).standard_normal((64, 33)).astype(np.float32)
    out = np.empty_like(x)
    cython_modules[0].silu_of_rows(x, out)
    assert same_bits(out, fa.silu(x))


def test_a_cython_module_need_not_import_fastact_itself(cython_modules):
    code = (
        "import sys, careless, numpy as np; out = np.zeros((2, 8), np.float32); x = out + 1; "
        "before = 'fastact' in sys.modules; careless.silu_of_rows(x, out); "
        "print(before, 'fastact' in sys.modules, out[1, 7])"
    )
    run = run_python("-c", code, folder=cython_modules[1])
    assert run.stdout.split() == ["False", "True", str(fa.silu(np.float32(1)))], run.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_extension_module_in_plain_c(language, tmp_path):
    stranger = load(compiled(examples("C and C++", "c")[0], tmp_path, language))
    x = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    expected = fa.silu(x)
    stranger.silu(x)
    assert same_bits(x, expected)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_library_without_python_is_handed_the_struct(language, tmp_path):
    extern = 'extern "C" ' if language == "c++11" else ""
    source = re.sub(r"^(?=int|double)", extern, examples("C and C++", "c")[1], flags=re.MULTILINE)
    compiled(source, tmp_path, language, python=False)
    example = examples("C and C++", "python")[0]
    run = run_python("-c", example, folder=tmp_path)
    assert prints_what_it_says(example, run.stdout), run.stderr


def test_a_call_before_there_is_a_struct_says_so(tmp_path):
    library = compiled(examples("C and C++", "c")[1], tmp_path, python=False)
    code = f"import ctypes; ctypes.CDLL({str(library)!r}).gelu_of(ctypes.c_double(1))"
    run = run_python("-c", code, folder=tmp_path)
    assert run.returncode < 0
    assert "there is no gelu_scalar_f64 before fastact is imported" in run.stderr


def test_a_fastact_that_is_older_than_the_header_is_refused(tmp_path):
    """It lacks functions; a newer one, which has more, is not."""
    source = '#define FASTACT_WITHOUT_PYTHON\n#include "fastact.h"\n'
    source += "int use(int more) {\n"
    source += "    fastact_api api = {FASTACT_API, FASTACT_FUNCTIONS, NULL, NULL};\n"
    source += "    api.count += more;\n    return fastact_use(&api);\n}\n"
    library = ctypes.CDLL(str(compiled(source, tmp_path, python=False)))
    assert [library.use(more) for more in (-1, 0, 1)] == [-1, 0, 0]


@pytest.mark.parametrize(
    ("title", "needs"),
    [("numba", ["numba"]), ("cffi", ["cffi"]), ("ctypes", []), ("SciPy", ["scipy", "numba"])],
)
def test_the_pages_other_callers_print_what_it_says(title, needs, tmp_path):
    for package in needs:
        pytest.importorskip(package)
    for example in examples(title, "python"):
        run = run_python("-c", example, folder=tmp_path)
        assert prints_what_it_says(example, run.stdout), run.stderr
