"""The passes that give one number of a row: logsumexp, and cross-entropy with its gradient."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from ..catalog import Pass
from . import arrays, buffers, foreign, layouts, masked
from .passes import Around

REDUCTIONS = ("none", "mean", "sum")


class LogSumExp(Around):
    """log(sum(exp(x))) of each row."""

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._kernels = _dispatch.LogSumExpKernels(row.name)

    def __call__(
        self,
        x: Any,
        axis: Any = -1,
        keepdims: bool = False,
        out: Any = None,
        *,
        scale: float = 1.0,
        causal: bool | int = False,
        mask: Any = None,
    ) -> Any:
        """``log(sum(exp(scale * x + mask)))`` of each row along an axis, without overflow.

        Parameters
        ----------
        x : array_like
            Of any shape and memory order; float16, bfloat16, float32 and float64 keep their dtype, integers
            and bools give float64.
        axis : int, None or tuple of int, default -1
            Axis of a row; several, or None for all of them, are one row.
        keepdims : bool, default False
            Whether the axes of a row stay, with the extent 1.
        out : numpy.ndarray, optional
            Where the result goes, of its shape and dtype.
        scale : float, default 1.0
            What x is multiplied by.
        causal : bool or int, default False
            As for `softmax`: how far query i, on the axis before `axis`, sees.
        mask : array_like of bool or float, optional
            As for `softmax`: False and -inf leave an element out, numbers are added.

        Returns
        -------
        y : numpy.ndarray or scalar
            A number for each row; -inf for one that sees nothing.

        Raises
        ------
        TypeError
            If a dtype is not supported, or `out` has another one than the result.
        ValueError
            If a word is out of its range, or `out` has another shape or is read-only.
        numpy.exceptions.AxisError
            If there is no such axis.

        References
        ----------
        .. [1] Blanchard, Higham, Higham (2021), Accurately computing the log-sum-exp and softmax functions.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> fa.logsumexp(np.array([[1000.0, 1000.0], [0.0, -np.inf]])).round(4).tolist()
        [1000.6931, 0.0]
        """
        if out is None and type(scale) is float and math.isfinite(scale):
            result = self._kernels.forward(x, axis, scale, causal, mask)
            if result is not None:
                return _as_stored(result[..., np.newaxis] if keepdims else result, x.dtype)
        elsewhere = foreign.on_memory(
            self.name,
            {"x": x, "mask": mask, "out": out},
            partial(self, axis=axis, keepdims=keepdims, scale=scale, causal=causal),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        words = _words(scale, causal, mask)
        out = _dispatch.single(out)
        source = arrays.as_input(x, "x")
        seen = masked.read(self.name, words, source, axis)
        dtype = arrays.result_dtype(source)
        kept = tuple(1 if k in seen.axes else n for k, n in enumerate(source.shape))
        shape = kept if keepdims else tuple(n for k, n in enumerate(source.shape) if k not in seen.axes)
        result = arrays.as_output(out, shape, dtype)
        length = math.prod(source.shape[k] for k in seen.axes)
        numbers = np.full(kept, -np.inf, arrays.computing_dtype(dtype))
        if length:
            kind = layouts.dtype_along(length, dtype)
            dtypes = [kind, kind, numbers.dtype]
            parameters = (seen.scale, 0.0, 0.0)
            arrays.write(
                masked.step(
                    self._kernels, "forward", source, None, [numbers], dtypes, parameters, seen, length
                )
            )
        result[...] = arrays.cast(numbers.reshape(shape), dtype, copy=False)
        return arrays.finish(result, out)

    def backward(
        self,
        dy: Any,
        *,
        x: Any,
        axis: Any = -1,
        keepdims: bool = False,
        out: Any = None,
        scale: float = 1.0,
        causal: bool | int = False,
        mask: Any = None,
    ) -> Any:
        """Gradient of the input, ``dy * scale * softmax(scale * x + mask)``; what is not seen gets 0.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the result, of its shape.
        x : array_like
            The input of the forward call.
        axis, keepdims, scale, causal, mask
            As there.
        out : numpy.ndarray, optional
            Where the gradient goes; may be `x`, then nothing of its size is allocated.

        Returns
        -------
        dx : numpy.ndarray or scalar
            Gradient with respect to x; `out` itself where it was given.

        Raises
        ------
        TypeError, ValueError
            As the forward call; and if `dy` is not of the shape of its result.
        """
        simple = dy is not None and type(scale) is float and math.isfinite(scale) and not keepdims
        if simple and _for_each_row(dy, x):
            plain = self._kernels.backward(dy, x, axis, scale, causal, mask, out)
            if plain is not None:
                return plain
        elsewhere = foreign.on_memory(
            f"{self.name}.backward",
            {"dy": dy, "x": x, "mask": mask, "out": out},
            partial(self.backward, axis=axis, keepdims=keepdims, scale=scale, causal=causal),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        source, gradient = arrays.as_input(x, "x"), arrays.as_input(dy, "dy")
        out = _dispatch.single(out)
        seen = masked.read(self.name, _words(scale, causal, mask), source, axis)
        kept = tuple(1 if k in seen.axes else n for k, n in enumerate(source.shape))
        shape = kept if keepdims else tuple(n for k, n in enumerate(source.shape) if k not in seen.axes)
        if gradient.shape != shape:
            raise ValueError(f"dy has shape {gradient.shape}; the forward result has shape {shape}")
        dtype = arrays.result_dtype(gradient, source)
        result = arrays.as_output(out, source.shape, dtype)
        computing = arrays.computing_dtype(dtype)
        rows = np.ascontiguousarray(arrays.cast(gradient, computing, copy=False)).reshape(kept)
        if np.may_share_memory(rows, result):
            rows = rows.copy()
        if source.dtype == dtype and source.flags.c_contiguous and seen.axes == (source.ndim - 1,):
            given = masked.plain_mask(seen, source, result)
            plain = self._kernels.backward(rows, source, -1, seen.scale, seen.causal, given, result)
            if plain is not None:
                return arrays.finish(result, out)
        kind = layouts.dtype_along(math.prod(source.shape[k] for k in seen.axes), dtype)
        dtypes, parameters = [kind, computing, kind], (seen.scale, 0.0, 0.0)
        arrays.write(masked.step(self._kernels, "x", source, rows, [result], dtypes, parameters, seen))
        return arrays.finish(result, out)


def _words(scale: Any, causal: Any, mask: Any) -> dict[str, Any]:
    return {"scale": scale, "causal": causal, "mask": mask}


def _for_each_row(dy: Any, x: Any) -> bool:
    """Whether dy is None, or plainly a number for each row along x's last axis."""
    return dy is None or (
        type(dy) is type(x) is np.ndarray
        and dy.dtype is x.dtype
        and dy.dtype.char in "fd"
        and dy.shape == x.shape[:-1]
        and dy.flags.c_contiguous
        and dy.flags.aligned
    )


