"""Norms of rows: layer_norm and rms_norm. A row is one axis or several."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import Pass
from . import arrays, foreign, layouts
from .passes import Around


def checked_eps(name: str, eps: Any) -> float:
    """What is added to a variance, as a number."""
    number = arrays.number(name, "eps", eps)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name}: {arrays.given('eps', eps)}; allowed is 0 <= eps < inf")
    return number


def as_residual(name: str, residual: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """What is added to x first, of its shape."""
    if residual is None:
        return None
    added = arrays.as_input(residual, "residual")
    if added.shape != shape:
        raise ValueError(
            f"{name}: residual has shape {added.shape} and x has shape {shape}; they must be equal"
        )
    return added


def as_weights(
    name: str, word: str, value: Any, shape: tuple[int, ...], dtype: np.dtype, *written: np.ndarray
) -> np.ndarray | None:
    """Weights of this shape as kernels of a dtype read them: flat, and apart from what is written."""
    if value is None:
        return None
    weights = arrays.as_input(value, word)
    if weights.shape != shape:
        raise ValueError(
            f"{name}: {word} has shape {weights.shape}; allowed is {shape}, one for each position"
        )
    read = arrays.cast(weights, arrays.computing_dtype(dtype), copy=False)
    flat = np.require(read, requirements=["C", "ALIGNED"]).reshape(-1)
    return flat.copy() if any(np.may_share_memory(flat, out) for out in written) else flat


class Rows:
    """What norms of rows have in common: how arrays of any layout come to their kernels."""

    def __init__(self, name: str) -> None:
        self.name, self.kernels = name, _dispatch.NormKernels(name)

    def forward(
        self,
        x: Any,
        weight: Any,
        bias: Any,
        axis: Any,
        eps: Any,
        residual: Any,
        residual_out: Any,
        out: Any,
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        """The result, with mean and rstd of each row, of arrays of any layout."""
        given = {"x": x, "weight": weight, "bias": bias, "residual": residual}
        elsewhere = foreign.on_memory(
            self.name,
            {**given, "residual_out": residual_out, "out": out},
            partial(self.forward, axis=axis, eps=eps),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        added = as_residual(self.name, residual, source.shape)
        if added is None and residual_out is not None:
            raise TypeError(f"{self.name}: residual_out= takes x + residual, and there is no residual=")
        dtype = arrays.result_dtype(*[array for array in (source, added) if array is not None])
        order, shape = self._rows_last(axis, source)
        number = self._eps(eps, dtype)
        out = _dispatch.single(out)
        result = arrays.as_output(out, source.shape, dtype)
        sums = None if residual_out is None else arrays.as_output(residual_out, source.shape, dtype)
        written = [np.asarray(array) for array in (result, sums) if array is not None]
        if len(written) > 1 and np.shares_memory(written[0], written[1]):
            raise ValueError(f"{self.name}: out and residual_out share memory; allowed are arrays apart")
        weights = tuple(
            as_weights(self.name, word, value, shape, dtype, *written)
            for word, value in (("weight", weight), ("bias", bias))
        )
        first, span = source.ndim - len(shape), len(shape)
        stats = np.full((*[source.shape[i] for i in order[:first]], *[1] * (span - 1), 2), np.nan)
        if source.size:
            kind = layouts.dtype_along(math.prod(shape), dtype)
            moved = [
                None if a is None else np.asarray(a).transpose(order) for a in (source, added, result, sums)
            ]
            outputs = [moved[2], stats, moved[3]]
            kinds = [kind, kind, kind, stats.dtype, kind]
            arrays.write(
                arrays.along_axis(
                    *(self.kernels, "forward", moved[:2], outputs, first, kinds, (number,)),
                    weights,
                    span=span,
                )
            )
        back = np.argsort(order)
        mean, rstd = stats[..., :1].transpose(back), stats[..., 1:].transpose(back)
        return arrays.finish(result, out), mean, rstd

    def backward(
        self, dy: Any, x: Any, weight: Any, bias: Any, axis: Any, eps: Any, known: Any, out: Any
    ) -> tuple[Any, Any, Any]:
        """Gradients of x, weight and bias; `known` are mean and rstd, or None."""
        mean, rstd = known or (None, None)
        mean = mean if self.kernels.centred else None
        plain = self.kernels.plain_gradients(dy, x, weight, bias, axis, eps, mean, rstd, out)
        if plain is not None:
            return plain
        given = {"dy": dy, "x": x, "weight": weight, "bias": bias, "out": out}
        elsewhere = foreign.on_memory(
            f"{self.name}.backward",
            {**given, "mean": mean, "rstd": rstd},
            lambda mean, rstd, **others: self.backward(
                **others, axis=axis, eps=eps, known=None if rstd is None else (mean, rstd)
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, source = arrays.as_gradient(dy, x, "x")
        dtype = arrays.result_dtype(gradient, source)
        order, shape = self._rows_last(axis, source)
        number = self._eps(eps, dtype)
        out = _dispatch.single(out)
        result = arrays.as_output(out, source.shape, dtype)
        target = np.asarray(result)
        weights, biases = (
            as_weights(self.name, word, value, shape, dtype, target)
            for word, value in (("weight", weight), ("bias", bias))
        )
        stats = None if known is None else self._side_by_side(known, source, order, len(shape), target)
        length = math.prod(shape)
        total = np.zeros(2 * length)
        if source.size:
            read = [a.copy() if arrays.overlap_partly(a, target) else a for a in (gradient, source)]
            rows = [a.transpose(order) for a in (*read, target)]
            found = self._differentiate(
                rows, layouts.dtype_along(length, dtype), length, weights, biases, number, stats
            )
            total = total if found is None else found
        dweight, dbias = (
            None if kept is None else arrays.cast(total[k * length : (k + 1) * length], dtype).reshape(shape)
            for k, kept in enumerate((weights, biases))
        )
        return arrays.finish(result, out), dweight, dbias

    def _differentiate(
        self,
        rows: list[np.ndarray],
        kind: np.dtype,
        length: int,
        weights: np.ndarray | None,
        biases: np.ndarray | None,
        eps: float,
        stats: np.ndarray | None,
    ) -> np.ndarray | None:
        """Write the gradient of x and give those of weight and bias, one after another, where they are given.

        `rows` are dy, x and where the gradient of x goes, rows last.
        """
        if all(arrays.is_ready(a, kind) for a in rows):
            dy, x, target = (a.reshape(-1, length) for a in rows)
            return self.kernels.plain_backward(dy, x, weights, biases, -1, eps, stats, target)[1]
        columns = 2 * length if self.kernels.centred else length
        total = None if weights is None and biases is None else np.zeros(2 * columns)
        step = partial(self.kernels.backward_in_slabs, *rows, kind, length, weights, eps, stats, total)
        with np.errstate(all="ignore"):
            arrays.write(step)
        return None if total is None else _dispatch.whole_totals(total)

    def _rows_last(self, axis: Any, x: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The order of axes in which those of a row come last, and the shape of a row."""
        axes = arrays.row_axes(axis, x.ndim)
        if not axes:
            raise ValueError(
                f"{self.name}: {arrays.given('axis', axis)} of an x of {x.ndim} dimensions names no row"
            )
        others = tuple(i for i in range(x.ndim) if i not in axes)
        return others + axes, tuple(x.shape[i] for i in axes)

    def _eps(self, eps: Any, dtype: np.dtype) -> float:
        if eps is None and not self.kernels.centred:
            return float(np.finfo(arrays.computing_dtype(dtype)).eps)
        return checked_eps(self.name, eps)

    def _side_by_side(
        self, known: tuple[Any, Any], x: np.ndarray, order: tuple[int, ...], span: int, target: np.ndarray
    ) -> np.ndarray:
        """Mean and rstd as kernels read them: those of each row side by side."""
        others = order[: x.ndim - span]
        kept = tuple(n if i in others else 1 for i, n in enumerate(x.shape))
        stats = np.empty((math.prod([x.shape[i] for i in others]), 2))
        for k, (word, value) in enumerate(zip(("mean", "rstd"), known, strict=True)):
            array = arrays.as_input(value, word)
            if array.ndim and array.shape not in (kept, tuple(x.shape[i] for i in others)):
                raise ValueError(f"{self.name}: {word} has shape {array.shape}; allowed is {kept}")
            stats[:, k] = array.reshape(-1)
        return stats


