"""thinc's operations on NumPy arrays with fastact's activations: an `Ops`, and all models at once.

Where results differ by more than rounding, thinc's are those that are off: sigmoid and swish clip the gate's
input to [-20, 20], gelu has an erf with errors of 1e-7, backprop_gelu_approx constants of six digits; dish,
its gradient and that of gelu_approx overflow; infinities give NaN (in swish -inf gives -inf); at its kinks
hard_swish_mobilenet has slopes of -1/2 and 3/2, here 0 and 1. Where the output was NaN, relu's gradient is 0
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from thinc.api import NumpyOps

import fastact as fa

from .replaced import Enabled, Place, Replacement


def enable() -> Enabled:
    """Let thinc's NumpyOps compute its activations by fastact, in all models and threads.

    Models that were made before are served too. `FastactOps` is for one model or context.

    Returns
    -------
    context manager
        In a ``with`` statement, what was there before comes back at the end of the block.

    Raises
    ------
    RuntimeError
        If this version of thinc lacks one of the operations; nothing is replaced then.

    Examples
    --------
    >>> import numpy as np
    >>> import fastact.integrations.thinc
    >>> from thinc.api import Mish
    >>> x = np.ones((2, 3), dtype=np.float32)
    >>> model = Mish(4, 3).initialize()
    >>> with fastact.integrations.thinc.enable():
    ...     model.predict(x).shape
    (2, 4)
    """
    return _replacement.enable()


def _places() -> Iterator[Place]:
    for name, ours in vars(_Activations).items():
        if not name.startswith("_"):
            getattr(NumpyOps, name)
            yield Place(NumpyOps, name, ours)


_replacement = Replacement("thinc", _places)
disable = _replacement.disable

# What thinc has and fastact has not is thinc's, though its class has fastact's meanwhile.
_clipped_linear, _backprop_clipped_linear = NumpyOps.clipped_linear, NumpyOps.backprop_clipped_linear
_mish, _backprop_mish = NumpyOps.mish, NumpyOps.backprop_mish


class _Activations:
    """The methods, without annotations: thinc's tests compare those with its own."""

    def sigmoid(self, X, *, inplace=False):
        return fa.sigmoid(X, out=X if inplace else None)

    def backprop_sigmoid(self, dY, Y, *, inplace=False):
        # In place is in Y here, not in dY.
        return fa.sigmoid.backward(dY, y=Y, out=Y if inplace else None)

    def softmax(self, x, *, inplace=False, axis=-1, temperature=1.0):
        # Never in place, as theirs: MultiSoftmax asks for it and goes on with what it had, so models that are
        # trained with it would predict something else.
        return fa.softmax(x, axis=axis, temperature=temperature)

    def backprop_softmax(self, Y, dY, *, axis=-1, temperature=1.0):
        return fa.softmax.backward(dY, y=Y, axis=axis, temperature=temperature)

    def maxout(self, X):
        rows, outputs, pieces = X.shape
        return fa.maxout(X.reshape(rows, outputs * pieces), pieces, return_which=True)

    def backprop_maxout(self, dY, which, P):
        try:
            return fa.maxout.backward(dY, which=which, pieces=P).reshape(*dY.shape, P)
        except ValueError as error:
            raise IndexError(str(error)) from error

    def relu(self, X, inplace=False):
        return fa.relu(X, out=X if inplace else None)

    def backprop_relu(self, dY, Y, inplace=False):
        return fa.relu.backward(dY, y=Y, out=dY if inplace else None)

    def clipped_linear(self, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False):
        own = _clipped(slope, offset, min_val, max_val)
        if own is None:
            return _clipped_linear(self, X, slope, offset, min_val, max_val, inplace)
        return own(X, out=X if inplace else None)

    def backprop_clipped_linear(
        self, dY, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False
    ):  # fmt: skip
        own = _clipped(slope, offset, min_val, max_val)
        if own is None:
            return _backprop_clipped_linear(self, dY, X, slope, offset, min_val, max_val, inplace)
        return own.backward(dY, x=X, out=dY if inplace else None)

    def swish(self, X, inplace=False):
        return fa.silu(X, out=X if inplace else None)

    def backprop_swish(self, dY, X, Y, inplace=False):
        if Y.shape != X.shape:
            raise ValueError(f"arrays have incompatible shapes: {X.shape} and {Y.shape}")
        return fa.silu.backward(dY, x=X, out=dY if inplace else None)

    def hard_swish_mobilenet(self, X, inplace=False):
        return fa.hardswish(X, out=X if inplace else None)

    def backprop_hard_swish_mobilenet(self, dY, X, inplace=False):
        return fa.hardswish.backward(dY, x=X, out=dY if inplace else None)

    def dish(self, X, inplace=False):
        return fa.dish(X, out=X if inplace else None)

    def backprop_dish(self, dY, X, inplace=False):
        return fa.dish.backward(dY, x=X, out=dY if inplace else None)

    def gelu_approx(self, X, inplace=False):
        return fa.gelu_tanh(X, out=X if inplace else None)

    def backprop_gelu_approx(self, dY, X, inplace=False):
        return fa.gelu_tanh.backward(dY, x=X, out=dY if inplace else None)

    def gelu(self, X, inplace=False):
        return fa.gelu(X, out=X if inplace else None)

    def backprop_gelu(self, dY, X, inplace=False):
        return fa.gelu.backward(dY, x=X, out=dY if inplace else None)

    def mish(self, X, threshold=20.0, inplace=False):
        if threshold < _INVISIBLE:
            return _mish(self, X, threshold, inplace)
        return fa.mish(X, out=X if inplace else None)

    def backprop_mish(self, dY, X, threshold=20.0, inplace=False):
        if threshold < _INVISIBLE:
            return _backprop_mish(self, dY, X, threshold, inplace)
        return fa.mish.backward(dY, x=X, out=dY if inplace else None)


_INVISIBLE = 20.0
"""From where on mish(x) is x in float64 too, so that no threshold above it can be seen."""


def _clipped(slope: float, offset: float, min_val: float, max_val: float) -> Any:
    """The activation that clips such a line, if there is one: ReluK, HardTanh and HardSigmoid have one."""
    if slope == 1 and offset == 0 and min_val <= max_val:
        return fa.hardtanh.bind(min_val=min_val, max_val=max_val)
    if slope > 0 and (min_val, max_val) == (0, 1):
        return fa.hardsigmoid.bind(slope=slope, offset=offset)
    return None


class FastactOps(_Activations, NumpyOps):
    """thinc's NumpyOps with fastact's activations, for `set_current_ops`, or one model's ``ops``.

    Parameters
    ----------
    **options
        Those of thinc's NumpyOps.

    Examples
    --------
    >>> import numpy as np
    >>> from fastact.integrations.thinc import FastactOps
    >>> FastactOps().relu(np.array([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """
