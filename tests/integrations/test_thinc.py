"""fastact.integrations.thinc against thinc itself, and by thinc's own tests."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("thinc")

from thinc import api as thinc

from fastact.integrations import thinc as ours

X = np.linspace(-6, 6, 240, dtype=np.float32).reshape(8, 30) + np.float32(0.01)
"""No kink among them, where slopes are a matter of taste."""
METHODS = [name for name in vars(ours._Activations) if not name.startswith("_")]
ELEMENTWISE = [name for name in METHODS if f"backprop_{name}" in METHODS and "max" not in name]
TOLERANCE = {"gelu": 5e-7, "gelu_approx": 3e-6, "mish": 6e-7}
"""Where thinc is as far off; float32's rounding elsewhere."""

# pytest's own options must not come in: these tests are another project's.
PYTEST = ("-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider", "-q", "-n", "0", "-W", "ignore")
BEFORE = {
    "FastactOps": """
import thinc.api
from fastact.integrations.thinc import FastactOps
thinc.api.NumpyOps = FastactOps
""",
    "enable()": """
from fastact.integrations.thinc import enable
enable()
""",
}
"""What is done before thinc's tests are collected, so that their operations are fastact's."""
NOT_RUN = "compare_activations_to_torch"
"""Fails whatever the operations: it takes float() of an array, which NumPy refuses."""
FAIL = {"FastactOps": {"test_get_ops"}, "enable()": set()}
"""What compares the class that thinc chooses with the one that its tests were given."""


@pytest.mark.parametrize("side", BEFORE)
def test_thincs_own_tests_pass(side, tmp_path):
    pytest.importorskip("thinc.tests")
    (tmp_path / "before_thinc.py").write_text(BEFORE[side])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    # They draw their numbers: always the same.
    which = ["--pyargs", "thinc.tests.backends.test_ops", "-k", f"not {NOT_RUN}", "--hypothesis-seed=0"]
    command = [sys.executable, *PYTEST, "-p", "before_thinc", *which, "--tb=short", "-rf"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout + run.stderr
    assert int(passed[1]) > 200
    assert set(re.findall(r"^FAILED \S*::(\S+)", run.stdout, flags=re.MULTILINE)) == FAIL[side], run.stdout


def called(ops, name: str, *args, **kwargs):
    """The operation's forward and backward, with what its gradient asks for."""
    y = getattr(ops, name)(X.copy(), *args, **kwargs)
    backward = getattr(ops, f"backprop_{name}")
    dy = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    known = {"dY": dy, "X": X, "Y": y}
    given = {n: known[n] for n in inspect.signature(backward).parameters if n in known}
    return y, backward(**given, **kwargs)


@pytest.mark.parametrize("name", [*ELEMENTWISE, "relu_k", "hard_sigmoid", "hard_tanh", "hard_swish"])
def test_results_are_thincs(name):
    theirs, own = thinc.NumpyOps(use_blis=False), ours.FastactOps(use_blis=False)
    tolerance = TOLERANCE.get(name, 3e-7)
    for one, other in zip(called(theirs, name), called(own, name), strict=True):
        assert other.dtype == one.dtype
        # Of the largest value: thinc's cancel.
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance * np.abs(one).max())


@pytest.mark.parametrize("name", [*ELEMENTWISE, "relu_k", "hard_sigmoid", "hard_tanh"])
def test_in_place_is_where_thinc_has_it(name):
    own = ours.FastactOps(use_blis=False)
    y, dx = called(own, name)
    x = X.copy()
    assert getattr(own, name)(x, inplace=True) is x
    np.testing.assert_array_equal(x, y)
    dy = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
    known = {"dY": dy, "X": X, "Y": y}
    backward = getattr(own, f"backprop_{name}")
    given = {n: known[n] for n in inspect.signature(backward).parameters if n in known}
    if name in ("hard_sigmoid", "hard_tanh"):  # thinc passes it on to nobody
        return
    assert backward(**given, inplace=True) is (y if name == "sigmoid" else dy)
    np.testing.assert_array_equal(y if name == "sigmoid" else dy, dx)


@pytest.mark.parametrize("options", [{"slope": 0.3, "offset": 0.1, "max_val": 2.0}, {"slope": -1.0}])
def test_lines_that_fastact_has_not_are_thincs(options):
    one, other = (called(ops(use_blis=False), "clipped_linear", **options)
                  for ops in (thinc.NumpyOps, ours.FastactOps))  # fmt: skip
    np.testing.assert_array_equal(one, other)


