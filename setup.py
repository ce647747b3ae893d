"""Build of the extension modules; everything else about the package is in pyproject.toml."""

import os
import platform
import tempfile
import warnings

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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
# Contraction is off so that the only fused operations are those that vmath.hpp
# writes down, in vector bodies and scalar tails alike. Threaded jumps and moved
# partial expressions make branches of selects, which cost the loops up to a third
# more instructions (ARCHITECTURE.md, "What was tried").
COMPILE = [
    "-std=c++20",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fno-thread-jumps",
    "-fno-tree-pre",
    "-fvisibility=hidden",
    "-g0",
]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": False,
}


def extension(module: str, source: str, flags: list[str]) -> Extension:
    return Extension(
        f"fastact.{module}",
        [f"src/{source}.pyx"],
        language="c++",
        include_dirs=["src", numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=COMPILE + flags,
        depends=[f"src/{name}" for name in sorted(os.listdir("src"))],
    )


class BuildExtensions(build_ext):
    """Builds the modules in parallel, with OpenMP where the compiler has it."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        if self._compiles_openmp():
            for module in self.extensions:
                if module.name == "fastact._dispatch":
                    module.extra_compile_args.append("-fopenmp")
                    module.extra_link_args.append("-fopenmp")
        else:
            warnings.warn("the compiler has no OpenMP: fastact will run on one thread", stacklevel=2)
        super().build_extensions()

    def _compiles_openmp(self) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "openmp.cpp")
            with open(source, "w") as file:
                file.write("#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n")
            try:
                objects = self.compiler.compile([source], output_dir=folder, extra_postargs=["-fopenmp"])
                self.compiler.link_executable(
                    objects, os.path.join(folder, "openmp"), extra_postargs=["-fopenmp"]
                )
            except Exception:
                return False
        return True


setup(
    ext_modules=cythonize(
        [
            extension("_dispatch", "runtime/dispatch", []),
            *(extension(f"_kernels_{level}", f"levels/kernels_{level}", flags) for level, flags in LEVELS.items()),
        ],
        build_dir="build",
        compiler_directives=DIRECTIVES,
        include_path=["src", "src/runtime"],
    ),
    cmdclass={"build_ext": BuildExtensions},
)
