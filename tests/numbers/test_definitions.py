"""Every activation is what torch, jax and ONNX say it is, as the catalog spells it for them, in float64.

torch's autograd and jax's vjp judge the gradients, ONNX's reference implementation the forward pass. A
row that names none of the three is held against its formula by mpmath. Where we differ on purpose, at an
infinity or at a kink, `ON_PURPOSE` says why.
"""

from __future__ import annotations

import ast
from functools import cache

import mpmath_reference as reference
import numpy as np
import pytest
from cases import other_parameters

import fastact as fa
from fastact import catalog

SHAPE = (6, 4, 60)
POINTS = np.array([-np.inf, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 6, np.inf])
"""Infinities, and where some activation has a kink."""

NAN_AT_INFINITY = "they multiply infinity by 0; the limit is a number"
NAN_OF_A_QUOTIENT = "they divide infinity by infinity; the limit is a number"
OTHER_SIDE = "at the kink theirs is the derivative on the other side"
BETWEEN = "at the kink theirs is a derivative between those on both sides"
FLOAT32_SIXTH = "its slope of 1/6 is rounded to float32"
ON_PURPOSE = {
    ("torch", "silu", "forward"): NAN_AT_INFINITY,
    ("torch", "silu", "backward"): NAN_AT_INFINITY,
    ("jax", "silu", "forward"): NAN_AT_INFINITY,
    ("jax", "silu", "backward"): NAN_AT_INFINITY,
    ("torch", "gelu", "forward"): NAN_AT_INFINITY,
    ("torch", "gelu", "backward"): NAN_AT_INFINITY,
    ("torch", "gelu_tanh", "forward"): NAN_AT_INFINITY,
    ("torch", "gelu_tanh", "backward"): NAN_AT_INFINITY,
    ("jax", "gelu", "forward"): NAN_AT_INFINITY,
    ("jax", "gelu", "backward"): NAN_AT_INFINITY,
    ("jax", "gelu_tanh", "forward"): NAN_AT_INFINITY,
    ("jax", "gelu_tanh", "backward"): NAN_AT_INFINITY,
    ("torch", "mish", "forward"): NAN_AT_INFINITY,
    ("torch", "mish", "backward"): NAN_AT_INFINITY,
    ("jax", "mish", "forward"): NAN_AT_INFINITY,
    ("jax", "mish", "backward"): NAN_AT_INFINITY,
    ("torch", "softplus", "backward"): NAN_OF_A_QUOTIENT,
    ("jax", "leaky_relu", "backward"): OTHER_SIDE,
    ("torch", "softsign", "forward"): NAN_AT_INFINITY,
    ("torch", "softsign", "backward"): NAN_AT_INFINITY,
    ("jax", "softsign", "forward"): NAN_AT_INFINITY,
    ("jax", "softsign", "backward"): NAN_AT_INFINITY,
    ("jax", "squareplus", "forward"): NAN_AT_INFINITY,
    ("jax", "squareplus", "backward"): NAN_AT_INFINITY,
    ("torch", "hardswish", "forward"): NAN_AT_INFINITY,
    ("jax", "hardswish", "forward"): NAN_AT_INFINITY,
    ("jax", "sparse_plus", "backward"): NAN_AT_INFINITY,
    ("jax", "sparse_sigmoid", "backward"): BETWEEN,
    ("jax", "hardtanh", "backward"): OTHER_SIDE,
    ("torch", "hardsigmoid", "backward"): FLOAT32_SIXTH,
}
"""Why results at some of `POINTS` differ, by library, activation and direction."""


FLOAT32_CONSTANTS = {
    ("onnx", "selu"): "attributes are float32",
    ("onnx", "hardswish"): "attributes are float32",
    ("onnx", "gelu"): "its reference implementation computes erf in float32",
    ("onnx", "gelu_tanh"): "2/pi and 0.044715 are rounded to float32",
    ("torch", "hardsigmoid"): "the gradient's 1/6 is a float32",
    ("torch", "celu"): "the gradient's alpha is rounded to float32",
}
"""Where theirs is no float64 result, though its arrays are."""

