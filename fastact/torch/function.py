"""An activation as a function of a tensor, with torch's words for its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch.autograd import forward_ad

from .. import catalog
from ..catalog import REQUIRED, Argument, Row
from ..catalog.arguments import OF_SCORES, OUT
from .gradients import Forward, TransformedForward
from .operators import Operator, operators

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
WORDS = {"axis": "dim"}
"""What torch calls an argument, where that is not the catalog's word."""

TRAINING = Argument("training", False, "bool", "Whether slopes are drawn, where no seed is given.")
HARD = "hard"
INPLACE = Argument("inplace", False, "bool", "Whether the result is written over `x`.")
ANY_SEED = "Whole number, or 0-d tensor of one; by default it is drawn from torch's generator"


def arguments(row: Row) -> tuple[Argument, ...]:
    """What the function takes beside x: what a call takes, in torch's words."""
    taken = []
    for argument in row.arguments:
        # Attention's words and a bias have no operators: torch has functions and layers of its own for them.
        if argument in (OUT, *OF_SCORES) or argument.name == "return_which" or argument.fused:
            continue
        name, default, kind, meaning, by_name, only, _ = argument
        if name == "seed":
            default, kind, meaning = None, "int or torch.Tensor, optional", f"{ANY_SEED}."
            if row.shape.draws_slopes:
                meaning, by_name = f"{ANY_SEED} in training; without one the mean slope.", True
        if name == operators[row.name].learnt:
            kind = "float or torch.Tensor"
        kind = kind.replace("array_like of bool", "torch.Tensor of bool")
        meaning = meaning.replace("`axis`", "`dim`")
        taken.append(Argument(WORDS.get(name, name), default, kind, meaning, by_name, only))
    taken += [TRAINING] * row.shape.draws_slopes
    if not row.shape.shrinks:
        # torch has it by position where it has it at all.
        taken.append(INPLACE._replace(by_name=not row.shape.by_element))
    return tuple(sorted(taken, key=lambda argument: argument.by_name))


def signature(taken: tuple[Argument, ...], *first: str) -> inspect.Signature:
    """What a call takes, after its first arguments."""
    either, by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    others = [inspect.Parameter(a.name, by_name if a.by_name else either, default=a.default) for a in taken]
    return inspect.Signature([*(inspect.Parameter(name, either) for name in first), *others])


def entries(taken: tuple[Argument, ...]) -> str:
    """The same for a docstring."""
    return "".join(
        f"{a.name} : {a.kind}"
        + ("" if a.default is REQUIRED or "optional" in a.kind else f", default {a.default!r}")
        + f"\n    {a.meaning}\n"
        for a in taken
    )


class Function:
    """How a call is read, and which way it goes."""

    def __init__(self, row: Row) -> None:
        self.row, self.operator = row, operators[row.name]
        self.arguments = arguments(row)
        self.by_position = tuple(a.name for a in self.arguments if not a.by_name)
        self.signature = signature(self.arguments, "x")
        self.defaults = {a.name: a.default for a in self.arguments}
        self.choices = {p.name: p.choices for p in row.parameters if p.choices}
        self.nones = {p.name: p.none for p in row.parameters if p.none is not None}

    def call(self, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        """The activation of a tensor."""
        self._check(x)
        given = self._read(args, kwargs)
        operator = self.operator
        for name, choices in self.choices.items():
            word = given.pop(name)
            if word not in choices:
                raise ValueError(
                    f"{self.row.name}: {name}={word!r}; allowed is {' or '.join(map(repr, choices))}"
                )
            operator = operators[choices[word]]
        inplace, training = given.pop("inplace", False), given.pop("training", False)
        hard = given.pop(HARD, False)
        values = tuple(
            self._value(x, name, given[WORDS.get(name, name)], training) for name in operator.names
        )
        if hard:
            return _written(x, _one_hot(_called(operator, x, values, False), given["dim"]), inplace)
        return _called(operator, x, values, inplace)

    def _check(self, x: Any) -> None:
        name = self.row.name
        if not isinstance(x, torch.Tensor):
            raise TypeError(
                f"{name}: x is a {type(x).__name__}; allowed is a torch.Tensor (fastact.{name} takes arrays)"
            )
        if x.device.type not in ("cpu", "meta"):
            raise TypeError(f"{name}: x is a tensor on {x.device}; allowed are tensors on the CPU")
        if x.dtype not in DTYPES or x.layout is not torch.strided:
            raise TypeError(
                f"{name}: x is a tensor of dtype {x.dtype} and layout {x.layout}; allowed are "
                f"{', '.join(map(str, DTYPES))} and {torch.strided}"
            )

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call, by torch's names."""
        given = {**self.defaults, **dict(zip(self.by_position, args, strict=False)), **kwargs}
        wrong = len(args) > len(self.by_position) or len(given) > len(self.defaults)
        wrong = wrong or any(name in kwargs for name in self.by_position[: len(args)])
        if wrong or any(value is REQUIRED for value in given.values()):
            self._refuse(args, kwargs)
        return given

    def _refuse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        try:
            self.signature.bind(None, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"fastact.torch.{self.row.name}{self.signature}: {error}") from None
        raise AssertionError("a signature takes what a call does not")

    def _value(self, x: torch.Tensor, name: str, value: Any, training: bool) -> Any:
        """An argument as the operator takes it."""
        if name == "seed":
            return _seed(self.row, value, training or not self.row.shape.draws_slopes)
        if name == self.operator.learnt and not isinstance(value, torch.Tensor):
            return torch.tensor(value, dtype=torch.float64 if name in self.row.numbers else x.dtype)
        return self.nones.get(name) if value is None else value


def _seed(row: Row, seed: Any, draws: bool) -> Any:
    """A seed as a tensor, which a graph hands on without knowing its number."""
    if seed is None:
        return torch.randint(0, 2**63 - 1, ()) if draws else None
    if isinstance(seed, torch.Tensor):
        return seed
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"{row.name}: seed={seed!r}; allowed is an integer, a tensor of one or None")
    number = seed.__index__()
    if not 0 <= number < 2**64:
        raise ValueError(f"{row.name}: seed={seed}; allowed is 0 <= seed < 2**64")
    return torch.tensor(number - 2**64 if number >= 2**63 else number)


