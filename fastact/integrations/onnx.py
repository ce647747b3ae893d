"""onnx's reference evaluator with fastact's activations: as new operators of one, and in all evaluators.

Which operators there are, and what their attributes are here, is read from the rows of the catalog. Where
results differ by more than rounding, onnx's are those that are off: LogSoftmax is -inf where Softmax
underflows, Swish 0 below -88, Gelu 0 below -5.6; Selu, HardSwish and Gelu have constants of float32 in
float64 too; infinities give NaN in HardSwish, Softsign, Swish, Gelu and Mish, and NaN gives 0 in Shrink and
ThresholdedRelu.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx.defs
import onnx.helper
from onnx.reference.op_run import OpRun
from onnx.reference.ops import _op_list

from ..catalog import Row, rows
from .counterparts import Counterpart, called, choice, computed, of_text
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
    for name in _counterparts():
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


def _places() -> Iterator[Place]:
    table = _registered()
    for operator in operators():
        name = operator.__name__
        if name in table:
            yield from (Place(theirs, "_run", _run(name, theirs._run)) for theirs in table[name].values())
        else:
            yield Place(table, name, {None: operator})


_replacement = Replacement("onnx", _places)
disable = _replacement.disable


def _registered() -> dict[str, dict[int | None, type[OpRun]]]:
    """onnx's classes by operator and the version that they begin at, made when the first is asked for."""
    _op_list.load_op("", "Relu", None)
    return _op_list._registered_operators


def _run(operator: str, theirs: Callable[..., Any]) -> Callable[..., Any]:
    """What computes an operator, by fastact where an activation is the same."""
    names = tuple(_defaults(operator))
    chosen = choice(_counterparts()[operator], names)

    def run(self: Any, x: Any, *others: Any, **attributes: Any) -> Any:
        if computed(x) and not others:
            activation = chosen(tuple(_plain(attributes.get(name, getattr(self, name))) for name in names))
            if activation is not None:
                return (activation(x),)
        return theirs(self, x, *others, **attributes)

    return run


def _plain(attribute: Any) -> Any:
    return float(attribute) if isinstance(attribute, np.floating) else attribute


@cache
def _counterparts() -> dict[str, list[Counterpart]]:
    """What fastact has of each operator that the installed onnx has."""
    known: dict[str, list[Counterpart]] = {}
    for row in rows:
        for operator, counterpart in (*_of_text(row), *_of_convention(row)):
            known.setdefault(operator, []).append(counterpart)
    return known


def _of_text(row: Row) -> Iterator[tuple[str, Counterpart]]:
    """The operator that a row names, where it has no other input than x: ``LeakyRelu(x, alpha=slope)``."""
    operator = called(row.onnx)
    if operator in _operators_of_onnx():
        found = of_text(row, row.onnx, _defaults(operator), by_position=False)
        if found:
            yield found


def _of_convention(row: Row) -> Iterator[tuple[str, Counterpart]]:
    """An operator whose every attribute is in the call that a row says to be theirs: ``swish(x, alpha)``."""
    for said in row.conventions:
        operator = called(said.theirs) if said.library == "onnx" and said.call else ""
        if operator in _operators_of_onnx():
            call: Any = ast.parse(said.call, mode="eval").body
            names = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
            if _defaults(operator) and names.issuperset(_defaults(operator)):
                ours = [argument.name for argument in row.arguments if not argument.by_name]
                given = dict(zip(ours, map(ast.unparse, call.args[1:]), strict=False))
                yield operator, Counterpart(row, given, {})


@cache
def _operators_of_onnx() -> set[str]:
    return {schema.name for schema in onnx.defs.get_all_schemas()}


@cache
def _defaults(operator: str) -> dict[str, Any]:
    """The attributes of an operator with their defaults."""
    schema = onnx.defs.get_schema(operator)
    values = {n: onnx.helper.get_attribute_value(a.default_value) for n, a in schema.attributes.items()}
    return {n: value.decode() if isinstance(value, bytes) else value for n, value in values.items()}