CANCELLATION = {("jax", "gelu_tanh"): "the gradient's 1 + tanh and 1 - tanh**2 cancel in the negative tail"}
"""Where theirs loses digits: a few eps of the largest term is what remains."""


def _parameter_sets(row: catalog.Row) -> list[dict]:
    return [row.needs, *({**row.needs, **parameters} for parameters in other_parameters(row))]


def _cases(library: str) -> list:
    """Every set of parameters that the library has too."""
    return [
        pytest.param(row, parameters, id=f"{row.name} {parameters or ''}".strip())
        for row in catalog.rows
        for text in [getattr(row, library)]
        if text
        for parameters in _parameter_sets(row)
        if all(name in text for name in set(parameters) & set(row.numbers))
    ]


def _draw(row: catalog.Row) -> tuple[np.ndarray, np.ndarray]:
    """An input of small and large values of both signs, and a gradient of the output's shape."""
    random = np.random.default_rng(0)
    x = random.normal(0, 3, SHAPE) * random.choice([0.1, 1, 6], SHAPE)
    return x, random.standard_normal((*SHAPE[:-1], SHAPE[-1] // row.shape.inputs))


def _backward(row: catalog.Row, dy, x, parameters) -> np.ndarray:
    activation = fa.get(row.name)
    saved = {"x": x} if "x" in row.saves else {"y": activation(x, **parameters)}
    result = activation.backward(dy, **saved, **parameters)
    return result[0] if isinstance(result, tuple) else result


class _Qualified(ast.NodeTransformer):
    """``f(x)`` becomes ``library.f(x)``, so that a parameter may be called like a function."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        library = ast.Name("library", ast.Load())
        return ast.Call(ast.Attribute(library, node.func.id, ast.Load()), node.args, node.keywords)


@cache
def _compiled(text: str):
    tree = _Qualified().visit(ast.parse(text, mode="eval"))
    return compile(ast.fix_missing_locations(tree), text, "eval")


class _Library:
    """The functions of several modules; the first that has a name counts."""

    def __init__(self, *modules) -> None:
        self.modules = modules

    def __getattr__(self, name: str):
        return next(getattr(module, name) for module in self.modules if hasattr(module, name))


def _names(row: catalog.Row, parameters: dict) -> dict:
    return {"axis": -1, "inf": np.inf, **row.numbers, **parameters}


def _by_torch(row: catalog.Row, x, dy, parameters) -> tuple[np.ndarray, np.ndarray]:
    torch = pytest.importorskip("torch")
    names = _names(row, parameters)
    if "weight" in names:
        names["weight"] = torch.tensor([names["weight"]], dtype=torch.float64)
    source = torch.tensor(x, requires_grad=True)
    names["x"] = source
    if row.shape.halves:
        names["a"], names["b"] = source.chunk(2, -1)
    y = eval(_compiled(row.torch), {"library": _Library(torch.nn.functional, torch)}, names)
    (dx,) = torch.autograd.grad(y, source, torch.tensor(dy))
    return y.detach().numpy(), dx.numpy()


def _by_jax(row: catalog.Row, x, dy, parameters) -> tuple[np.ndarray, np.ndarray]:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    library = _Library(jax.nn, jax.numpy)

    def function(source):
        names = {**_names(row, parameters), "x": source}
        if row.shape.halves:
            names["a"], names["b"] = jax.numpy.split(source, 2, -1)
        return eval(_compiled(row.jax), {"library": library}, names)

    y, pull = jax.vjp(function, x)
    return np.asarray(y), np.asarray(pull(dy)[0])


def _by_onnx(row: catalog.Row, x, parameters) -> np.ndarray:
    """The row's text as a graph of ONNX operators: arguments are inputs, keywords attributes."""
    onnx = pytest.importorskip("onnx")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    names = {**_names(row, parameters), "x": x}
    if row.shape.halves:
        names["a"], names["b"] = np.split(x, 2, -1)
    nodes, feeds = [], {}

    def build(node: ast.expr) -> str:
        name = f"v{len(nodes)}_{len(feeds)}"
        if isinstance(node, ast.Call):
            inputs = [build(argument) for argument in node.args]
            attributes = {keyword.arg: value_of(keyword.value) for keyword in node.keywords}
            nodes.append(helper.make_node(node.func.id, inputs, [name], **attributes))
        else:
            feeds[name] = np.asarray(value_of(node), np.float64)
        return name

    def value_of(node: ast.expr):
        return eval(compile(ast.Expression(node), row.onnx, "eval"), {}, names)

    result = build(ast.parse(row.onnx, mode="eval").body)
    inputs = [helper.make_tensor_value_info(name, double, array.shape) for name, array in feeds.items()]
    outputs = [helper.make_tensor_value_info(result, double, None)]
    graph = helper.make_graph(nodes, row.name, inputs, outputs)
    return evaluator(helper.make_model(graph)).run(None, feeds)[0]


BY_AUTOGRAD = {"torch": _by_torch, "jax": _by_jax}


def _assert_equal(ours, theirs, by: tuple[str, str] = ("", "")) -> None:
    rtol, atol = (1e-5, 1e-6) if by in FLOAT32_CONSTANTS else (1e-12, 1e-13 if by in CANCELLATION else 1e-14)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("row", "parameters"), _cases("torch"))
def test_forward_and_gradient_are_those_of_torch(row, parameters):
    x, dy = _draw(row)
    y, dx = _by_torch(row, x, dy, parameters)
    _assert_equal(fa.get(row.name)(x, **parameters), y)
    _assert_equal(_backward(row, dy, x, parameters), dx, ("torch", row.name))


@pytest.mark.parametrize(("row", "parameters"), _cases("jax"))
def test_forward_and_gradient_are_those_of_jax(row, parameters):
    x, dy = _draw(row)
    y, dx = _by_jax(row, x, dy, parameters)
    _assert_equal(fa.get(row.name)(x, **parameters), y)
    _assert_equal(_backward(row, dy, x, parameters), dx, ("jax", row.name))


@pytest.mark.parametrize(("row", "parameters"), _cases("onnx"))
def test_forward_is_that_of_onnx(row, parameters):
    """With parameters that are float32 numbers, as ONNX attributes are."""
    x, _ = _draw(row)
    numbers = {name: value for name, value in row.numbers.items() if isinstance(value, float)} | parameters
    rounded = {name: float(np.float32(v)) if isinstance(v, float) else v for name, v in numbers.items()}
    _assert_equal(fa.get(row.name)(x, **rounded), _by_onnx(row, x, rounded), ("onnx", row.name))


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    ("library", "row"),
    [
        pytest.param(library, row, id=f"{library}-{row.name}")
        for library in BY_AUTOGRAD
        for row in catalog.rows
        if row.kind == "elementwise" and getattr(row, library)
    ],
)
def test_infinities_and_kinks_are_theirs_or_differ_for_a_reason(library, row, direction):
    """What `ON_PURPOSE` lists must differ, so that it says nothing that has ceased to be so."""
    dy = np.ones_like(POINTS)
    y, dx = BY_AUTOGRAD[library](row, POINTS, dy, row.required)
    theirs = y if direction == "forward" else dx
    forward = direction == "forward"
    ours = fa.get(row.name)(POINTS, **row.required) if forward else _backward(row, dy, POINTS, row.required)
    same = np.isclose(ours, theirs, rtol=1e-12, atol=1e-14, equal_nan=True)
    listed = (library, row.name, direction) in ON_PURPOSE
    assert same.all() != listed, f"at {POINTS[~same]}: {ours[~same]}, theirs {theirs[~same]}"


@pytest.mark.parametrize(
    "row", [row for row in catalog.rows if not (row.torch or row.jax or row.onnx)], ids=lambda r: r.name
)
def test_a_row_that_names_no_library_is_held_against_its_formula(row):
    """The values by mpmath; test_values.py and test_accuracy.py do so in every region."""
    x, _ = _draw(row)
    x = x[0, :2]
    if "pieces" in row.needs:
        exact = reference.forward(row, x.reshape(2, -1, row.shape.inputs))[..., 0]
    elif "seed" in row.needs:
        exact = reference.forward(row, x, noise=fa.get(row.name).noise(x.shape, **row.needs))
    else:
        exact = reference.forward(row, x, **row.names(**row.needs))
    _assert_equal(fa.get(row.name)(x, **row.needs), reference.rounded(exact, np.float64))
