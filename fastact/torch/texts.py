"""Derivatives of gradients, which no kernel computes: torch differentiates the catalog's texts of them."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from ..catalog import Row, expression


def differentiated(
    row: Row,
    of: str,
    learnt: str,
    grads: tuple[Any, ...],
    dy: torch.Tensor,
    saved: torch.Tensor,
    given: dict[str, Any],
) -> tuple[Any, Any, Any]:
    """Gradients of dy, of the array `of` that was saved and of what is learnt, from those of dx and dlearnt.

    They can be differentiated again, and transformed by `torch.func`.
    """

    def results(dy: torch.Tensor, saved: torch.Tensor, *others: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if learnt:
            return _by_formula(row, dy, saved, others[0], {**given, learnt: others[0]})
        return (_gradient(row, of, dy, saved, given),)

    found, back = torch.func.vjp(results, dy, saved, *([given[learnt]] if learnt else []))
    of_dy, of_saved, *of_learnt = back(
        tuple(torch.zeros_like(f) if g is None else g for f, g in zip(found, grads, strict=True))
    )
    return of_dy, of_saved, of_learnt[0] if learnt else None


def _by_formula(
    row: Row, dy: torch.Tensor, x: torch.Tensor, learnt: torch.Tensor, given: dict[str, Any]
) -> tuple[torch.Tensor, ...]:
    """dx and dlearnt by torch's derivative of the formula of the result."""
    (name,) = (name for name, value in given.items() if value is learnt)
    axis = given.get("axis", 0)

    def y(x: torch.Tensor, learnt: torch.Tensor) -> torch.Tensor:
        names = {**given, name: _along(learnt, axis, x.ndim).to(x.dtype)}
        return _evaluated(row.text(), {"x": x}, row.names(**names), axis)

    return torch.func.vjp(y, x, learnt)[1](dy)


def _along(value: torch.Tensor, axis: int, dims: int) -> torch.Tensor:
    """What is learnt, so that it broadcasts along the axis."""
    if value.numel() == 1:
        return value.reshape(())
    return value.reshape([-1 if i == axis % dims else 1 for i in range(dims)])


def _gradient(
    row: Row, of: str, dy: torch.Tensor, saved: torch.Tensor, given: dict[str, Any]
) -> torch.Tensor:
    """dx by the text of the row, with torch's functions."""
    axis = given.get("axis", -1)
    names = row.names(**{name: value for name, value in given.items() if name != "slope"})
    names |= {"slope": given["slope"]} if "slope" in given else {}
    text, shape = row.text(of), row.shape
    if shape.halves:
        a, b = saved.chunk(2, axis)
        return _evaluated(text, {"a": a, "b": b, "dy": dy}, names, axis)
    if shape.shrinks:
        axis %= saved.ndim
        groups = saved.unflatten(axis, (-1, given["pieces"]))
        arrays = {of: groups, "dy": dy.unsqueeze(axis + 1)}
        return _evaluated(text, arrays, names, axis + 1).flatten(axis, axis + 1)
    return _evaluated(text, {of: saved, "dy": dy}, names, axis)


def _evaluated(text: str, arrays: dict[str, torch.Tensor], names: dict[str, Any], axis: int) -> torch.Tensor:
    """A text of the catalog over tensors, half precision in float32 as in the kernels."""
    first = next(iter(arrays.values()))
    dtype = torch.float64 if first.dtype is torch.float64 else torch.float32
    values = {name: array.to(dtype) for name, array in arrays.items()}
    result = _function(text)({**_words(values, dtype, axis), **names, **values})
    return result.to(first.dtype)


def _words(values: dict[str, torch.Tensor], dtype: torch.dtype, axis: int) -> dict[str, Any]:
    """The vocabulary of the catalog's texts, as far as results and gradients need it."""
    largest = math.floor(math.log(torch.finfo(dtype).max))

    def tensor(value: Any) -> torch.Tensor:
        return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=dtype)

    def where(condition: Any, chosen: Callable[[Any], Any], other: Callable[[Any], Any]) -> torch.Tensor:
        # The one that is not chosen could be infinite, and its derivative times 0 no number.
        x = values.get("x")
        if x is None:
            return torch.where(condition, tensor(chosen(x)), tensor(other(x)))
        zero = torch.zeros_like(x)
        first, second = torch.where(condition, x, zero), torch.where(condition, zero, x)
        return torch.where(condition, tensor(chosen(first)), tensor(other(second)))

    return {
        **{name: getattr(torch, name) for name in ("expm1", "log", "log1p", "tanh", "sigmoid")},
        **{name: getattr(torch, name) for name in ("abs", "sign", "erf", "erfc")},
        "pi": math.pi,
        "float64": float,
        "exp": lambda value: torch.exp(tensor(value).clamp(max=largest)),
        "sqrt": lambda value: torch.sqrt(tensor(value)),
        "where": where,
        "maximum": lambda a, b: torch.maximum(tensor(a), tensor(b)),
        "minimum": lambda a, b: torch.minimum(tensor(a), tensor(b)),
        "max": lambda value: value.amax(axis, keepdim=True),
        "sum": lambda value: value.sum(axis, keepdim=True),
        "join": lambda a, b: torch.cat((a, b), axis),
    }


class _Branches(ast.NodeTransformer):
    """`where(condition, a, b)` with a and b as functions of x."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "where":
            of_x = ast.arguments(
                posonlyargs=[], args=[ast.arg("x")], kwonlyargs=[], kw_defaults=[], defaults=[]
            )
            node.args[1:] = [ast.Lambda(of_x, branch) for branch in node.args[1:]]
        return node


@cache
def _function(text: str) -> expression.Value:
    return expression.read(_Branches().visit(ast.parse(text, mode="eval")).body)
