"""What other libraries call an activation: read from the rows, which say so in their own words.

A row's text for a library (``keras="hard_silu(x)"``) spells the activation there, unless it passes
parameters that differ from ours. Where a default of theirs differs, the row's convention says how to get
theirs (``call="hardsigmoid(x, 0.2)"``), and so what is bound. The few names that no text has are in `OTHERS`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from . import expression, rows
from .arguments import REQUIRED
from .row import Convention, Row

TEXTS = ("torch", "jax", "onnx", "keras")
"""The fields of a row that spell it for a library."""

MODULE_WORDS = {
    **{"relu": "ReLU", "relu6": "ReLU6", "prelu": "PReLU", "rrelu": "RReLU"},
    **{"silu": "SiLU", "logsigmoid": "LogSigmoid"},
}
"""Words of torch.nn beside those in capitals (ELU, GELU) and those with one (Hardtanh)."""
NO_MODULE = ("gumbel_softmax",)
"""Functions of torch that torch.nn has no module of."""

OTHERS: dict[str, dict[str, str]] = {
    "keras": {"hard_swish": "hardswish(x)"},
    "jax": {"hard_silu": "hardswish(x)"},
    "sklearn": {
        "identity": "identity(x)",
        "logistic": "sigmoid(x)",
        "tanh": "tanh(x)",
        "relu": "relu(x)",
        "softmax": "softmax(x)",
        "exp": "exponential(x)",
    },
    "huggingface": {
        "gelu": "gelu(x)",
        "gelu_10": "hardtanh(gelu(x), -10, 10)",
        "gelu_accurate": "gelu_tanh(x)",
        "gelu_fast": "gelu_tanh(x)",
        "gelu_new": "gelu_tanh(x)",
        "gelu_python": "gelu(x)",
        "gelu_python_tanh": "gelu_tanh(x)",
        "gelu_pytorch_tanh": "gelu_tanh(x)",
        "leaky_relu": "leaky_relu(x)",
        "linear": "identity(x)",
        "mish": "mish(x)",
        "prelu": "prelu(x)",
        "quick_gelu": "quick_gelu(x)",
        "relu": "relu(x)",
        "relu2": "squared_relu(x)",
        "relu6": "relu6(x)",
        "sigmoid": "sigmoid(x)",
        "silu": "silu(x)",
        "swish": "silu(x)",
        "tanh": "tanh(x)",
    },
}
"""Names whose library has no text in a row, or that are a second name there, and the call that is theirs."""


class Meaning(NamedTuple):
    """What a name stands for: an activation, with parameters where theirs are not ours."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    instead: str = ""
    """What to write, where no activation and parameters are the same."""


@cache
def spellings() -> dict[str, dict[str, Meaning]]:
    """The names of each library, and what each stands for."""
    known: dict[str, dict[str, Meaning]] = {library: {} for library in (*TEXTS, *OTHERS)}
    for library in TEXTS:
        for row in rows:
            for name, meaning in _of_row(row, library):
                known[library].setdefault(name, meaning)
    functions = known["torch"]
    functions.update(
        {module_name(name): functions[name] for name in list(functions) if name not in NO_MODULE}
    )
    for library, names in OTHERS.items():
        known[library].update({name: _meaning(call, {}) for name, call in names.items()})
    return known


def meanings(name: str) -> dict[str, Meaning]:
    """What a name stands for, by the libraries that have it; ``library:name`` asks for one of them."""
    library, colon, rest = name.partition(":")
    if colon:
        names = spellings().get(library, {})
        return {library: names[rest]} if rest in names else {}
    return {library: names[name] for library, names in spellings().items() if name in names}


def _of_row(row: Row, library: str) -> Iterator[tuple[str, Meaning]]:
    said = next((entry for entry in row.conventions if entry.library == library), None)
    theirs = said and _call(said.theirs)
    if said and theirs:
        yield theirs.func.id, _by_convention(row, said, theirs)
    call = _call(getattr(row, library))
    # A bound that is another input of an operator has no default there.
    inputs = {node.id for node in call.args[1:] if isinstance(node, ast.Name)} if call else set()
    has_no_default = library == "onnx" and inputs & (set(row.numbers) - set(row.required))
    if call and not has_no_default and _is_plain(row, call):
        yield call.func.id, Meaning(row.name)


def _by_convention(row: Row, said: Convention, theirs: ast.Call) -> Meaning:
    call = _call(said.call)
    # What is no call names several, or what cannot be had: the plain one is nearest.
    if not said.differs or call is None or not _is_x(call):
        return Meaning(row.name)
    return _meaning(said.call, {k.arg: _value(k.value, {}) for k in theirs.keywords if k.arg})


def _meaning(text: str, names: dict[str, Any]) -> Meaning:
    """What a call of ours stands for, with its parameters where they are not the defaults."""
    call = _call(text)
    if call is None or not _is_x(call):
        return Meaning("", (), text)
    row = next(row for row in rows if row.name == call.func.id)
    positional = [a for a in row.arguments if not a.by_name]
    given = dict(zip((a.name for a in positional), call.args[1:], strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    defaults = {argument.name: argument.default for argument in row.arguments}
    values = {name: _value(node, names) for name, node in given.items()}
    # None stands for what theirs leaves open, such as an axis that depends on the array.
    bound = {n: v for n, v in values.items() if v is not None and v is not REQUIRED and v != defaults[n]}
    return Meaning(row.name, tuple(bound.items()))


def _call(text: str) -> Any:
    """A text as the one call of a plain name that it is, or None."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return node if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args else None


def _is_x(call: ast.Call) -> bool:
    return isinstance(call.args[0], ast.Name)


def _is_plain(row: Row, call: ast.Call) -> bool:
    """Whether a row's text is the function of x with nothing but the row's parameters beside it."""
    names = {**row.numbers, "x": 0.7}
    same_x = _value(call.args[0], names) == names["x"]
    others = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    return same_x and all(isinstance(node, ast.Name) for node in others)


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """A constant expression's value; `REQUIRED` for what only a caller knows."""
    try:
        return expression.read(node)(names)
    except (KeyError, TypeError, ValueError):
        return REQUIRED


def module_name(name: str) -> str:
    """The name of a module, as torch.nn makes it of the name of a function."""
    return "".join(MODULE_WORDS.get(word) or _capital(word) for word in name.split("_"))


def _capital(word: str) -> str:
    if word.endswith("glu"):
        return word[:-3].capitalize() + "GLU"
    return word.upper() if word.endswith("lu") and len(word) < 5 else word.capitalize()
