"""The catalog: one row per activation, in a file of its family.

Everything a user can see of an activation follows from its row: the callable
object, its docstring, its tests and its benchmarks. The formulas are plain
mathematics in the vocabulary of `VOCABULARY`; the tests evaluate them with
mpmath at high precision and the benchmarks with NumPy in place. The kernels
under ``src/`` are written separately, so each checks the other.
"""

from . import along_axis, cells, gates, losses, noise, norms, rectifiers, sigmoids, smooth
from .arguments import OUT, REQUIRED, Argument
from .functions import STORED, Function, functions
from .passes import Pass
from .properties import Claim, Properties
from .row import VOCABULARY, Convention, Parameter, Row
from .shapes import SHAPES, Shape

rows = sigmoids.rows + rectifiers.rows + smooth.rows + along_axis.rows + gates.rows
"""Every activation, in the order of `fastact.activations` and of all tables."""

passes = norms.passes + losses.passes + noise.passes + cells.passes
"""Every pass, in the order of `fastact.passes` and of all tables."""

__all__ = [
    "OUT", "REQUIRED", "SHAPES", "STORED", "VOCABULARY",
    "Argument", "Claim", "Convention", "Function", "Parameter", "Pass", "Properties", "Row", "Shape",
    "functions", "passes", "rows",
]  # fmt: skip
