"""onnx's reference evaluator with fastact's activations: as new operators of one, and in all evaluators.

Which operators there are, and what their attributes are here, is read from the rows of the catalog.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import onnx.defs
import onnx.helper
from onnx.reference.op_run import OpRun
from onnx.reference.ops import _op_list

from .. import activations
from ..catalog import Row, rows
from ..core.bound import Activation
from .replaced import Enabled, Place, Replacement


def operators() -> list[type[OpRun]]:
    """The operators of ONNX that fastact computes, for one evaluator.

    Inputs and attributes that no activation has, such as integers, are computed as by onnx.

    Returns
    -------
    list of type
        For ``onnx.reference.ReferenceEvaluator(model, new_ops=operators())``.

    Examples
    --------
    >>> import numpy as np
    >>> import onnx.parser
    >>> from fastact.integrations.onnx import operators
    >>> from onnx.reference import ReferenceEvaluator
    >>> text = '<ir_version: 10, opset_import: ["": 22]> f (float[N] x) => (float[N] y) {y = Elu(x)}'
    >>> evaluator = ReferenceEvaluator(onnx.parser.parse_model(text), new_ops=operators())
    >>> evaluator.run(None, {"x": np.array([-100, 2], dtype=np.float32)})[0].tolist()
    [-1.0, 2.0]
    """
    made = []
    for name in _variants():
        theirs = _registered().get(name, {None: OpRun})[None]
        made.append(type(name, (theirs,), {"_run": _run(name, theirs._run), "__module__": __name__}))
    return made


def enable() -> Enabled:
    """Replace the activations of all reference evaluators by fastact's.

    Evaluators that were made before are served too, but for operators that onnx has no implementation of and
    expands when an evaluator is made (Gelu, HardSwish, Mish).

    Returns
    -------
    context manager
        In a ``with`` statement, what was there before comes back at the end of the block.

    Raises
    ------
    RuntimeError
        If this version of onnx keeps its operators elsewhere; nothing is replaced then.

    Examples
    --------
    >>> import numpy as np
    >>> import fastact.integrations.onnx
    >>> import onnx.parser
    >>> from onnx.reference import ReferenceEvaluator
    >>> text = '<ir_version: 10, opset_import: ["": 22]> f (float[N] x) => (float[N] y) {y = Mish(x)}'
    >>> with fastact.integrations.onnx.enable():
    ...     evaluator = ReferenceEvaluator(onnx.parser.parse_model(text))
    ...     evaluator.run(None, {"x": np.array([0, np.inf], dtype=np.float32)})[0].tolist()
    [0.0, inf]
    """
    return _replacement.enable()


def disable() -> None:
    """Put back what was there before `enable`.

    Examples
    --------
    >>> import fastact.integrations.onnx
    >>> fastact.integrations.onnx.disable()
    """
    _replacement.disable()


def _places() -> Iterator[Place]:
    table = _registered()
    for operator in operators():
        name = operator.__name__
        if name in table:
            yield from (Place(theirs, "_run", _run(name, theirs._run)) for theirs in table[name].values())
        else:
            yield Place(table, name, {None: operator})


_replacement = Replacement("onnx", _places)


def _registered() -> dict[str, dict[int | None, type[OpRun]]]:
    """onnx's classes by operator and the version that they begin at, made when the first is asked for."""
    _op_list.load_op("", "Relu", None)
    return _op_list._registered_operators


def _run(operator: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    """What computes an operator, by fastact where an activation is the same."""
    names = tuple(_defaults(operator))

    def run(self: Any, x: Any, *others: Any, **attributes: Any) -> Any:
        given = tuple(attributes.get(name, getattr(self, name)) for name in names)
        if isinstance(x, np.ndarray) and (x.dtype.kind == "f" or x.dtype.name == "bfloat16") and not others:
            activation = _chosen(operator, tuple(map(_plain, given)))
            if activation is not None:
                return (activation(x),)
        return theirs(self, x, *others, **attributes)

    return run


def _plain(attribute: Any) -> Any:
    return float(attribute) if isinstance(attribute, np.floating) else attribute


class _Variant(NamedTuple):
    """An activation that an operator is at some of its attributes."""

    row: Row
    parameters: dict[str, str]
    """Ours as expressions over the attributes."""
    attributes: dict[str, str]
    """Those it is at, as expressions over our parameters; one that is not here may be anything."""

    def at(self, attributes: dict[str, Any]) -> Activation | None:
        parameters = {name: eval(text, {}, attributes) for name, text in self.parameters.items()}
        if any(attributes[n] != eval(text, {}, parameters) for n, text in self.attributes.items()):
            return None
        activation = activations[self.row.name]
        try:
            return activation.bind(**parameters) if parameters else activation
        except ValueError:  # more is allowed there
            return None


@lru_cache(maxsize=256)
def _chosen(operator: str, attributes: tuple[Any, ...]) -> Activation | None:
    """The activation that an operator is at these attributes, if one is."""
    given = dict(zip(_defaults(operator), attributes, strict=True))
    found = (variant.at(given) for variant in _variants()[operator])
    return next((activation for activation in found if activation is not None), None)


@cache
def _variants() -> dict[str, list[_Variant]]:
    """What fastact has of each operator that the installed onnx has."""
    known: dict[str, list[_Variant]] = {}
    for row in rows:
        for operator, variant in (*_of_text(row), *_of_convention(row)):
            known.setdefault(operator, []).append(variant)
    return known


def _of_text(row: Row) -> Iterator[tuple[str, _Variant]]:
    """The operator that a row names, where it has no other input than x: ``LeakyRelu(x, alpha=slope)``."""
    call = ast.parse(row.onnx or "None", mode="eval").body
    if isinstance(call, ast.Call) and len(call.args) == 1:
        operator, values = _name(call), {k.arg: k.value for k in call.keywords if k.arg}
        if operator in _operators_of_onnx():
            parameters = {value.id: n for n, value in values.items() if isinstance(value, ast.Name)}
            attributes = {n: repr(default) for n, default in _defaults(operator).items()}
            attributes |= {n: ast.unparse(value) for n, value in values.items()}
            yield operator, _Variant(row, parameters, attributes)


def _of_convention(row: Row) -> Iterator[tuple[str, _Variant]]:
    """An operator whose every attribute is in the call that a row says to be theirs: ``swish(x, alpha)``."""
    for said in row.conventions:
        if said.library == "onnx" and said.call:
            operator = _name(ast.parse(said.theirs, mode="eval").body)
            call: Any = ast.parse(said.call, mode="eval").body
            attributes = _defaults(operator) if operator in _operators_of_onnx() else {}
            if attributes and set(attributes) <= {n.id for n in ast.walk(call) if isinstance(n, ast.Name)}:
                ours = [argument.name for argument in row.arguments if not argument.by_name]
                given = dict(zip(ours, map(ast.unparse, call.args[1:]), strict=False))
                yield operator, _Variant(row, given, {})


def _name(call: Any) -> str:
    return call.func.id


@cache
def _operators_of_onnx() -> set[str]:
    return {schema.name for schema in onnx.defs.get_all_schemas()}


@cache
def _defaults(operator: str) -> dict[str, Any]:
    """The attributes of an operator with their defaults."""
    schema = onnx.defs.get_schema(operator)
    values = {n: onnx.helper.get_attribute_value(a.default_value) for n, a in schema.attributes.items()}
    return {n: value.decode() if isinstance(value, bytes) else value for n, value in values.items()}