def test_a_threshold_of_mish_that_can_be_seen_is_thincs():
    one, other = (called(ops(use_blis=False), "mish", threshold=2.0)
                  for ops in (thinc.NumpyOps, ours.FastactOps))  # fmt: skip
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_softmax_and_its_gradient(temperature):
    theirs, own = thinc.NumpyOps(use_blis=False), ours.FastactOps(use_blis=False)
    for axis in (-1, 0):
        options = {"axis": axis, "temperature": temperature}
        y = theirs.softmax(X, **options)
        np.testing.assert_allclose(own.softmax(X, **options), y, rtol=2e-6)
        dy = np.random.default_rng(0).normal(size=y.shape).astype(np.float32)
        expected = theirs.backprop_softmax(y, dy, **options)
        np.testing.assert_allclose(own.backprop_softmax(y, dy, **options), expected, rtol=1e-4, atol=1e-6)


def test_maxout_and_its_gradient():
    theirs, own = thinc.NumpyOps(use_blis=False), ours.FastactOps(use_blis=False)
    x = np.random.default_rng(0).integers(0, 3, (5, 7, 3)).astype(np.float32)  # with ties
    for one, other in zip(theirs.maxout(x), own.maxout(x), strict=True):
        np.testing.assert_array_equal(other, one)
        assert other.dtype == one.dtype
    best, which = own.maxout(x)
    np.testing.assert_array_equal(own.backprop_maxout(best, which, 3), theirs.backprop_maxout(best, which, 3))
    assert own.maxout(x[:0])[0].shape == (0, 7)


def layers():
    names = ("Relu", "Sigmoid", "Swish", "Gelu", "Mish", "Dish", "ReluK", "HardTanh", "HardSigmoid")
    return {name: getattr(thinc, name) for name in (*names, "HardSwish", "HardSwishMobilenet", "Maxout")}


@pytest.mark.parametrize("name", layers())
def test_models_learn_the_same(name):
    def losses():
        thinc.fix_random_seed(0)
        # As wide as the input: the gradient of thinc's Dish is taken at what the layer was given.
        hidden = [layers()[name](nO=X.shape[1]) for _ in range(2)]
        model = thinc.chain(*hidden, thinc.Softmax()).initialize(X=X, Y=truths)
        optimizer = thinc.Adam(0.001)
        for _ in range(10):
            y, backprop = model.begin_update(X)
            backprop((y - truths) / len(X))
            model.finish_update(optimizer)
            yield float(np.square(y - truths).sum())

    truths = np.eye(5, dtype=np.float32)[np.arange(len(X)) % 5]
    expected = list(losses())
    with ours.enable():
        np.testing.assert_allclose(list(losses()), expected, rtol=1e-4)
    assert expected[-1] < expected[0]


def test_enable_serves_models_that_are_there_and_other_threads():
    model = thinc.Gelu(4, 30).initialize()
    theirs = model.predict(X)
    relu = thinc.NumpyOps.relu
    found = []
    with ours.enable():
        exact = model.predict(X)
        thread = threading.Thread(target=lambda: found.append(thinc.get_current_ops().relu.__func__))
        thread.start()
        thread.join()
    assert found == [ours._Activations.relu]
    assert thinc.NumpyOps.relu is relu
    assert not np.array_equal(exact, theirs)
    np.testing.assert_array_equal(model.predict(X), theirs)


def test_enable_replaces_and_disable_restores():
    before = dict(vars(thinc.NumpyOps))
    ours.disable()
    with ours.enable():
        assert all(vars(thinc.NumpyOps)[name] is vars(ours._Activations)[name] for name in METHODS)
        with ours.enable():
            pass
        assert vars(thinc.NumpyOps)["relu"] is ours._Activations.relu, "the outer one holds"
    assert dict(vars(thinc.NumpyOps)) == before
    assert "sigmoid" not in vars(thinc.NumpyOps), "it is inherited again"


def test_a_version_without_an_operation_is_named_and_left_alone(monkeypatch):
    monkeypatch.setattr(ours._Activations, "future", ours._Activations.relu, raising=False)
    before = dict(vars(thinc.NumpyOps))
    with pytest.raises(RuntimeError, match=r"thinc \d\S* has not what fastact replaces.*'future'"):
        ours.enable()
    assert dict(vars(thinc.NumpyOps)) == before


def test_ops_of_one_context():
    with thinc.use_ops("numpy"):
        thinc.set_current_ops(ours.FastactOps(use_blis=False))
        assert isinstance(thinc.Relu(4, 30).ops, ours.FastactOps)
    assert not isinstance(thinc.get_current_ops(), ours.FastactOps)
