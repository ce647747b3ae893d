"""scikit-learn's neural networks with fastact's activations: all that there are, and its own ones faster.

`MLPClassifier` and `MLPRegressor` here are scikit-learn's, and take every elementwise activation. `enable`
leaves its classes as they are and replaces the functions that they call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.neural_network import _base
from sklearn.neural_network._multilayer_perceptron import BaseMultilayerPerceptron
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import validate_data

from .. import get
from ..catalog.spellings import spellings
from ..core.bound import Activation
from .replaced import Enabled, Place, Replacement


def enable() -> Enabled:
    """Replace the activations of scikit-learn's own MLPClassifier and MLPRegressor by fastact's.

    Those are logistic, tanh, relu and the outputs' softmax and exp. Estimators that were made before are
    served too. Other processes, such as those of ``n_jobs``, are not: there the results are the same within
    rounding.

    Returns
    -------
    context manager
        In a ``with`` statement, what was there before comes back at the end of the block.

    Raises
    ------
    RuntimeError
        If this version of scikit-learn has no such functions where they are looked for; nothing is replaced
        then.

    Examples
    --------
    >>> import fastact.integrations.sklearn
    >>> from sklearn.neural_network import MLPClassifier
    >>> network = MLPClassifier((8,), "tanh", solver="lbfgs", random_state=0)
    >>> with fastact.integrations.sklearn.enable():
    ...     network.fit([[0], [1], [2], [3]], [0, 0, 1, 1]).predict([[0], [3]]).tolist()
    [0, 1]
    """
    return _replacement.enable()


def _places() -> Iterator[Place]:
    for table, ours in ((_base.ACTIVATIONS, _in_place), (_base.DERIVATIVES, _gradient_in_place)):
        names = [name for name in spellings()["sklearn"] if name in table and name != "identity"]
        if not names:
            raise KeyError("its tables of activations have none of the names that fastact knows")
        yield from (Place(table, name, ours(get(f"sklearn:{name}"))) for name in names)


def _in_place(activation: Activation) -> Callable[[Any], None]:
    def forward(X: Any) -> None:
        activation(X, out=X)

    return forward


def _gradient_in_place(activation: Activation) -> Callable[[Any, Any], None]:
    def backward(Z: Any, delta: Any) -> None:
        activation.backward(delta, y=Z, out=delta)

    return backward


_replacement = Replacement("scikit-learn", _places)
disable = _replacement.disable


class _Pass:
    """A network as scikit-learn's `_backprop` shall see it: with hidden layers of no activation.

    Theirs is applied by the two methods which that calls, and what it needs of the forward pass is kept from
    one to the other.
    """

    activation = "identity"

    def __init__(self, network: Any) -> None:
        self._network, self._hidden = network, _hidden(network)
        self._saves = _saves(self._hidden)
        self._saved: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def _forward_pass(self, activations: list[Any]) -> list[Any]:
        for i, (x, y) in enumerate(_layers(self._network, activations[0], self._saves == "x")):
            self._saved.append(x if self._saves == "x" else y)
            activations[i + 1] = y
        return activations

    def _compute_loss_grad(self, layer: int, total: Any, activations: Any, deltas: Any, *grads: Any) -> None:
        if layer < self._network.n_layers_ - 2:
            delta = deltas[layer]
            self._hidden.backward(delta, **{self._saves: self._saved[layer]}, out=delta)
        self._network._compute_loss_grad(layer, total, activations, deltas, *grads)


def _layers(network: Any, x: Any, keep: bool = False) -> Iterator[tuple[Any, Any]]:
    """The input and the output of each layer's activation; one array unless inputs are kept."""
    hidden = [_hidden(network)] * (network.n_layers_ - 2)
    activations = [*hidden, get(f"sklearn:{network.out_activation_}")]
    for activation, weights, bias in zip(activations, network.coefs_, network.intercepts_, strict=True):
        z = safe_sparse_dot(x, weights)
        z += bias
        x = activation(z, out=None if keep else z)
        yield z, x