class LayerNorm(Around):
    """layer_norm: each row has the mean 0 and the variance 1, and then the weights'."""

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._rows = Rows(row.name)
        self._plain = self._rows.kernels.plain_forward

    def __call__(
        self,
        x: Any,
        weight: Any = None,
        bias: Any = None,
        *,
        axis: Any = -1,
        eps: float = 1e-5,
        residual: Any = None,
        residual_out: Any = None,
        return_stats: bool = False,
        out: Any = None,
    ) -> Any:
        """``(x - mean(x)) / sqrt(var(x) + eps) * weight + bias`` along an axis, in one pass over memory.

        The variance is that of all elements of a row (divided by their number), and accurate where the mean
        is large beside it.

        Parameters
        ----------
        x : array_like
            Of any shape with at least one dimension; float16, bfloat16, float32, float64, or integers and
            bools, which give float64.
        weight, bias : array_like, optional
            What each position of a row is multiplied with and what is added then, in the shape of the row;
            of each dtype, used in that of the result (of half precision: in float32).
        axis : int or tuple of int, default -1
            Axis of a row, counted from the end where negative; several are one row.
        eps : float, default 1e-05
            What is added to the variance: at least 0.
        residual : array_like, optional
            Of the shape of x, added to it first.
        residual_out : numpy.ndarray, optional
            Where the sum of x and residual goes, which backward takes as x; may be either of them.
        return_stats : bool, default False
            Whether to return the mean and ``1 / sqrt(var + eps)`` of each row too, for backward.
        out : numpy.ndarray or tuple of one, optional
            Where the result goes; may be x or residual.

        Returns
        -------
        y : numpy.ndarray
            Of the shape of x; `out` where it is given.
        mean, rstd : numpy.ndarray
            With ``return_stats=True``: float64, of the shape of x with 1 for each axis of the row.

        Raises
        ------
        TypeError
            If a dtype is not one of those above, or `out` has another than the result.
        ValueError
            If a shape does not fit, eps is not a number from 0 on, `out` is read-only or shares memory with
            `residual_out`.
        numpy.exceptions.AxisError
            If x has no such axis.

        References
        ----------
        Ba, Kiros, Hinton (2016), Layer Normalization.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> x = np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 40.0]])
        >>> fa.layer_norm(x, eps=0.0).round(3).tolist()
        [[-1.225, 0.0, 1.225], [-0.707, -0.707, 1.414]]
        """
        plain = self._plain(x, weight, bias, axis, eps, residual, residual_out, return_stats, out)
        if plain is not None:
            return plain
        found = self._rows.forward(x, weight, bias, axis, eps, residual, residual_out, out)
        return found if return_stats else found[0]

    def backward(
        self,
        dy: Any,
        *,
        x: Any,
        weight: Any = None,
        bias: Any = None,
        axis: Any = -1,
        eps: float = 1e-5,
        mean: Any = None,
        rstd: Any = None,
        out: Any = None,
    ) -> tuple[Any, Any, Any]:
        """Gradients of the input, the weight and the bias.

        Parameters
        ----------
        dy : array_like
            Gradient of the output.
        x : array_like
            What was normalised: the input, or its sum with the residual, whose gradient is that of x too.
        weight, bias : array_like, optional
            As in the forward call; of bias the shape alone matters, and that it was given.
        axis : int or tuple of int, default -1
            As in the forward call.
        eps : float, default 1e-05
            As in the forward call; of no matter where the statistics are given.
        mean, rstd : array_like, optional
            The statistics of the forward call, from ``return_stats=True``. Without them they are computed
            again from x.
        out : numpy.ndarray or tuple of one, optional
            Where the gradient of x goes; may be dy or x.

        Returns
        -------
        dx : numpy.ndarray
            Gradient of x.
        dweight, dbias : numpy.ndarray or None
            Gradients of weight and bias in their shapes and the dtype of dx, summed in an order that the
            shape of x alone decides; None for what was not given.

        Raises
        ------
        TypeError, ValueError, numpy.exceptions.AxisError
            As the forward call; and if only one of mean and rstd is given.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> x = np.array([[1.0, 2.0, 3.0]])
        >>> dx, dweight, dbias = fa.layer_norm.backward(np.array([[1.0, 0.0, 0.0]]), x=x, weight=np.ones(3))
        >>> dx.round(3).tolist(), dbias is None
        ([[0.204, -0.408, 0.204]], True)
        """
        if (mean is None) != (rstd is None):
            raise TypeError("layer_norm.backward takes mean= and rstd= of the forward call together")
        stats = None if mean is None else (mean, rstd)
        return self._rows.backward(dy, x, weight, bias, axis, eps, stats, out)


