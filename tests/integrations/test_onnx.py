"""fastact.integrations.onnx against onnx's reference evaluator itself."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx.reference")

import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops import _op_list

import fastact as fa
from fastact.catalog.spellings import spellings
from fastact.integrations import onnx as ours
from fastact.integrations.counterparts import choice

OPSET = onnx.defs.onnx_opset_version()
NO_ACTIVATION = [("Selu", {"gamma": 2.0}), ("Shrink", {"bias": 0.25})]
CASES = [
    *[(operator, {}) for operator in ours._counterparts()],
    *[("LeakyRelu", {"alpha": 0.3}), ("LeakyRelu", {"alpha": -0.3}), ("Elu", {"alpha": 0.5})],
    *[("Celu", {"alpha": 2.0}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4})],
    *[("ThresholdedRelu", {"alpha": 0.25}), ("Softmax", {"axis": 0}), ("LogSoftmax", {"axis": 1})],
    *[("Shrink", {"lambd": 1.0}), ("Shrink", {"lambd": 1.0, "bias": 1.0})],
    *[("Gelu", {"approximate": "tanh"}), *NO_ACTIVATION],
]
TOLERANCE = {"Gelu": 2e-6, "Selu": 2e-7, "HardSwish": 2e-7, "LogSoftmax": 1e-6}
"""Where onnx computes with constants of float32, or its sums cancel."""


@pytest.fixture(params=[np.float16, np.float32, np.float64], ids=lambda d: d.__name__)
def x(request):
    return np.random.default_rng(0).normal(scale=2, size=(3, 4, 5)).astype(request.param)


def model(*nodes, dtype=np.float32):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    names = ["x", *[f"y{i}" for i in range(len(nodes))]]
    graph = helper.make_graph(
        [
            helper.make_node(operator, [a], [b], **attributes)
            for (operator, attributes), a, b in zip(nodes, names, names[1:], strict=False)
        ],
        "graph",
        [helper.make_tensor_value_info("x", kind, None)],
        [helper.make_tensor_value_info(names[-1], kind, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def computed(nodes, x, **options):
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model(*nodes, dtype=x.dtype), **options).run(None, {"x": x})[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1] or ''}".strip())
def test_operators_are_onnxs(case, x):
    expected = computed([case], x)
    with ours.enable():
        enabled = computed([case], x)
    tolerance = 4 * np.finfo(x.dtype).eps
    if x.dtype == np.float64:
        tolerance = max(tolerance, TOLERANCE.get(case[0], 0))
    for found in (enabled, computed([case], x, new_ops=ours.operators())):
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, expected, rtol=4 * tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1] or ''}".strip())
def test_an_operator_is_an_activation_where_one_is_the_same(case):
    operator, attributes = case
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    given = {a.name: ours._plain(helper.get_attribute_value(a)) for a in node.attribute}
    given = {
        **ours._defaults(operator),
        **{n: v.decode() if n == "approximate" else v for n, v in given.items()},
    }
    chosen = choice(ours._counterparts()[operator], given)(tuple(given.values()))
    assert (chosen is None) == (case in NO_ACTIVATION)
    if not attributes and operator in spellings()["onnx"]:
        assert chosen.name == fa.get(f"onnx:{operator}").name


def test_operators_are_those_that_the_catalog_spells():
    """But for those with other inputs."""
    assert set(spellings()["onnx"]) - set(ours._counterparts()) == {"PRelu"}


def test_evaluators_that_were_made_before_are_served_until_disabled():
    x = np.array([-np.inf, 0, 1e4], dtype=np.float32)
    evaluator = ReferenceEvaluator(model(("Celu", {"alpha": 0.5}), ("Sigmoid", {}), ("Exp", {})))

    def run():
        with np.errstate(all="ignore"):
            return evaluator.run(None, {"x": x})[0].tolist()

    before = run()
    with ours.enable():
        exact = fa.exponential(fa.sigmoid(fa.celu(x, alpha=0.5))).tolist()
        assert run() == exact
    assert run() == before


def test_what_onnx_expands_is_one_kernel():
    x = np.array([-np.inf, -1e30, 0, 1e30], dtype=np.float32)
    names = {"Gelu": fa.gelu, "HardSwish": fa.hardswish, "Mish": fa.mish}
    with ours.enable():
        for operator, activation in names.items():
            np.testing.assert_array_equal(computed([(operator, {})], x), activation(x))


def test_functions_of_a_model_are_served_too():
    text = """<ir_version: 10, opset_import: ["": 22, "own": 1]>
    f (float[N] x) => (float[N] y) { y = own.twice(x) }
    <domain: "own", opset_import: ["": 22]> twice (x) => (y) { h = Tanh(x) y = Relu(h) }"""
    evaluator = ReferenceEvaluator(onnx.parser.parse_model(text))
    x = np.linspace(-3, 3, 50, dtype=np.float32)
    with ours.enable():
        np.testing.assert_array_equal(evaluator.run(None, {"x": x})[0], fa.relu(fa.tanh(x)))


def test_integers_are_onnxs():
    x = np.arange(-3, 4, dtype=np.int32)
    with ours.enable():
        found = ReferenceEvaluator(model(("Relu", {}), dtype=x.dtype)).run(None, {"x": x})[0]
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, np.maximum(x, 0))


def test_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.linspace(-3, 3, 50).astype(ml_dtypes.bfloat16)
    node = helper.make_node("Sigmoid", ["x"], ["y"])
    info = [helper.make_tensor_value_info(name, TensorProto.BFLOAT16, None) for name in "xy"]
    graph = helper.make_graph([node], "graph", info[:1], info[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    with ours.enable():
        found = ReferenceEvaluator(made).run(None, {"x": x})[0]
    np.testing.assert_array_equal(found, fa.sigmoid(x))


def test_scalars_and_empty_arrays():
    for x in (np.array(0.5, dtype=np.float32), np.empty((0, 3), dtype=np.float32)):
        with ours.enable():
            found = computed([("Elu", {}), ("Sigmoid", {})], x)
        assert isinstance(found, np.ndarray)
        assert (found.shape, found.dtype) == (x.shape, x.dtype)


def state():
    table = ours._registered()
    return {n: dict(entry) for n, entry in table.items()}, {
        (n, version): dict(vars(cls)) for n, entry in table.items() for version, cls in entry.items()
    }


def test_enable_replaces_and_disable_restores():
    before = state()
    ours.disable()
    with ours.enable():
        inside = state()
        assert inside != before
        with ours.enable():
            pass
        assert state() == inside, "the outer one holds"
    assert state() == before
    ours.enable()
    ours.enable()
    ours.disable()
    assert state() == before


def test_a_version_that_keeps_them_elsewhere_is_named(monkeypatch):
    monkeypatch.delattr(_op_list, "load_op")
    with pytest.raises(RuntimeError, match=r"onnx \d\S* has not what fastact replaces.*load_op"):
        ours.enable()
