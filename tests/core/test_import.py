"""Importing fastact: what it needs, what it leaves alone, and what it says when its kernels are missing."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastact as fa


def test_the_version_is_that_of_the_distribution():
    from importlib import metadata

    try:
        version = metadata.version("fastact")
    except metadata.PackageNotFoundError:
        pytest.skip("runs from a source tree that is not installed")
    assert fa.__version__ == version


def test_importing_it_imports_numpy_and_nothing_else(fresh_python):
    code = """if True:
        import sys
        import numpy
        before = set(sys.modules)
        import fastact
        added = [sys.modules[name] for name in set(sys.modules) - before]
        added = {module.__name__.split('.')[0] for module in added if module.__spec__ is not None}
        print(sorted(added - set(sys.stdlib_module_names) - {'fastact'}))"""
    run = fresh_python(code)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_missing_kernels_are_named_with_what_to_do(tmp_path):
    """-S: without site-packages, where an editable install would lend its own kernels."""
    package = tmp_path / "fastact"
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(fa.__file__).parent, package, ignore=compiled)
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import fastact"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    error = run.stderr.strip()
    assert run.returncode != 0
    assert "\nImportError" in error
    message = error[error.rindex("\nImportError") :]
    assert all(word in message for word in ("compiled", str(package), "pip install"))


FLOATING_POINT_MODE = """if True:
    import ctypes, sys
    import numpy as np
    libm = ctypes.CDLL(None)
    def mode():
        state = ctypes.create_string_buffer(64)
        assert libm.fegetenv(state) == 0
        x87 = int.from_bytes(state.raw[:2], 'little')
        mxcsr = int.from_bytes(state.raw[28:32], 'little') & ~0x3f
        return x87, mxcsr, libm.fegetround()
    before = mode()
    import fastact as fa
    after_import = mode()
    fa.set_num_threads(2)
    x = np.linspace(-800, 800, 1_000_000)
    for dtype in (np.float32, np.float64):
        fa.sigmoid(x.astype(dtype)); fa.softmax(x.astype(dtype).reshape(1000, 1000))
    print(before == after_import == mode(), before)"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux",
    reason="reads glibc's x86-64 fenv_t",
)
def test_no_floating_point_mode_is_changed(fresh_python):
    """Rounding, exception masks, flush-to-zero and denormals-are-zero are as before."""
    run = fresh_python(FLOATING_POINT_MODE)
    assert run.stdout.startswith("True"), run.stdout + run.stderr


def test_subnormal_numbers_survive_the_import(fresh_python):
    code = """if True:
        import fastact, numpy as np
        tiny = np.array([1e-40], np.float32), np.array([1e-310])
        print(all((t * t.dtype.type(0.5))[0] > 0 and (t + t)[0] > t[0] for t in tiny))"""
    run = fresh_python(code)
    assert run.stdout.strip() == "True", run.stderr