class RmsNorm(Around):
    """rms_norm: the mean square of each row is 1, and then the weights'."""

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._rows = Rows(row.name)
        self._plain = self._rows.kernels.plain_forward

    def __call__(
        self,
        x: Any,
        weight: Any = None,
        *,
        axis: Any = -1,
        eps: float | None = None,
        residual: Any = None,
        residual_out: Any = None,
        return_stats: bool = False,
        out: Any = None,
    ) -> Any:
        """``x / sqrt(mean(x ** 2) + eps) * weight`` along an axis, in one pass over memory.

        Parameters
        ----------
        x : array_like
            Of any shape with at least one dimension; float16, bfloat16, float32, float64, or integers and
            bools, which give float64.
        weight : array_like, optional
            What each position of a row is multiplied with, in the shape of the row.
        axis : int or tuple of int, default -1
            Axis of a row, counted from the end where negative; several are one row.
        eps : float or None, default None
            What is added to the mean square: at least 0; None is the distance of 1 to the next number of the
            dtype that is computed in (2**-52 in float64, 2**-23 else), as in torch.
        residual : array_like, optional
            Of the shape of x, added to it first.
        residual_out : numpy.ndarray, optional
            Where the sum of x and residual goes, which backward takes as x; may be either of them.
        return_stats : bool, default False
            Whether to return ``1 / sqrt(mean(x ** 2) + eps)`` of each row too, for backward.
        out : numpy.ndarray or tuple of one, optional
            Where the result goes; may be x or residual.

        Returns
        -------
        y : numpy.ndarray
            Of the shape of x; `out` where it is given.
        rstd : numpy.ndarray
            With ``return_stats=True``: float64, of the shape of x with 1 for each axis of the row.

        Raises
        ------
        TypeError, ValueError, numpy.exceptions.AxisError
            As `layer_norm`.

        References
        ----------
        Zhang, Sennrich (2019), Root Mean Square Layer Normalization.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> fa.rms_norm(np.array([[3.0, 4.0, 0.0, 0.0]])).round(3).tolist()
        [[1.2, 1.6, 0.0, 0.0]]
        """
        plain = self._plain(x, weight, None, axis, eps, residual, residual_out, return_stats, out)
        if plain is not None:
            return plain
        y, _, rstd = self._rows.forward(x, weight, None, axis, eps, residual, residual_out, out)
        return (y, rstd) if return_stats else y

    def backward(
        self,
        dy: Any,
        *,
        x: Any,
        weight: Any = None,
        axis: Any = -1,
        eps: float | None = None,
        rstd: Any = None,
        out: Any = None,
    ) -> tuple[Any, Any]:
        """Gradients of the input and the weight.

        Parameters
        ----------
        dy : array_like
            Gradient of the output.
        x : array_like
            What was normalised: the input, or its sum with the residual, whose gradient is that of x too.
        weight : array_like, optional
            As in the forward call.
        axis : int or tuple of int, default -1
            As in the forward call.
        eps : float or None, default None
            As in the forward call; of no matter where `rstd` is given.
        rstd : array_like, optional
            That of the forward call, from ``return_stats=True``. Without it, it is computed again from x.
        out : numpy.ndarray or tuple of one, optional
            Where the gradient of x goes; may be dy or x.

        Returns
        -------
        dx : numpy.ndarray
            Gradient of x.
        dweight : numpy.ndarray or None
            Gradient of weight in its shape and the dtype of dx; None where it was not given.

        Raises
        ------
        TypeError, ValueError, numpy.exceptions.AxisError
            As the forward call.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> dx, dweight = fa.rms_norm.backward(np.array([1.0, 0.0]), x=np.array([3.0, 4.0]))
        >>> dx.round(3).tolist(), dweight is None
        ([0.181, -0.136], True)
        """
        stats = None if rstd is None else (0.0, rstd)
        dx, dweight, _ = self._rows.backward(dy, x, weight, None, axis, eps, stats, out)
        return dx, dweight
