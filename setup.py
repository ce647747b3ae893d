"""Build of the extension modules; everything else about the package is in pyproject.toml."""

import os
import platform
import sys
import tempfile
import warnings
from pathlib import Path

import numpy
from Cython.Build import cythonize
from Cython.Build.Dependencies import default_create_extension
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, "tools")
import headers
import source_catalog
import stubs

# One module per CPU level, all from the same source; FASTACT_CPU and the
# processor decide at import which one is loaded. The preferred width is spelled
# out because gcc takes 256 bits for a generic x86-64-v4.
if platform.machine().lower() in {"x86_64", "amd64"}:
    LEVELS = {
        "v1": ["-march=x86-64"],
        "v3": ["-march=x86-64-v3"],
        "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }
else:
    LEVELS = {"base": []}

# Vector code needs the two relaxations that change no result (errno and traps);
# -ffast-math would change results and the floating-point mode of the process.
# Contraction is off so that the only fused operations are those that src/math
# writes down, in vector bodies and scalar tails alike. Of the pragmas that promise
# gcc disjoint arrays clang knows none: it compares addresses at run time.
COMPILE = [
    "-std=c++20",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-Wno-unknown-pragmas",
    "-fvisibility=hidden",
    "-g0",
]

# gcc's own, left out where the compiler does not know them. Threaded jumps and moved
# partial expressions make branches of selects, which cost the loops up to a third
# more instructions. Loops of known length are written out only where they are short:
# the others were a seventh of a module, and no faster (ARCHITECTURE.md, "What was tried").
OPTIONAL = ["-fno-thread-jumps", "-fno-tree-pre", "--param=max-completely-peeled-insns=64"]

# Of a short call most is code that runs once. With what else -O3 does to that the module is a seventh larger,
# and no faster.
CALLS = ["-O2", "-finline-limit=200"]

# Names of static functions are a tenth of a module. Nothing at run time reads them, but
# tools/instructions.py does, in a clone.
STRIPPED = ["-Wl,-s"] if sys.platform == "linux" else []

# A change in any of them builds every module again.
SOURCES = sorted(path.as_posix() for path in Path("src").rglob("*") if path.is_file())
SOURCES.append("fastact/include/fastact_api.h")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": False,
}


def extension(module: str, sources: list[str], flags: list[str]) -> Extension:
    return Extension(
        f"fastact.{module}",
        [f"src/{source}" for source in sources],
        language="c++",
        include_dirs=["src", "fastact/include", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=COMPILE + flags,
    )


def without_own_headers(template: Extension, options: dict) -> tuple[Extension, dict]:
    """An extension that depends on NumPy's headers alone, while cythonize runs.

    It copies others beside what it writes, and some would be included twice: from there and from src.
    """
    module, metadata = default_create_extension(template, options)
    module.depends = [path for path in module.depends if os.path.isabs(path)]
    return module, metadata


class BuildExtensions(build_ext):
    """Builds the modules in parallel, with what the compiler has: OpenMP, optional flags."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        self.in_clone = self.inplace  # which `run` takes back while it builds

    def build_extensions(self) -> None:
        # Of some flags that it does not know clang merely warns.
        known = [flag for flag in OPTIONAL if self._compiles("int nothing;\n", ["-Werror", flag])]
        has_openmp = self._links_openmp()
        if not has_openmp:
            warnings.warn("the compiler has no OpenMP: fastact will run on one thread", stacklevel=2)
        for module in self.extensions:
            module.extra_compile_args += known
            if has_openmp and module.name == "fastact._dispatch":
                module.extra_compile_args.append("-fopenmp")
                module.extra_link_args.append("-fopenmp")
        if not (self.in_clone or self.editable_mode):
            for module in self.extensions:
                module.extra_link_args += STRIPPED
        super().build_extensions()

    def _links_openmp(self) -> bool:
        program = "#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n"
        return self._compiles(program, ["-fopenmp"], link=True)

    def _compiles(self, text: str, flags: list[str], link: bool = False) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "probe.cpp")
            with open(source, "w") as file:
                file.write(text)
            try:
                objects = self.compiler.compile([source], output_dir=folder, extra_postargs=flags)
                if link:
                    program = os.path.join(folder, "probe")
                    self.compiler.link_executable(objects, program, extra_postargs=flags)
            except Exception:
                return False
        return True


# What compiled callers and type checkers read, made of the catalog.
rows = source_catalog.catalog_of()
source_catalog.write({**headers.texts(rows), **stubs.texts(rows)})

# They are built in this order, as many at once as there are processors: the shortest fills what is left.
MODULES = cythonize(
    [
        *(
            extension(f"_kernels_{level}", [f"levels/kernels_{level}.pyx"], flags)
            for level, flags in LEVELS.items()
        ),
        extension("_dispatch", ["runtime/dispatch.pyx", "runtime/team.cpp"], CALLS),
    ],
    build_dir="build/cython",
    compiler_directives=DIRECTIVES,
    create_extension=without_own_headers,
    include_path=["src", "src/runtime"],
)
for module in MODULES:
    module.depends += SOURCES

setup(ext_modules=MODULES, cmdclass={"build_ext": BuildExtensions})
