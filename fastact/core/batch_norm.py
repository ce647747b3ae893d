"""Norms of channels: batch_norm."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import Pass
from . import arrays, foreign
from .norms import as_residual, as_weights, checked_eps
from .passes import Around


class BatchNorm(Around):
    """batch_norm: each channel has the mean 0 and the variance 1, and then what its weights say."""

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._kernels = _dispatch.BatchNormKernels(row.name)
        self._plain = self._kernels.plain_forward

    def __call__(
        self,
        x: Any,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        *,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
        axis: int = 1,
        residual: Any = None,
        return_stats: bool = False,
        out: Any = None,
    ) -> Any:
        """``(x - mean) / sqrt(var + eps) * weight + bias`` of each channel.

        In training, mean and variance are those of the channel in x (the variance divided by the number of
        its elements), and the running ones move towards them in place: ``running += momentum * (new -
        running)``, the new variance there divided by the number less 1. Otherwise they are the running ones.

        Parameters
        ----------
        x : array_like
            float16, bfloat16, float32, float64, or integers and bools, which give float64.
        running_mean, running_var : array_like, optional
            One number per channel. Needed where not `training`; there arrays that can be written, or neither.
        weight, bias : array_like, optional
            What each channel is multiplied with and what is added then.
        training : bool, default False
            Whether the statistics are those of x.
        momentum : float, default 0.1
            How much of the new statistics goes into the running ones: from 0 to 1.
        eps : float, default 1e-05
            What is added to the variance: at least 0.
        axis : int, default 1
            Axis of the channels, counted from the end where negative.
        residual : array_like, optional
            Of the shape of x, added to it first.
        return_stats : bool, default False
            Whether to return the mean and ``1 / sqrt(var + eps)`` of each channel too, for backward.
        out : numpy.ndarray or tuple of one, optional
            Where the result goes; may be x or residual.

        Returns
        -------
        y : numpy.ndarray
            Of the shape of x; `out` where it is given.
        mean, rstd : numpy.ndarray
            With ``return_stats=True``: float64, one number per channel.

        Raises
        ------
        TypeError
            If a dtype is not one of those above, or `out` has another than the result; if statistics are
            needed and not given.
        ValueError
            If a shape does not fit, eps or momentum is out of its range, `out` or what training writes is
            read-only, or a channel in training has one element alone.
        numpy.exceptions.AxisError
            If x has no such axis.

        References
        ----------
        Ioffe, Szegedy (2015), Batch Normalization: Accelerating Deep Network Training by Reducing Internal
        Covariate Shift.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> x = np.array([[1.0, 10.0], [3.0, 10.0]])
        >>> mean, var = np.zeros(2), np.ones(2)
        >>> fa.batch_norm(x, mean, var, training=True).round(3).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
        >>> mean.tolist(), var.round(3).tolist()
        ([0.2, 1.0], [1.1, 0.9])
        >>> fa.batch_norm(x, mean, var, eps=0.0).round(3).tolist()
        [[0.763, 9.487], [2.67, 9.487]]
        """
        plain = self._plain(
            x, running_mean, running_var, weight, bias, training, momentum, eps, axis, residual, return_stats,
            out,
        )  # fmt: skip
        if plain is not None:
            return plain
        kept = {"running_mean": running_mean, "running_var": running_var}
        elsewhere = foreign.on_memory(
            self.name,
            {"x": x, **kept, "weight": weight, "bias": bias, "residual": residual, "out": out},
            partial(
                self,
                training=training,
                momentum=momentum,
                eps=eps,
                axis=axis,
                return_stats=return_stats,
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        given = _Channels(self.name, x, weight, bias, axis, eps)
        added = as_residual(self.name, residual, given.x.shape)
        if added is not None:
            given.dtype = arrays.result_dtype(given.x, added)
        running = given.running(running_mean, running_var, written=training)
        out = _dispatch.single(out)
        result = arrays.as_output(out, given.x.shape, given.dtype)
        if training:
            mean, rstd = self._train(given, added, running, _checked_momentum(self.name, momentum), result)
        elif running is None:
            raise TypeError(f"{self.name} without training=True needs running_mean= and running_var=")
        else:
            table, stats = given.running_forms(*running)
            mean, rstd = stats[:, 0], stats[:, 1]
            self._write(given, "forward", [given.x, added], table, result)
        y = arrays.finish(result, out)
        return (y, mean, rstd) if return_stats else y

    def _train(
        self,
        given: _Channels,
        added: np.ndarray | None,
        running: list[np.ndarray] | None,
        momentum: float,
        result: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Write the result and the running statistics; mean and rstd of each channel."""
        given.refuse_one_element()
        written = [np.asarray(result), *(running or [])]
        weights, biases = given.weights(*written)
        stats = np.full((given.channels, _dispatch.KEPT_MOMENTS), np.nan)
        if given.x.size:
            call = given.x, weights, biases, given.axis, given.eps, added, result
            found = self._kernels.plain_training(*call)
            if found is not None:
                stats = found[1]
            elif given.whole(self._kernels):
                inputs = [given.x, added, weights, biases]
                given.run(self._kernels, "forward", inputs, [result, stats], (given.eps,))
            else:
                stats = self._kernels.ordered_moments(given.in_order(given.x, added), given.eps)
                self._write(given, "forward", [given.x, added], given.forms(stats), result)
            given.move(running, stats, momentum)
        return stats[:, 0].copy(), stats[:, 1].copy()

    def _write(
        self,
        given: _Channels,
        direction: str,
        inputs: list[np.ndarray | None],
        table: np.ndarray,
        result: np.ndarray,
        parameters: tuple[float, ...] = (),
    ) -> None:
        """Run what looks at each element for itself, with a table of numbers of the channels."""
        if given.x.size:
            call = self._kernels.elements, direction, inputs, [np.asarray(result)], given.axis
            arrays.write(arrays.along_axis(*call, [given.dtype] * 3, parameters, weight=(table,)))

    def backward(
        self,
        dy: Any,
        *,
        x: Any,
        weight: Any = None,
        bias: Any = None,
        running_mean: Any = None,
        running_var: Any = None,
        training: bool = False,
        eps: float = 1e-5,
        axis: int = 1,
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
        running_mean, running_var : array_like, optional
            As in the forward call; read where not `training` and no statistics are given.
        training : bool, default False
            As in the forward call: whether the statistics came from x, so that they have gradients too.
        eps : float, default 1e-05
            As in the forward call; of no matter where the statistics are given.
        axis : int, default 1
            As in the forward call.
        mean, rstd : array_like, optional
            The statistics of the forward call, from ``return_stats=True``. Without them, those of training
            are computed again from x.
        out : numpy.ndarray or tuple of one, optional
            Where the gradient of x goes; may be dy or x.

        Returns
        -------
        dx : numpy.ndarray
            Gradient of x.
        dweight, dbias : numpy.ndarray or None
            Gradients of weight and bias in the dtype of dx, summed in an order that the shape of x alone
            decides; None for what was not given.

        Raises
        ------
        TypeError, ValueError, numpy.exceptions.AxisError
            As the forward call; and if only one of mean and rstd is given.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> x, dy = np.array([[1.0], [3.0], [8.0]]), np.array([[1.0], [0.0], [0.0]])
        >>> dx, dweight, dbias = fa.batch_norm.backward(dy, x=x, bias=np.zeros(1), training=True)
        >>> dx.round(3).tolist(), dbias.tolist()
        ([[0.109], [-0.152], [0.044]], [1.0])
        """
        if (mean is None) != (rstd is None):
            raise TypeError(f"{self.name}.backward takes mean= and rstd= of the forward call together")
        plain = self._kernels.plain_gradients(
            *(dy, x, weight, bias, running_mean, running_var, training, eps, axis, mean, rstd, out)
        )
        if plain is not None:
            return plain
        kept = {"running_mean": running_mean, "running_var": running_var, "mean": mean, "rstd": rstd}
        elsewhere = foreign.on_memory(
            f"{self.name}.backward",
            {"dy": dy, "x": x, "weight": weight, "bias": bias, **kept, "out": out},
            partial(self.backward, training=training, eps=eps, axis=axis),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, source = arrays.as_gradient(dy, x, "x")
        given = _Channels(self.name, source, weight, bias, axis, eps)
        given.dtype = arrays.result_dtype(gradient, source)
        running = given.running(running_mean, running_var)
        stats = None
        if mean is not None:
            stats = np.stack(given.numbers(mean=mean, rstd=rstd), axis=1)
        elif not training:
            if running is None:
                raise TypeError(
                    f"{self.name}.backward without training=True needs mean= and rstd=, "
                    "or running_mean= and running_var="
                )
            stats = given.running_forms(*running)[1]
        out = _dispatch.single(out)
        result = arrays.as_output(out, source.shape, given.dtype)
        sums = np.zeros((given.channels, 2))
        if source.size:
            weights, _ = given.weights(np.asarray(result))
            call = gradient, source, weights, given.axis, given.eps, bool(training), stats, result
            found = self._kernels.plain_backward(*call)
            if found is not None:
                sums = found[1]
            elif given.whole(self._kernels):
                inputs = [gradient, source, weights, stats]
                given.run(self._kernels, "x", inputs, [result, sums], (given.eps, float(bool(training))))
            else:
                if stats is None:
                    stats = self._kernels.ordered_moments(given.in_order(source), given.eps)
                ordered = given.in_order(gradient, source)
                sums, table = self._kernels.ordered_slopes(ordered, stats, weights)
                self._write(given, "x", [gradient, source], table, result, (float(bool(training)),))
        dweight, dbias = (
            None if kept is None else arrays.cast(sums[:, k], given.dtype)
            for k, kept in enumerate((weight, bias))
        )
        return arrays.finish(result, out), dweight, dbias


def _checked_momentum(name: str, momentum: Any) -> float:
    number = arrays.number(name, "momentum", momentum)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: {arrays.given('momentum', momentum)}; allowed is 0 <= momentum <= 1")
    return number


class _Channels:
    """What a call is given of its channels, checked, and how arrays of any layout come to kernels."""

    def __init__(self, name: str, x: Any, weight: Any, bias: Any, axis: Any, eps: Any) -> None:
        self.name, self.x = name, arrays.as_input(x, "x")
        self.axis, self.eps = arrays.axis_index(axis, self.x.ndim), checked_eps(name, eps)
        self.channels = self.x.shape[self.axis]
        self.count = math.prod(self.x.shape[: self.axis]) * math.prod(self.x.shape[self.axis + 1 :])
        self.dtype = arrays.result_dtype(self.x)
        given = {"weight": weight, "bias": bias}
        self._given = {word: None if a is None else arrays.as_input(a, word) for word, a in given.items()}
        self.weights()

    def weights(self, *written: np.ndarray) -> tuple[np.ndarray | None, ...]:
        """weight and bias as kernels read them."""
        shape = (self.channels,)
        given = self._given.items()
        return tuple(as_weights(self.name, word, value, shape, self.dtype, *written) for word, value in given)

    def numbers(self, **given: Any) -> list[np.ndarray | None]:
        """Numbers of each channel, in float64; None of what is not given."""
        return [
            as_weights(self.name, word, value, (self.channels,), _FLOAT64) for word, value in given.items()
        ]

    def running(self, mean: Any, var: Any, written: bool = False) -> list[np.ndarray] | None:
        """The running statistics: both or neither, and arrays where they are written."""
        if (mean is None) != (var is None):
            raise TypeError(f"{self.name} takes running_mean= and running_var= together")
        if mean is None:
            return None
        kept = []
        for word, value in (("running_mean", mean), ("running_var", var)):
            array = arrays.as_input(value, word)
            if array.shape != (self.channels,):
                raise ValueError(
                    f"{self.name}: {word} has shape {array.shape}; allowed is {(self.channels,)}, "
                    "one for each channel"
                )
            if written and not (isinstance(value, np.ndarray) and array.dtype.kind not in "biu"):
                raise TypeError(
                    f"{self.name}: {word} is written in training; allowed is an array of "
                    "floating-point numbers"
                )
            if written and not array.flags.writeable:
                raise ValueError(
                    f"{self.name}: {word} is read-only; allowed is a writeable array in training"
                )
            kept.append(array)
        return kept

    def forms(self, stats: np.ndarray) -> np.ndarray:
        """What is subtracted, multiplied with and added, by the moments that were found."""
        return _dispatch.channel_forms(stats, *self.numbers(**self._given), self.dtype == np.float64)

    def running_forms(self, mean: np.ndarray, var: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same by running statistics, and the mean and rstd of each channel."""
        kept, weights = self.numbers(running_mean=mean, running_var=var), self.numbers(**self._given)
        return _dispatch.running_forms(*kept, self.eps, *weights, self.dtype == np.float64)

    @property
    def split(self) -> tuple[int, int, int]:
        return arrays.split_axis(self.x.shape, self.axis)

    def whole(self, kernels: _dispatch.BatchNormKernels) -> bool:
        """Whether each channel is summed and written before the next one."""
        return kernels.takes_whole(self.split)

    def in_order(self, *read: np.ndarray | None) -> _dispatch.OrderedSums:
        """The sums of arrays of any layout."""
        return _dispatch.OrderedSums(self.split, arrays.computing_dtype(self.dtype), *read)

    def refuse_one_element(self) -> None:
        if self.count == 1 and self.channels:
            raise ValueError(
                f"{self.name}: x has shape {self.x.shape}, one element for each channel along axis "
                f"{self.axis}; allowed in training are two or more, which have a variance"
            )

    def move(self, running: list[np.ndarray] | None, stats: np.ndarray, momentum: float) -> None:
        """Move running statistics towards those of x, with the variance divided by the number less 1."""
        if running is None:
            return
        with np.errstate(all="ignore"):
            news = stats[:, 0], stats[:, 2] * (self.count / (self.count - 1))
            for array, new in zip(running, news, strict=True):
                old = array.astype(np.float64)
                array[...] = old + momentum * (new - old)

    def run(
        self,
        kernels: _dispatch.Kernels,
        direction: str,
        inputs: list[np.ndarray | None],
        outputs: list[np.ndarray],
        parameters: tuple[float, ...],
    ) -> None:
        """Run kernels on slabs of whole channels, copied in and out."""
        target = np.asarray(outputs[0])
        read = [a.copy() if a is not None and arrays.overlap_partly(a, target) else a for a in inputs[:2]]
        read += [None if a is None else self._along(a) for a in inputs[2:]]
        written = [target, self._along(outputs[1])]
        each = max(1, 8 * arrays.CHUNK // self.count)
        before = (slice(None),) * self.axis
        slabs = [((*before, slice(first, first + each)), 0) for first in range(0, self.channels, each)]
        computing = arrays.computing_dtype(self.dtype)
        buffers = [
            None
            if a is None
            else np.empty(a.size // self.channels * each, computing if k in (0, 1, 4) else a.dtype)
            for k, a in enumerate([*read, *written])
        ]
        arrays.write(
            partial(
                _dispatch.run_slabs,
                *(kernels, direction, read, written, self.axis, 1, parameters, None, 0, slabs, buffers, 1),
            )
        )

    def _along(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers of each channel as an array whose axis of channels is that of x."""
        behind = (1,) * (self.x.ndim - 1 - self.axis)
        shape = (*(1,) * self.axis, self.channels, *behind, *numbers.shape[1:])
        return numbers.reshape(shape)


_FLOAT64 = np.dtype(np.float64)
