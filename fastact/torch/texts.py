"""Derivatives of gradients, which no kernel computes: torch differentiates the catalog's texts of them."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

import torch

from ..catalog import Row


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

    They can be differentiated again.
    """
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        sources = [t if t.requires_grad else t.detach().requires_grad_() for t in (dy, saved)]
        given = dict(given)
        if learnt:
            given[learnt] = given[learnt] if given[learnt].requires_grad else _recorded(given[learnt])
            sources.append(given[learnt])
            results = _by_formula(row, *sources, given)
        else:
            results = (_gradient(row, of, *sources, given),)
        pairs = [(r, g) for r, g in zip(results, grads, strict=True) if g is not None and r.requires_grad]
        found = torch.autograd.grad(
            [r for r, _ in pairs],
            sources,
            [g.to(r.dtype) for r, g in pairs],
            create_graph=again,
            allow_unused=True,
        )
    of_dy, of_saved, *of_learnt = found
    return of_dy, of_saved, of_learnt[0] if learnt else None


def _recorded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().requires_grad_()


def _by_formula(
    row: Row, dy: torch.Tensor, x: torch.Tensor, learnt: torch.Tensor, given: dict[str, Any]
) -> Any:
    """dx and dlearnt by torch's derivative of the formula of the result."""
    axis = given.get("axis", 0)
    names = dict(given)
    for name, value in given.items():
        if isinstance(value, torch.Tensor):
            names[name] = _along(value, axis, x.ndim)
    y = _evaluated(row.text(), {"x": x}, row.names(**names), axis)
    return torch.autograd.grad(y, (x, learnt), dy.to(y.dtype), create_graph=True)


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
    result = eval(_compiled(text), {**_words(values, dtype, axis), **names, **values})
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
        **{name: getattr(torch, name) for name in ("expm1", "log", "log1p", "sqrt", "tanh", "sigmoid")},
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
def _compiled(text: str) -> CodeType:
    tree = ast.fix_missing_locations(_Branches().visit(ast.parse(text, mode="eval")))
    return compile(tree, "<catalog>", "eval")
