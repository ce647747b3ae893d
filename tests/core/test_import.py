"""Importing fastact: what it needs, what it leaves alone, and what it says when its kernels are missing."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import fastact as fa

PACKAGE = Path(fa.__file__).parent


def test_the_version_is_that_of_the_distribution():
    from importlib import metadata

    try:
        version = metadata.version("fastact")
    except metadata.PackageNotFoundError:
        pytest.skip("runs from a source tree that is not installed")
    assert fa.__version__ == version


def test_importing_it_imports_numpy_and_nothing_else(fresh_python):
    """Not even ml_dtypes, whose bfloat16 it computes with."""
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


NOTED = """if True:
    import json, sys
    import numpy as np
    noted, noting = [], True
    sys.addaudithook(lambda event, args: noted.append((event, str(args[:1]))) if noting else None)
    import fastact as fa
    x = np.linspace(-4, 4, 1 << 20, dtype=np.float32).reshape(1024, 1024)
    fa.silu(x, out=x), fa.silu.backward(x, x=x), fa.softmax(x), fa.layer_norm(x), fa.get("swish")(x.T)
    noting = False
    print(json.dumps(noted))"""
"""What Python tells an audit hook of an import and of first calls, and the first of its arguments."""

OF_IMPORT = {
    *("import", "compile", "exec", "marshal.loads", "open", "os.listdir", "sys._getframe"),
    *("object.__getattr__", "object.__setattr__", "object.__delattr__", "code.__new__", "builtins.id"),
}
MODULES = (".py", ".pyc", ".so", ".pyd")
CONTROL_GROUPS = ("/proc/self/cgroup", "/proc/self/mountinfo")


def test_import_and_calls_open_modules_and_files_of_control_groups_alone(fresh_python):
    """No socket, no process, no library, and no other file: read or written."""
    run = fresh_python(NOTED, PYTHONDONTWRITEBYTECODE="1")
    noted = [tuple(event) for event in json.loads(run.stdout or "[]")]
    assert {event for event, _ in noted} <= OF_IMPORT
    opened = {argument[2:-3] for event, argument in noted if event == "open"}
    others = {path for path in opened if not path.endswith(MODULES)}
    assert any("quota." in path for path in opened), run.stderr
    assert all(path in CONTROL_GROUPS or path.rpartition("/")[2].startswith("cpu.") for path in others)


CALLS_OF_MODULES = re.compile(
    r"(f?open(at)?(64)?|socket|connect|exec\w*|system|popen|posix_spawn\w*|fork|dlopen|unlink|getenv)"
)


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm of binutils")
def test_compiled_modules_call_nothing_that_opens_or_starts():
    """What audit hooks are not told of."""
    modules = [path for path in PACKAGE.iterdir() if path.suffix == ".so"]
    assert len(modules) >= 2
    for module in modules:
        listed = subprocess.run(["nm", "-D", "-u", module], capture_output=True, text=True, check=True)
        called = [line.split()[-1].split("@")[0] for line in listed.stdout.splitlines()]
        assert "memcpy" in called
        assert not [name for name in called if CALLS_OF_MODULES.fullmatch(name)]


def test_no_text_is_run_as_a_program():
    """`catalog/expression.py` reads the texts of rows. Ruff knows calls of these, not their names."""
    trees = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    named = {
        (path.name, node.id)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id in ("eval", "exec", "compile", "__import__")
    }
    assert len(trees) > 100
    assert not named


def test_importing_it_loads_neither_what_measures_nor_the_command(fresh_python):
    run = fresh_python("import fastact, sys; print(*sys.modules)")
    loaded = run.stdout.split()
    assert "fastact.catalog" in loaded, run.stderr
    assert not [name for name in loaded if name.startswith(("fastact.measure", "fastact.command", "rich"))]


def test_the_version_is_read_when_it_is_asked_for(fresh_python):
    """What reads it takes longer to import than all of fastact."""
    run = fresh_python(
        "import fastact, sys; print('importlib.metadata' in sys.modules, fastact.__version__ == "
        "fastact.config()['version'], 'importlib.metadata' in sys.modules)"
    )
    assert run.stdout.split() == ["False", "True", "True"], run.stderr


@pytest.fixture
def import_error(tmp_path):
    """What ``import fastact`` says where it is the package at `place`, below which sys.path begins.

    -S: without site-packages, where an editable install would lend its own kernels.
    """

    def message(place: Path) -> str:
        run = subprocess.run(
            [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(place)!r}); import fastact"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
        )
        error = run.stderr.strip()
        assert run.returncode != 0
        assert "\nImportError" in error, error
        return error[error.rindex("\nImportError") :]

    return message


@pytest.fixture
def sources(tmp_path):
    """A copy of the package without anything compiled."""
    compiled = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "copy" / "fastact", ignore=compiled)


def test_missing_kernels_are_named_with_what_to_do(sources, import_error):
    message = import_error(sources.parent)
    assert all(word in message for word in ("compiled", str(sources), "source tree", "pip install"))


@pytest.mark.parametrize("suffix", [".cpython-38-x86_64-linux-gnu.so", ".cp311-win_amd64.pyd"])
def test_modules_for_another_python_are_named_with_what_to_do(sources, import_error, suffix):
    """A wheel that was unpacked by hand, or a folder that two machines share."""
    (sources / f"_dispatch{suffix}").touch()
    message = import_error(sources.parent)
    words = (str(sources), f"_dispatch{suffix}", "another Python", EXTENSION_SUFFIXES[0], "pip")
    assert all(word in message for word in words), message


def test_an_archive_on_the_path_is_named_with_what_to_do(sources, import_error):
    (sources / f"_dispatch{EXTENSION_SUFFIXES[0]}").touch()
    zipped = Path(shutil.make_archive(str(sources.parent), "zip", sources.parent))
    archive = zipped.rename(zipped.with_name("fastact-0.1.0.whl"))
    message = import_error(archive)
    assert all(word in message for word in (f"archive {archive}", "no compiled modules", "pip install"))


def test_modules_that_are_there_and_fail_say_so_themselves(sources, import_error):
    (sources / f"_dispatch{EXTENSION_SUFFIXES[0]}").write_text("no library")
    message = import_error(sources.parent)
    assert EXTENSION_SUFFIXES[0] in message
    assert "pip" not in message


def test_every_module_of_kernels_has_its_import_statement():
    """What freezes an application finds no others; .ci/nightly freezes one."""
    levels = Path(__file__).parents[2] / "src" / "levels"
    built = {f"_{path.stem}" for path in levels.glob("kernels_*.pyx")}
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    statements = {
        node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert len(built) == 4
    assert built <= statements


def test_subnormal_numbers_survive_the_import_and_a_call(fresh_python):
    """A library built with fast-math switched them off for the whole process: numpy 20895, gevent 1864.

    test_float_environment.py looks at the modes themselves, where it knows how.
    """
    code = """if True:
        import fastact, numpy as np
        for dtype in (np.float32, np.float64):
            tiny = np.full(9, np.finfo(dtype).tiny, dtype)
            fastact.silu(tiny)
            least = np.finfo(dtype).smallest_subnormal
            assert (tiny / 2 > 0).all() and least * tiny.size > 0 and least + least > least
        print("kept")"""
    run = fresh_python(code)
    assert run.stdout.strip() == "kept", run.stderr
