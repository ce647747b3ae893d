"""An activation as a module, made from its row: what its function takes is what the module holds."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import torch

from .. import catalog
from ..catalog import Argument, Row
from ..catalog.spellings import module_name
from .function import Function, entries, signature

OF_THE_CALL = ("seed", "where", "training")
"""Arguments of a function that are no property of a module."""


OF_A_WEIGHT = (
    Argument("num_parameters", 1, "int", "How many weights there are: 1, or x's extent along `dim`."),
    Argument("init", 0.25, "float", "What each is at first."),
)
OF_A_TENSOR = (
    Argument("device", None, "torch.device, optional", "Where it is.", by_name=True),
    Argument("dtype", None, "torch.dtype, optional", "Of what dtype it is.", by_name=True),
)


class Activation(torch.nn.Module):
    """What all modules of activations are."""

    row: ClassVar[Row]
    reader: ClassVar[Function]
    takes: ClassVar[inspect.Signature]
    held: ClassVar[tuple[str, ...]]
    """Names of the attributes that a call is given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = self.takes.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"fastact.torch.{type(self).__name__}{self.takes}: {error}") from None
        bound.apply_defaults()
        self._hold(bound.arguments)

    def _hold(self, given: dict[str, Any]) -> None:
        """Take what the module is made of, after the errors that a call with it would raise."""
        own = {p.name: given[p.name] for p in self.row.parameters}
        self.reader.operator.activation.bind(**own)
        for parameter in self.row.parameters:
            if parameter.gradient and given.pop(f"{parameter.name}_grad"):
                given[parameter.name] = torch.nn.Parameter(torch.tensor(float(own[parameter.name])))
        for name, value in given.items():
            setattr(self, name, value)

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
    """One whose weight is learnt, for each position on an axis."""

    def _hold(self, given: dict[str, Any]) -> None:
        place = {name: given.pop(name) for name in ("device", "dtype")}
        super()._hold(given)
        self.weight = torch.nn.Parameter(torch.full((given["num_parameters"],), given["init"], **place))

    def reset_parameters(self) -> None:
        """The weight as it was at first."""
        torch.nn.init.constant_(self.weight, self.init)

    def extra_repr(self) -> str:
        """How many weights there are, and what is not the default."""
        return ", ".join(filter(None, (f"num_parameters={self.num_parameters}", super().extra_repr())))


def module(row: Row) -> type[Activation]:
    """The class of one activation's modules."""
    reader = Function(row)
    held = tuple(a for a in reader.arguments if a.name not in OF_THE_CALL)
    learnt = reader.operator.learnt
    has_weight = learnt and learnt not in row.numbers
    taken = held
    if has_weight:
        taken = (*OF_A_WEIGHT, *(a for a in held if a.name != learnt), *OF_A_TENSOR)
    elif learnt:
        learns = f"Whether {learnt} is a parameter that is learnt."
        taken = (*held, Argument(f"{learnt}_grad", False, "bool", learns, by_name=True))
    takes = signature(taken)
    names = {
        "__module__": "fastact.torch",
        "__doc__": _docstring(row, taken),
        "__signature__": takes,
        "row": row,
        "reader": reader,
        "takes": takes,
        "held": tuple(a.name for a in held),
    }
    return type(module_name(row.name), (WithWeight if has_weight else Activation,), names)


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
