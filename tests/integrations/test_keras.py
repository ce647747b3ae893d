"""fastact.integrations.keras against keras itself, on its NumPy backend."""

from __future__ import annotations

import importlib
import inspect
import warnings

import numpy as np
import pytest

import fastact as fa
from fastact.catalog.spellings import spellings

X = np.random.default_rng(0).normal(scale=2, size=(3, 4, 6))
NEEDS = {"threshold": (0.25, 1.5)}
GIVEN = {
    "leaky_relu": [{"negative_slope": 0.3}],
    "elu": [{"alpha": 0.5}],
    "celu": [{"alpha": 2.0}],
    "gelu": [{"approximate": True}, {"approximate": False}],
    "soft_shrink": [{"threshold": 1.0}],
    "hard_shrink": [{"threshold": 1.0}],
    "squareplus": [{"b": 1}],
    "softmax": [{"axis": 1}, {"axis": (0, 2)}],
    "log_softmax": [{"axis": 0}],
    "sparsemax": [{"axis": 1}],
    "glu": [{"axis": 1}],
    "relu": [{"negative_slope": 0.25}, {"max_value": 1.0}, {"max_value": 6}, {"threshold": 0.5}],
}
CASES = [(name, {}) for name in spellings()["keras"]] + [(n, given) for n, g in GIVEN.items() for given in g]
CANCELS = ("tanh_shrink", "log_softmax")
"""Where keras has a difference of what is nearly the same."""


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")  # which keras's NumPy backend imports
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras")
    return keras


@pytest.fixture
def ours(keras):
    return importlib.import_module("fastact.integrations.keras")


@pytest.fixture(params=["float16", "float32", "float64", "float64 everywhere"])
def dtype(request, keras):
    dtype, *everywhere = request.param.split(" ")
    if everywhere:
        keras.config.set_floatx(dtype)
    yield dtype
    keras.config.set_floatx("float32")


@pytest.mark.parametrize(("name", "given"), CASES, ids=lambda value: str(value) if value else "")
def test_activations_are_keras_own(keras, ours, name, given, dtype):
    x = X.astype(dtype)
    for module in (keras.activations, keras.ops):
        function = getattr(module, name, None)
        if function is None or not set(given) <= set(inspect.signature(function).parameters):
            continue
        expected = function(x, *NEEDS.get(name, ()), **given)
        with ours.enable():
            found = function(x, *NEEDS.get(name, ()), **given)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        eps = np.finfo(found.dtype).eps
        tolerance = 100 * eps if name in CANCELS else 8 * eps
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


OWN = {
    **{"leaky_relu": {"negative_slope": 0.3}, "elu": {"alpha": 0.5}, "celu": {"alpha": 2.0}},
    **{"hard_shrink": {"lambd": 1.0}, "soft_shrink": {"lambd": 1.0}, "gelu": {"approximate": "tanh"}},
    **{"softmax": {"axis": 1}, "log_softmax": {"axis": 0}, "glu": {"axis": 1}, "squareplus": {"b": 1}},
    "threshold": {"threshold": 0.25, "value": 1.5},
}
"""The first of `GIVEN`, and of `NEEDS`, in our words."""


@pytest.mark.parametrize("name", sorted(set(spellings()["keras"]) - {"linear", "sparsemax"}))
def test_fastact_computes_them_to_the_bit(keras, ours, name):
    x = X.astype("float32")
    function, meant = getattr(keras.activations, name), fa.get(f"keras:{name}")
    with ours.enable():
        if name not in NEEDS:
            np.testing.assert_array_equal(function(x), meant(x))
        if name in OWN:
            found = function(x, *NEEDS.get(name, ()), **GIVEN.get(name, [{}])[0])
            np.testing.assert_array_equal(found, fa.activations[meant.name](x, **OWN[name]))


def test_what_keras_computes_otherwise_stays(keras, ours):
    """Its sparsemax, of whose rows not all sum to 1: models that were trained with it need that one."""
    x = X.astype("float32")
    expected = keras.ops.sparsemax(x)
    assert not np.allclose(expected.sum(-1), 1)
    with ours.enable():
        np.testing.assert_array_equal(keras.ops.sparsemax(x), expected)


def test_ops_gelu_keeps_its_own_default(keras, ours):
    x = X.astype("float32")
    with ours.enable():
        np.testing.assert_array_equal(keras.ops.gelu(x), fa.gelu_tanh(x))
        np.testing.assert_array_equal(keras.activations.gelu(x), fa.gelu(x))


def test_models_predict_the_same(keras, ours):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="gelu"),
            layers.Dense(16, activation="silu"),
            layers.Dense(16),
            layers.LeakyReLU(0.1),
            layers.Dense(16, activation="mish"),
            layers.Activation("exponential"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    expected = model.predict(x, verbose=0)
    with ours.enable():
        found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert not np.array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_integers_lists_and_tensors_as_arguments_are_keras_own(keras, ours):
    with ours.enable():
        assert keras.ops.exp(np.array([0, 1])).dtype == "float32"
        assert keras.ops.relu(np.array([-1, 1])).tolist() == [0, 1]
        assert keras.ops.sigmoid([0.0]).dtype == "float32"
        assert keras.ops.squareplus(np.zeros(1), np.array(1.0)).tolist() == [0.5]
        with pytest.raises(TypeError, match="slope"):
            keras.src.backend.nn.leaky_relu(np.zeros(1), slope=1)


def test_symbolic_tensors(keras, ours):
    with ours.enable():
        tensor = keras.activations.gelu(keras.KerasTensor((None, 3)))
    assert tensor.shape == (None, 3)


def state(keras):
    from keras.src import backend
    from keras.src.activations.activations import Mish

    return [dict(vars(holder)) for holder in (backend.nn, backend.numpy, Mish)]


def test_enable_replaces_and_disable_restores(keras, ours):
    before = state(keras)
    ours.disable()
    with ours.enable():
        inside = state(keras)
        assert all(a != b for a, b in zip(inside, before, strict=True))
        with ours.enable():
            pass
        assert state(keras) == inside, "the outer one holds"
    assert state(keras) == before
    ours.enable()
    ours.enable()
    ours.disable()
    assert state(keras) == before


def test_another_backend_is_refused(keras, ours, monkeypatch):
    before = state(keras)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"keras runs on jax.*KERAS_BACKEND=numpy"):
        ours.enable()
    assert state(keras) == before


def test_a_version_without_a_place_is_named(keras, ours, monkeypatch):
    monkeypatch.delattr(ours.keras_activations, "Mish")
    before = [dict(vars(holder)) for holder in (ours.backend.nn, ours.backend.numpy)]
    with pytest.raises(RuntimeError, match=r"keras \d\S* has not what fastact replaces.*Mish"):
        ours.enable()
    assert before == [dict(vars(holder)) for holder in (ours.backend.nn, ours.backend.numpy)]