def _hidden(network: Any) -> Activation:
    """The activation of the hidden layers; ValueError where it is none of those that a layer can have."""
    named = network.activation
    activation = get(named) if isinstance(named, str) else named
    row = activation.row
    lacking = [name for name in row.needs if name not in getattr(activation, "bound", ())]
    if not row.shape.by_element or lacking:
        why = f"needs {' and '.join(lacking)}" if row.shape.by_element else "is not one of each element"
        raise ValueError(
            f"activation={named!r} {why}; allowed are elementwise activations, with parameters bound where "
            "they have no default: fastact.threshold.bind(threshold=0, value=0)"
        )
    return activation


def _saves(activation: Activation) -> str:
    """What its gradient is had from: the output if that can be, since it is there."""
    nothing = np.empty(0)
    if "y" in activation.saves:
        try:
            activation.backward(nothing, y=nothing)
        except ValueError:  # with these parameters it tells too little
            return "x"
        return "y"
    return "x"


class _OfFastact:
    """What differs from scikit-learn's networks; its docstrings are theirs."""

    def _fit(self, *args: Any, **kwargs: Any) -> Any:
        _hidden(self)  # its errors come before the network is touched
        return super()._fit(*args, **kwargs)  # type: ignore[misc]

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> Any:
        # Its first weights depend on whether that is the word.
        network = _Pass(self)
        network.activation = "logistic" if _hidden(self).name == "sigmoid" else "identity"
        return BaseMultilayerPerceptron._init_coef(network, fan_in, fan_out, dtype)

    def _backprop(self, *args: Any) -> Any:
        return BaseMultilayerPerceptron._backprop(_Pass(self), *args)

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> Any:
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        for _, y in _layers(self, X):
            X = y
        return X


class MLPClassifier(_OfFastact, sklearn.neural_network.MLPClassifier):
    """scikit-learn's MLPClassifier, whose hidden layers may have any elementwise activation.

    Parameters
    ----------
    hidden_layer_sizes : array-like or int, default (100,)
        As in scikit-learn.
    activation : str or activation, default "relu"
        A name that `fastact.get` knows, scikit-learn's own among them; or an activation, with parameters
        bound: ``fastact.elu.bind(alpha=0.5)``. One whose gradient cannot be had from its output (mish, gelu,
        silu) keeps its input too while the network is trained.
    **others
        As in scikit-learn.

    Raises
    ------
    ValueError
        From `fit`, if there is no such activation, or it is not of each element, or lacks a parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from fastact.integrations.sklearn import MLPClassifier
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> network = MLPClassifier((8,), activation="mish", solver="lbfgs", random_state=0)
    >>> network.fit(x, [0, 0, 1, 1]).predict(x).tolist()
    [0, 0, 1, 1]
    """

    _parameter_constraints = {  # noqa: RUF012  a class attribute of scikit-learn's
        **sklearn.neural_network.MLPClassifier._parameter_constraints,
        "activation": [str, Activation],
    }


class MLPRegressor(_OfFastact, sklearn.neural_network.MLPRegressor):
    """scikit-learn's MLPRegressor, whose hidden layers may have any elementwise activation.

    Parameters
    ----------
    **parameters
        Those of `MLPClassifier` here, and scikit-learn's.

    Raises
    ------
    ValueError
        As `MLPClassifier` here.

    Examples
    --------
    >>> import numpy as np
    >>> import fastact as fa
    >>> from fastact.integrations.sklearn import MLPRegressor
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> elu = fa.elu.bind(alpha=0.5)
    >>> network = MLPRegressor(hidden_layer_sizes=8, activation=elu, solver="lbfgs", random_state=0)
    >>> round(network.fit(x, x[:, 0]).score(x, x[:, 0]), 2)
    1.0
    """

    _parameter_constraints = {  # noqa: RUF012
        **sklearn.neural_network.MLPRegressor._parameter_constraints,
        "activation": [str, Activation],
    }
