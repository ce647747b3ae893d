"""fastact.integrations.sklearn against scikit-learn itself."""

from __future__ import annotations

import pickle
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import fastact as fa
from fastact import catalog

pytest.importorskip("sklearn.neural_network")

from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import _base

from fastact.integrations import sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OWN = ("identity", "logistic", "tanh", "relu")
ELEMENTWISE = [
    fa.activations[row.name].bind(**row.required) if row.required else fa.activations[row.name]
    for row in catalog.rows
    if row.shape.by_element and not row.shape.needs
]
LOSSES = {"classes": "MLPClassifier", "two classes": "MLPClassifier", "numbers": "MLPRegressor"}
TABLES = (_base.ACTIVATIONS, _base.DERIVATIVES)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300] / 16, y[:300]


def targets(kind: str, y):
    return {"classes": y, "two classes": y > 4, "numbers": y / 9.0}[kind]


def trained(module, kind: str, x, y, **options):
    options = {"hidden_layer_sizes": (20, 10), "random_state": 0, "max_iter": 5, **options}
    return getattr(module, LOSSES[kind])(**options).fit(x, targets(kind, y))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("name", OWN)
def test_its_own_activations_learn_the_same(digits, name, kind, solver):
    x, y = digits
    options = {"activation": name, "solver": solver}
    expected = trained(theirs, kind, x, y, **options)
    with ours.enable():
        enabled = trained(theirs, kind, x, y, **options)
    for network in (enabled, trained(ours, kind, x, y, **options)):
        assert network.loss_ == pytest.approx(expected.loss_, rel=1e-8)
        for weights, those in zip(network.coefs_, expected.coefs_, strict=True):
            np.testing.assert_allclose(weights, those, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(network.predict(x), expected.predict(x), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OWN)
def test_predictions_of_its_own_activations_are_the_same(digits, name, dtype):
    x, y = digits[0].astype(dtype), digits[1]
    network = trained(theirs, "classes", x, y, activation=name)
    expected = network.predict_proba(x)
    with ours.enable():
        np.testing.assert_allclose(network.predict_proba(x), expected, rtol=50 * np.finfo(dtype).eps)
    assert network.predict_proba(x).dtype == dtype


def gradient(network, x, y):
    """Loss and gradient as scikit-learn's lbfgs asks for them, at weights in one vector."""
    units = [x.shape[1], *network.hidden_layer_sizes, y.shape[1]]
    sizes = list(pairwise(units))
    empty = [np.empty(shape) for shape in sizes], [np.empty(n) for n in units[1:]]
    return lambda packed: network._loss_grad_lbfgs(
        packed, x, y, None, [x, *[None] * len(sizes)], [None] * len(sizes), *empty
    )


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
def test_gradients_are_those_of_the_loss(digits, activation):
    x, y = digits[0][:20], np.random.default_rng(1).normal(size=(20, 1))
    options = {"solver": "lbfgs", "alpha": 0.1, "max_iter": 1, "random_state": 0}
    network = ours.MLPRegressor(hidden_layer_sizes=(5, 4), activation=activation, **options).fit(x, y[:, 0])
    at = np.random.default_rng(2).normal(scale=0.5, size=sum(map(np.size, network.coefs_)) + 5 + 4 + 1)
    loss_and_gradient = gradient(network, x, y)
    _, found = loss_and_gradient(at)
    found = found.copy()
    rng = np.random.default_rng(3)
    for _ in range(5):
        step = rng.normal(size=at.size) * 1e-7
        (above, _), (below, _) = loss_and_gradient(at + step), loss_and_gradient(at - step)
        assert (above - below) / 2 == pytest.approx(float(step @ found), rel=1e-4, abs=1e-14)


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
def test_every_elementwise_activation_learns(digits, activation):
    x, y = digits
    losses = trained(ours, "classes", x, y, activation=activation, max_iter=8).loss_curve_
    # The gradient of threshold knows nothing of its jump.
    assert losses[-1] < losses[0] or activation.name == "threshold"


@pytest.mark.parametrize("name", ["mish", "SiLU", "gelu_new", "keras:leaky_relu"])
def test_a_name_means_what_get_says(digits, name):
    x, y = digits
    by_name, by_object = (trained(ours, "classes", x, y, activation=a) for a in (name, fa.get(name)))
    assert by_name.loss_curve_ == by_object.loss_curve_


def test_sigmoid_is_logistic_in_its_first_weights_too(digits):
    x, y = digits
    sigmoid, logistic = (trained(ours, "classes", x, y, activation=a) for a in (fa.sigmoid, "logistic"))
    assert sigmoid.loss_curve_ == logistic.loss_curve_


def test_the_gradient_comes_from_the_input_where_parameters_ask_for_it(digits):
    x, y = digits
    losses = trained(ours, "classes", x, y, activation=fa.leaky_relu.bind(negative_slope=-0.1)).loss_curve_
    assert losses[-1] < losses[0]


def test_sparse_input_and_early_stopping(digits):
    sparse = pytest.importorskip("scipy.sparse")
    x, y = digits
    options = {"activation": "mish", "early_stopping": True}
    dense, compressed = (trained(ours, "classes", a, y, **options) for a in (x, sparse.csr_matrix(x)))
    np.testing.assert_allclose(compressed.loss_curve_, dense.loss_curve_)


def test_partial_fit_and_sample_weights(digits):
    x, y = digits
    network = ours.MLPClassifier(20, activation="gelu", random_state=0)
    network.partial_fit(x, y, classes=np.arange(10)).partial_fit(x, y)
    assert network.loss_curve_[1] < network.loss_curve_[0]
    weighted = ours.MLPClassifier(20, activation="gelu", random_state=0, max_iter=2)
    weighted.fit(x, y, sample_weight=np.ones(len(x)))
    plain = clone(weighted).fit(x, y)
    np.testing.assert_allclose(weighted.loss_curve_, plain.loss_curve_)


def test_clone_and_pickle(digits):
    x, y = digits
    for activation in ("mish", fa.elu.bind(alpha=0.5), fa.silu):
        network = trained(ours, "classes", x, y, activation=activation)
        assert clone(network).activation == activation
        again = pickle.loads(pickle.dumps(network))
        assert again.activation == activation
        np.testing.assert_array_equal(again.predict_proba(x), network.predict_proba(x))
        assert set(vars(network)) == set(vars(trained(theirs, "classes", x, y)))


def test_a_search_over_activations(digits):
    x, y = digits
    choices = ["relu", "mish", fa.elu.bind(alpha=0.5)]
    network = ours.MLPClassifier(20, solver="lbfgs", random_state=0, max_iter=30)
    search = GridSearchCV(network, {"activation": choices}, cv=2, error_score="raise").fit(x, y)
    assert list(search.cv_results_["param_activation"]) == choices
    assert search.best_score_ > 0.7


def test_processes_of_n_jobs(digits):
    x, y = digits
    network = ours.MLPClassifier(10, activation="mish", random_state=0, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one, two = (cross_val_score(network, x, y, cv=2, n_jobs=jobs, error_score="raise") for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        ("mihs", "did you mean mish"),
        (fa.softmax, "not one of each element"),
        ("prelu", "needs weight"),
        (fa.threshold, r"needs threshold and value; .*fastact\.threshold\.bind"),
        (3, "'activation' parameter of MLPClassifier must be"),
    ],
)
def test_what_is_no_activation_of_a_layer_is_refused(digits, activation, words):
    network = ours.MLPClassifier(activation=activation)
    with pytest.raises(ValueError, match=words):
        network.fit(*digits)
    assert not hasattr(network, "coefs_")


def test_scikit_learns_own_classes_refuse_others_as_before(digits):
    with ours.enable(), pytest.raises(ValueError, match="activation"):
        theirs.MLPClassifier(activation="mish").fit(*digits)


def test_enable_replaces_and_disable_restores():
    before = [dict(table) for table in TABLES]
    ours.disable()
    with ours.enable():
        inside = [dict(table) for table in TABLES]
        assert all(inside[0][n] is not before[0][n] for n in ("logistic", "tanh", "relu", "softmax"))
        assert inside[0]["identity"] is before[0]["identity"]
        with ours.enable():
            pass
        assert [dict(table) for table in TABLES] == inside, "the outer one holds"
    assert [dict(table) for table in TABLES] == before
    ours.enable()
    ours.enable()
    ours.disable()
    assert [dict(table) for table in TABLES] == before
    assert [list(table) for table in TABLES] == [list(table) for table in before]


def test_a_version_without_the_tables_is_named_and_left_alone(monkeypatch):
    before = dict(_base.ACTIVATIONS)
    monkeypatch.setattr(ours, "_base", SimpleNamespace(ACTIVATIONS=_base.ACTIVATIONS))
    with pytest.raises(RuntimeError, match=r"scikit-learn \d\S* has not what fastact replaces.*DERIVATIVES"):
        ours.enable()
    assert before == _base.ACTIVATIONS
    monkeypatch.undo()
    with ours.enable():
        assert before != _base.ACTIVATIONS
