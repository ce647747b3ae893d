"""An activation as a module, made from its row: what its function takes is what the module holds."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from .. import catalog
from ..catalog import Argument, Row
from ..catalog.spellings import module_name
from .function import Function, entries, signature

OF_THE_CALL = ("seed", "where", "training")
"""Arguments of a function that are no property of a module."""


class Activation(torch.nn.Module):
    """What all modules of activations are."""

    row: ClassVar[Row]
    held: ClassVar[tuple[str, ...]]
    """Names of the attributes that a call is given."""
    reader: ClassVar[Function]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The activation of x, with what the module holds."""
        given = {name: getattr(self, name) for name in self.held}
        if self.row.shape.draws_slopes:
            given["training"] = self.training
        return self.reader.call(x, (), given)

    def extra_repr(self) -> str:
        """What is not the default."""
        defaults = self.reader.defaults
        shown = {n: getattr(self, n) for n in self.held if not isinstance(getattr(self, n), torch.Tensor)}
        return ", ".join(f"{n}={v!r}" for n, v in shown.items() if v != defaults[n])


class WithWeight(Activation):
    """One whose weight is learnt for each position on an axis."""

    def __init__(self, num_parameters: int, init: float, device: Any, dtype: Any) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = torch.nn.Parameter(torch.full((num_parameters,), init, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """The weight as it was at first."""
        torch.nn.init.constant_(self.weight, self.init)

    def extra_repr(self) -> str:
        """How many weights there are, and what is not the default."""
        return ", ".join(filter(None, (f"num_parameters={self.num_parameters}", super().extra_repr())))


OF_A_WEIGHT = (
    Argument("num_parameters", 1, "int", "How many weights there are: 1, or x's extent along `dim`."),
    Argument("init", 0.25, "float", "What each is at first."),
)
OF_A_TENSOR = (
    Argument("device", None, "torch.device, optional", "Where it is.", by_name=True),
    Argument("dtype", None, "torch.dtype, optional", "Of what dtype it is.", by_name=True),
)


def module(row: Row) -> type[Activation]:
    """The class of one activation's modules."""
    reader = Function(row)
    held = tuple(a for a in reader.arguments if a.name not in OF_THE_CALL)
    taken, base = held, Activation
    has_weight = reader.operator.learnt and reader.operator.learnt not in row.numbers
    if has_weight:
        others = tuple(a for a in held if a.name != reader.operator.learnt)
        taken, base = (*OF_A_WEIGHT, *others, *OF_A_TENSOR), WithWeight
    learns = [p.name for p in row.parameters if p.gradient]
    taken += tuple(
        Argument(f"{name}_grad", False, "bool", f"Whether {name} is a parameter that is learnt.", True)
        for name in learns
    )
    takes = signature("self", taken)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = takes.bind(self, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"fastact.torch.{type(self).__name__}{takes}: {error}") from None
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        if has_weight:
            base.__init__(self, *(given.pop(a.name) for a in (*OF_A_WEIGHT, *OF_A_TENSOR)))
        else:
            base.__init__(self)
        for name in learns:
            if given.pop(f"{name}_grad"):
                given[name] = torch.nn.Parameter(torch.tensor(float(given[name])))
        _check(reader, given)
        for name, value in given.items():
            setattr(self, name, value)

    __init__.__signature__ = takes  # type: ignore[attr-defined]
    names = {
        "__init__": __init__,
        "__module__": "fastact.torch",
        "__doc__": _docstring(row, taken),
        "row": row,
        "reader": reader,
        "held": tuple(a.name for a in held),
    }
    return type(module_name(row.name), (base,), names)


def _check(reader: Function, given: dict[str, Any]) -> None:
    """The errors that a call would raise: a module that cannot be called is not made."""
    names = {p.name for p in reader.row.parameters}
    values = {n: v for n, v in given.items() if n in names and not isinstance(v, torch.Tensor)}
    reader.operator.activation.bind(**values)


def _docstring(row: Row, taken: tuple[Argument, ...]) -> str:
    parameters = f"\nParameters\n----------\n{entries(taken)}" if taken else ""
    return f"""`fastact.torch.{row.name}` as a module.
{parameters}
Raises
------
ValueError
    If a parameter is out of its range.
"""


modules = {row.name: module(row) for row in catalog.rows}
"""Every module's class by the name of its activation."""
