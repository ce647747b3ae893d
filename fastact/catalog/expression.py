"""The catalog's texts as functions of the names in them.

A text is read once, into functions of its parts. Of Python it may hold what is read here and no more, and
nothing in the package runs text as a program.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

Names = dict[str, Any]
Value = Callable[[Names], Any]
"""What a text is worth, given what its names stand for."""

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.USub: operator.neg, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


@cache
def function(text: str) -> Value:
    """A text as a function; ValueError where it is no expression of the catalog."""
    return read(ast.parse(text.strip(), mode="eval").body)


def read(node: ast.expr) -> Value:
    """The same of a text that was parsed, or of a part of one."""
    match node:
        case ast.Constant(value=value):
            return lambda names: value
        case ast.Name(id=name):
            return operator.itemgetter(name)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            compute, of = OPERATORS[type(op)], read(operand)
            return lambda names: compute(of(names))
        case (
            ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right])
        ) if type(op) in OPERATORS:
            return _operation(OPERATORS[type(op)], read(left), read(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(name, tuple(map(read, args)))
        case ast.Tuple(elts=elements):
            values = tuple(map(read, elements))
            return lambda names: tuple([value(names) for value in values])
        case ast.NamedExpr(target=ast.Name(id=name), value=named):
            return _named(name, read(named))
        case ast.Lambda(args=ast.arguments(args=[ast.arg(arg=name)]), body=body):
            of_names = read(body)
            return lambda names: lambda value: of_names({**names, name: value})
    raise ValueError(f"{ast.unparse(node)!r} is no expression of the catalog")


def _operation(compute: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    return lambda names: compute(left(names), right(names))


def _call(name: str, args: tuple[Value, ...]) -> Value:
    return lambda names: names[name](*[arg(names) for arg in args])


def _named(name: str, value: Value) -> Value:
    def named(names: Names) -> Any:
        names[name] = found = value(names)
        return found

    return named