def _called(operator: Operator, x: torch.Tensor, values: tuple[Any, ...], inplace: bool) -> torch.Tensor:
    """Through the operator where something looks on, else straight to the kernels."""
    if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return _written(x, TransformedForward.apply(operator, x.clone() if inplace else x, *values), inplace)
    if torch.compiler.is_compiling() or x.device.type == "meta" or _is_watched(x):
        return _written(x, operator.traced(x.clone() if inplace else x, *values), inplace)
    learnt = operator.place is not None and values[operator.place].requires_grad
    recorded = torch.is_grad_enabled() and (x.requires_grad or learnt)
    if inplace:
        _may_write(operator, x, recorded)
        if recorded and operator.of(values) == "x":
            return _written(x, Forward.apply(operator, False, x.clone(), *values), True)
    if recorded or forward_ad._current_level >= 0:
        return Forward.apply(operator, inplace, x, *values)
    y = operator.forward(x, *values, out=x if inplace else None)
    if inplace and not x.is_inference():
        torch.autograd.graph.increment_version(x)
    return y


def _is_watched(x: torch.Tensor) -> bool:
    """Whether torch wants to see operators: a mode, a trace or a tensor of a class of its own."""
    return (
        type(x) not in (torch.Tensor, torch.nn.Parameter)
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
    )


def _may_write(operator: Operator, x: torch.Tensor, recorded: bool) -> None:
    """Errors that torch finds when x has been written already."""
    if recorded and x.is_leaf and x.requires_grad:
        raise RuntimeError(
            f"{operator.row.name}: x is a leaf that requires grad; allowed in place are others"
        )
    if any(step == 0 and n > 1 for n, step in zip(x.shape, x.stride(), strict=True)):
        raise RuntimeError(f"{operator.row.name}: x is an expanded tensor; allowed in place are others")


def _written(x: torch.Tensor, y: torch.Tensor, inplace: bool) -> torch.Tensor:
    return x.copy_(y) if inplace else y


def _one_hot(y: torch.Tensor, dim: int) -> torch.Tensor:
    """1 at the largest of a row, with the gradient of the soft sample (straight-through, as in torch)."""
    hard = torch.zeros_like(y).scatter(dim, y.argmax(dim, keepdim=True), 1.0)
    return hard + (y - y.detach())


def function(row: Row) -> Callable[..., torch.Tensor]:
    """The public function of one activation."""
    reader = Function(row)

    def activation(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return reader.call(x, args, kwargs)

    activation.__name__ = activation.__qualname__ = row.name
    activation.__module__ = "fastact.torch"
    activation.__signature__ = reader.signature  # type: ignore[attr-defined]
    activation.__doc__ = _docstring(row, reader.arguments)
    return activation


def _docstring(row: Row, taken: tuple[Argument, ...]) -> str:
    needed = {name: _FOR_FOUR.get(name, value) for name, value in row.needs.items()}
    given = "".join(f", {name}={value}" for name, value in needed.items())
    return f"""{row.name}: ``{row.formula}``, {row.shape.of_what}, with its gradient.

Parameters
----------
x : torch.Tensor
    Of any shape and strides on the CPU, in float32, float64, float16 or bfloat16.
{entries(taken)}
Returns
-------
torch.Tensor
    The result, of x's dtype, in {row.range}; `x` itself where the call is in place.

Raises
------
TypeError
    If x is no tensor, or not on the CPU, or of another dtype.
ValueError
    If a parameter is out of its range.

See Also
--------
fastact.{row.name} : the same for arrays, with its derivative and where it was published.

Examples
--------
>>> import torch
>>> import fastact.torch
>>> x = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
>>> fastact.torch.{row.name}(x{given}).sum().backward()
>>> x.grad.shape
torch.Size([4])
"""


_FOR_FOUR = {"pieces": 2}
"""What the example of a docstring gives, whose x has four elements, instead of that of the catalog."""


functions = {row.name: function(row) for row in catalog.rows}
"""Every function by the name of its activation."""