def _as_stored(numbers: np.ndarray, dtype: np.dtype) -> Any:
    """Numbers of rows in the dtype of x, rounded once; one alone as a scalar."""
    result = numbers if numbers.dtype == dtype else arrays.cast(numbers, dtype)
    return result[()] if result.ndim == 0 else result


class Task(NamedTuple):
    """A call of cross-entropy, checked."""

    x: np.ndarray
    axis: int
    target: np.ndarray
    """Classes as int64, or probabilities."""
    weight: np.ndarray | None
    smoothing: float
    ignored: int
    factor: float
    """What reduction multiplies the sum by."""

    @property
    def dtype(self) -> np.dtype:
        return arrays.result_dtype(self.x)

    @property
    def of_classes(self) -> bool:
        return self.target.dtype == np.int64

    @property
    def losses(self) -> tuple[int, ...]:
        """Their shape."""
        return (*self.x.shape[: self.axis], *self.x.shape[self.axis + 1 :])


class CrossEntropy(Around):
    """The loss of logits and their target."""

    own_names = ("with_gradient",)

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._kernels = _dispatch.CrossEntropyKernels(row.name)

    def __call__(
        self,
        x: Any,
        target: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "none",
    ) -> Any:
        """The losses of logits: ``-log_softmax(x)`` of each row at its target's class, or over probabilities.

        As `torch.nn.functional.cross_entropy`, but for `axis` and for `reduction`, which is "none" here.

        Parameters
        ----------
        x : array_like
            Logits, of any shape with an axis of classes; float16, bfloat16, float32 and float64 keep their
            dtype, integers and bools give float64.
        target : array_like
            Integers, the classes, of x's shape without `axis`; or numbers of x's shape, the probabilities.
        axis : int, default -1
            Axis of the classes.
        weight : array_like, optional
            A weight for each class.
        ignore_index : int, default -100
            The class of rows that take no part: their losses and gradients are 0.
        label_smoothing : float, default 0.0
            The part, from 0 to 1, of each target that is spread over all classes evenly.
        reduction : {"none", "mean", "sum"}, default "none"
            Whether to return each loss, or their mean (weighted, where the target is of classes) or sum.

        Returns
        -------
        losses : numpy.ndarray or scalar
            Of x's shape without `axis`, or one number.

        Raises
        ------
        TypeError
            If a dtype is not supported.
        ValueError
            If shapes do not fit, a class is none of x's or a word is out of its range.
        numpy.exceptions.AxisError
            If there is no such axis.

        References
        ----------
        .. [1] Good (1952), Rational Decisions; label smoothing: Szegedy et al. (2016), Rethinking the
           Inception Architecture for Computer Vision.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> logits = np.array([[2.0, 0.0], [0.0, 50.0]])
        >>> fa.cross_entropy(logits, np.array([0, 1]))  # the second has all its digits
        array([1.26928011e-01, 1.92874985e-22])
        """
        return self._run(
            x, target, axis, weight, ignore_index, label_smoothing, reduction, None, None, False, True
        )[0]

    def with_gradient(
        self,
        x: Any,
        target: Any,
        axis: int = -1,
        *,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "none",
        out: Any = None,
    ) -> tuple[Any, Any]:
        """The losses, and the gradient of each (or of their reduction) with respect to x, in one pass.

        Parameters
        ----------
        x, target, axis, weight, ignore_index, label_smoothing, reduction
            As for the losses alone.
        out : numpy.ndarray, optional
            Where the gradient goes, of x's shape; may be `x`, then nothing of its size is allocated.

        Returns
        -------
        losses : numpy.ndarray or scalar
            As for the losses alone.
        dx : numpy.ndarray
            ``softmax(x) - target``, weighted; `out` itself where it was given.

        Raises
        ------
        TypeError, ValueError
            As for the losses alone; and if `out` cannot take the gradient.

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> logits = np.array([[2.0, 2.0], [0.0, 0.0]])
        >>> losses, dx = fa.cross_entropy.with_gradient(logits, np.array([0, 1]), out=logits)
        >>> dx is logits, dx.round(3).tolist()
        (True, [[-0.5, 0.5], [0.5, -0.5]])
        """
        return self._run(
            x, target, axis, weight, ignore_index, label_smoothing, reduction, None, out, True, True
        )

    def backward(
        self,
        dy: Any,
        *,
        x: Any,
        target: Any,
        axis: int = -1,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "none",
        out: Any = None,
    ) -> Any:
        """Gradient of the logits from the gradient of the losses.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the losses, of their shape; one number where they were reduced.
        x, target, axis, weight, ignore_index, label_smoothing, reduction
            As in the forward call.
        out : numpy.ndarray, optional
            Where the gradient goes; may be `x`, then nothing of its size is allocated.

        Returns
        -------
        dx : numpy.ndarray
            Gradient with respect to x; `out` itself where it was given.

        Raises
        ------
        TypeError, ValueError
            As the forward call; and if shapes do not fit or `out` cannot take the gradient.
        """
        return self._run(
            x, target, axis, weight, ignore_index, label_smoothing, reduction, dy, out, True, False
        )[1]

    def _run(
        self,
        x: Any,
        target: Any,
        axis: Any,
        weight: Any,
        ignored: Any,
        smoothing: Any,
        reduction: Any,
        dy: Any,
        out: Any,
        gradient: bool,
        losses: bool,
    ) -> tuple[Any, Any]:
        """The losses and the gradient, each where it is asked for."""
        simple = weight is None and reduction == "none" and type(smoothing) is float and smoothing == 0
        if simple and type(ignored) is int and -(2**63) <= ignored < 2**63 and _for_each_row(dy, x):
            plain = self._kernels.launch(x, target, axis, None, 0.0, 1.0, ignored, dy, out, gradient, losses)
            if plain is not None:
                return _as_stored(plain[0], x.dtype) if losses else None, plain[1]
        elsewhere = foreign.on_memory(
            self.name,
            {"x": x, "target": target, "weight": weight, "dy": dy, "out": out},
            partial(
                self._run,
                axis=axis,
                ignored=ignored,
                smoothing=smoothing,
                reduction=reduction,
                gradient=gradient,
                losses=losses,
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        out = _dispatch.single(out)
        task = self._task(x, target, axis, weight, ignored, smoothing, reduction)
        of_losses = None if dy is None else arrays.as_input(dy, "dy")
        by, scale = self._gradient_of_losses(of_losses, task, reduction)
        numbers, dx = self._on_any(task, by, scale, out, gradient, losses)
        if not losses:
            return None, dx
        if reduction == "none":
            return _as_stored(numbers, task.dtype), dx
        with np.errstate(all="ignore"):
            total = np.add.reduce(numbers, axis=None, dtype=np.float64) * np.float64(task.factor)
        return arrays.cast(total, task.dtype)[()], dx

    def _on_any(
        self, task: Task, dy: np.ndarray | None, factor: float, out: Any, gradient: bool, losses: bool
    ) -> tuple[Any, Any]:
        """The losses in the dtype that they are computed in, and the gradient."""
        x, axis = task.x, task.axis
        if axis == x.ndim - 1 and x.dtype == task.dtype:
            plain = self._kernels.launch(
                x,
                task.target,
                axis,
                task.weight,
                task.smoothing,
                factor,
                task.ignored,
                dy,
                out,
                gradient,
                losses,
            )
            if plain is not None:
                return plain
        computing = arrays.computing_dtype(task.dtype)
        result = arrays.as_output(out, x.shape, task.dtype) if gradient else None
        numbers = np.zeros(task.losses, computing) if losses else None
        if x.size:
            arrays.write(self._step(task, dy, factor, result, numbers))
        return numbers, None if result is None else arrays.finish(result, out)

    def _step(
        self,
        task: Task,
        dy: np.ndarray | None,
        factor: float,
        result: np.ndarray | None,
        numbers: np.ndarray | None,
    ) -> partial[object]:
        x, axis = task.x, task.axis
        length, computing = x.shape[axis], arrays.computing_dtype(task.dtype)
        kind = layouts.dtype_along(length, task.dtype)
        given, classes = (None, task.target) if task.of_classes else (task.target, None)
        ignored = task.ignored if 0 <= task.ignored < length else -1.0
        parameters = task.smoothing, factor, float(ignored) if task.of_classes else math.nan
        # A weight alone would be taken for one of all elements; its class has all the probability anyway.
        weight = task.weight if length > 1 else None
        if weight is not None and result is not None and np.may_share_memory(weight, result):
            weight = weight.copy()
        of_rows = [None if a is None else np.expand_dims(a, -1) for a in (dy, classes, numbers)]
        # A kernel is told of all inputs, so that none is left from a call before.
        missing = [None] if weight is None else []
        inputs = [
            np.moveaxis(x, axis, -1),
            None if given is None else np.moveaxis(given, axis, -1),
            *of_rows[:2],
            *missing,
        ]
        if result is None:
            outputs, kinds = [of_rows[2]], [computing]
        else:
            outputs, kinds = [np.moveaxis(np.asarray(result), axis, -1), of_rows[2]], [kind, computing]
        dtypes = [kind, kind, computing, np.dtype(np.int64), *missing, *kinds]
        direction, group = ("forward", length) if result is None else ("x", 0)
        return arrays.along_axis(
            self._kernels,
            direction,
            inputs,
            outputs,
            x.ndim - 1,
            dtypes,
            parameters,
            weight=weight,
            group=group,
        )

    def _gradient_of_losses(
        self, dy: np.ndarray | None, task: Task, reduction: str
    ) -> tuple[np.ndarray | None, float]:
        """What each row's gradient is multiplied by, and what all are."""
        if dy is None:
            return None, task.factor
        if reduction != "none":
            if dy.shape:
                raise ValueError(f"dy has shape {dy.shape}; the loss that was reduced is one number")
            return None, float(dy) * task.factor
        if dy.shape != task.losses:
            raise ValueError(f"dy has shape {dy.shape}; the losses have shape {task.losses}")
        by = arrays.cast(dy, arrays.computing_dtype(task.dtype), copy=False)
        return np.asarray(by, order="C"), 1.0

    def _task(
        self, x: Any, target: Any, axis: Any, weight: Any, ignored: Any, smoothing: Any, reduction: Any
    ) -> Task:
        source = arrays.as_input(x, "x")
        dim = arrays.axis_index(axis, source.ndim)
        if not isinstance(reduction, str) or reduction not in REDUCTIONS:
            allowed = ", ".join(map(repr, REDUCTIONS))
            raise ValueError(f"{self.name}: {arrays.given('reduction', reduction)}; allowed are {allowed}")
        spread = arrays.number(self.name, "label_smoothing", smoothing)
        if not 0 <= spread <= 1:
            raise ValueError(f"{self.name}: label_smoothing={spread}; allowed is 0 <= label_smoothing <= 1")
        if not arrays.is_whole(ignored):
            raise TypeError(
                f"{self.name}: {arrays.given('ignore_index', ignored)}; allowed is a whole number"
            )
        left_out = max(-(2**63), min(operator.index(ignored), 2**63 - 1))
        classes = source.shape[dim]
        weights = None if weight is None else self._weights(weight, classes, arrays.result_dtype(source))
        array = self._target(target, source.shape, dim, left_out)
        factor = 1.0
        if reduction == "mean":
            with np.errstate(all="ignore"):
                factor = float(1 / self._weight_of(array, weights, left_out, source.shape, dim))
        return Task(source, dim, array, weights, spread, left_out, factor)

    def _weights(self, weight: Any, classes: int, dtype: np.dtype) -> np.ndarray:
        weights = arrays.as_input(weight, "weight")
        if weights.shape != (classes,):
            raise ValueError(
                f"{self.name}: weight has shape {weights.shape}; allowed is ({classes},), one for each class"
            )
        read = arrays.cast(weights, arrays.computing_dtype(dtype), copy=False)
        return np.require(read, requirements=["C", "ALIGNED"])

    def _target(self, target: Any, shape: tuple[int, ...], axis: int, ignored: int) -> np.ndarray:
        """Classes as int64, or probabilities of x's shape."""
        array = np.asarray(buffers.read(target, "target"))
        if array.dtype.kind not in "iu":
            if array.dtype == np.bool_:
                raise TypeError("target has dtype bool; allowed are classes as integers, and probabilities")
            probabilities = arrays.as_input(array, "target")
            if probabilities.shape != shape:
                raise ValueError(f"target has shape {array.shape}; probabilities have that of x, {shape}")
            return probabilities
        of_rows = (*shape[:axis], *shape[axis + 1 :])
        if array.shape != of_rows:
            raise ValueError(
                f"target has shape {array.shape}; classes have the shape {of_rows}, x's without axis {axis}"
            )
        counted = array[array != ignored]
        if counted.size and not 0 <= counted.min() <= counted.max() < shape[axis]:
            wrong = counted.min() if counted.min() < 0 else counted.max()
            raise ValueError(
                f"target holds {wrong}; allowed is 0 <= target < {shape[axis]}, x's extent along axis "
                f"{axis}, and ignore_index={ignored}"
            )
        return np.asarray(array, np.int64, order="C")

    def _weight_of(
        self, target: np.ndarray, weights: np.ndarray | None, ignored: int, shape: tuple[int, ...], axis: int
    ) -> np.float64:
        """What the sum of the losses is divided by."""
        if target.dtype != np.int64:
            return np.float64(math.prod(shape[:axis]) * math.prod(shape[axis + 1 :]))
        counted = target[target != ignored]
        if weights is None:
            return np.float64(counted.size)
        return np.add.reduce(weights[counted], dtype=np.float64)
