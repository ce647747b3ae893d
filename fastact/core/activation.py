"""The activation objects, one class per shape of work: which errors a call raises and which kernel runs.

The short path of a call, on plain arrays, is in the compiled base classes; what they do not recognise comes
to `_forward` and `_backward` here. What differs between activations of one shape comes from their rows.
"""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import Row
from . import added, arrays, buffers, compiled, docstring, foreign, layouts, masked
from .described import Described, activation

_NOTHING_ADDED = (None, -1, None, None)
"""No bias, its axis, no residual, no dropout."""


class Elementwise(Described, _dispatch.ElementwiseKernels, kind="elementwise"):
    """An activation of each element for itself."""

    own_names = ("low_level_callable",)
    gradients = docstring.Gradients(
        "Gradient of the input from the gradient of the output and one saved array.",
        returns_also="""\
dbeta : scalar
    With ``beta_grad=True``: gradient with respect to beta, summed in float64 in an order
    that neither thread count nor memory layout changes.""",
    )

    def __init__(self, row: Row) -> None:
        numbers = row.numbers
        super().__init__(
            row.name,
            tuple(numbers),
            tuple(numbers.values()),
            not row.required,
            len(row.parameters),
            row.sign_will_do,
        )
        self._describe(row)

    def _named(self, given: dict[str, Any]) -> Any:
        """The activation that a word among the parameters stands for; takes the word from them."""
        name = self.name
        for parameter in self.row.parameters:
            if not parameter.choices:
                continue
            word = given.pop(parameter.name, parameter.default)
            if not isinstance(word, str) or word not in parameter.choices:
                error = ValueError if isinstance(word, str) else TypeError
                allowed = " or ".join(map(repr, parameter.choices))
                raise error(f"{self.name}: {arrays.given(parameter.name, word)}; allowed is {allowed}")
            name = parameter.choices[word]
        return self if name == self.name else activation(name)

    def _check(self, given: dict[str, Any]) -> None:
        self._named(given)._numbers(given)

    def _forward(
        self, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, beside: Any = None
    ) -> Any:
        given = self._bind(args, kwargs)
        named = self._named(given)
        words = {} if beside is None else dict(zip(added.WORDS, beside, strict=False))
        if named is not self:
            return named(x, **given, **words, out=out)
        parameters = self._numbers(given)
        if beside is None or added.is_number(beside):
            elsewhere = foreign.compute(self, {"x": x}, out, {**given, **words})
            if elsewhere is not NotImplemented:
                return elsewhere
        extreme = self._needs_float64(parameters)
        if beside is None:
            source = arrays.as_input(x, "x")
            result = layouts.elementwise(self, "forward", [source], out, parameters, in_float64=extreme)
        else:
            result = added.forward(self, self.row, x, out, parameters, beside)
        if not extreme:
            self._remember(parameters, False)
        return result

    def _backward(
        self,
        dy: Any,
        args: tuple[Any, ...],
        x: Any,
        y: Any,
        out: Any,
        kwargs: dict[str, Any],
        beside: Any = None,
    ) -> Any:
        if args:
            raise TypeError(f"{self.name}.backward takes dy by position and everything else by name")
        learnt = self._learnt(kwargs)
        given = self._bind((), kwargs, backward=True)
        named = self._named(given)
        words = {} if beside is None else dict(zip(added.WORDS, beside, strict=True))
        if named is not self:
            return named.backward(dy, x=x, y=y, **given, **words, out=out)
        parameters = self._numbers(given)
        direction = self._read_saved(x, y)
        if direction == "y":
            self._check_output_determines(parameters)
        kept = x if direction == "x" else y
        if beside is None or added.is_number(beside):
            elsewhere = foreign.compute(self, {"dy": dy, direction: kept}, out, {**given, **learnt, **words})
            if elsewhere is not NotImplemented:
                return elsewhere
        if beside is None:
            result = self._gradients(dy, direction, kept, out, parameters, bool(learnt))
        else:
            given_arrays = dy, direction, kept, out
            result = added.backward(self, self.row, given_arrays, parameters, beside, bool(learnt))
        if not self._needs_float64(parameters):
            self._remember(parameters, direction == "y")
        return result

    def _gradients(
        self, dy: Any, direction: str, kept: Any, out: Any, parameters: tuple[float, ...], learnt: bool
    ) -> Any:
        """Backward on NumPy's arrays, with the gradient of a parameter where it is asked for."""
        gradient, saved = arrays.as_gradient(dy, kept, direction)
        extreme = self._needs_float64(parameters)
        if learnt:
            dtype = arrays.result_dtype(gradient, saved)
            arrays.as_output(out, saved.shape, dtype)  # its errors come before the work
            computing = arrays.FLOAT64 if extreme else arrays.computing_dtype(dtype)
            whole = 1, 1, saved.size
            total = layouts.parameter_gradient(self, gradient, saved, parameters, whole, computing)
        result = layouts.elementwise(self, direction, [gradient, saved], out, parameters, in_float64=extreme)
        return (result, arrays.cast(total, dtype)[0]) if learnt else result

    def _of_bias(self, totals: np.ndarray, bias: Any, saved: np.ndarray) -> Any:
        """The gradient of a bias from its sums, for the short path."""
        return added.of_bias(totals, totals.shape if bias is None else np.shape(bias), saved.dtype)

    def low_level_callable(self, **parameters: Any) -> Any:
        """This function of one number, for those of SciPy that call C.

        Parameters
        ----------
        **parameters
            The parameters of a call, by name.

        Returns
        -------
        scipy.LowLevelCallable
            ``double(double)``; with parameters ``double(double, void *)``, and they are what it points to.

        Raises
        ------
        TypeError, ValueError
            As a call with these parameters.

        Examples
        --------
        >>> import fastact as fa
        >>> from scipy.integrate import quad
        >>> area, error = quad(fa.leaky_relu.low_level_callable(negative_slope=0.5), -2, 2)
        >>> round(area, 12)
        1.0
        """
        named = self._named(parameters)
        if named is not self:
            return named.low_level_callable(**parameters)
        return compiled.low_level_callable(self.name, self._read_parameters((), parameters))

    def _learnt(self, kwargs: dict[str, Any]) -> dict[str, bool]:
        """What asks for the gradient of a parameter that has one; takes that from the call."""
        words = [f"{p.name}_grad" for p in self.row.parameters if p.gradient]
        return {word: True for word in words if kwargs.pop(word, False)}


class Rows(Described, _dispatch.RowsKernels, kind="rows"):
    """An activation of each row along an axis; one that has a parameter has a kernel for it too."""

    gradients = docstring.Gradients(
        "Gradient of the input from the gradient of the output and the saved output."
    )

    def __init__(self, row: Row) -> None:
        self._masked = _dispatch.MaskedKernels(row.masked_kernel) if row.masked_kernel else None
        self._turn = -1.0 if row.negates else 1.0
        self._tempered = _dispatch.Kernels(f"tempered_{row.name}") if row.parameters else None
        parameter = row.parameters[0].name if row.parameters else ""
        super().__init__(row.name, self._masked, self._turn, row.takes_where, self._tempered, parameter)
        self._describe(row)

    def _kernels(
        self, kwargs: dict[str, Any], backward: bool = False
    ) -> tuple[_dispatch.Kernels, tuple[float, ...]]:
        """What computes the row with these parameters, and what it is given."""
        parameters = self._read_parameters((), kwargs, backward)
        if self._tempered is None or parameters == (self.row.parameters[0].default,):
            return self, ()
        if not self._needs_float64(parameters):
            self._remember(*parameters)
        return self._tempered, parameters

    def _forward(self, x: Any, axis: Any, out: Any, kwargs: dict[str, Any]) -> Any:
        words = masked.taken(kwargs, self.row.takes_where) if self._masked else {}
        kernels, parameters = self._kernels(kwargs)
        elsewhere = foreign.compute(self, {"x": x}, out, {"axis": axis, **kwargs, **words})
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        if not words:
            return layouts.along_rows(
                kernels, "forward", [source], out, parameters, axis, self._needs_float64(parameters)
            )
        seen = masked.read(self.name, words, source, axis)
        return masked.rows(self._masked, "forward", [source], out, self._numbers_of(seen, parameters), seen)

    def _backward(self, dy: Any, x: Any, y: Any, axis: Any, out: Any, kwargs: dict[str, Any]) -> Any:
        words = masked.taken(kwargs, False) if self._masked else {}
        kernels, parameters = self._kernels(kwargs, backward=True)
        self._read_saved(x, y)
        elsewhere = foreign.compute(self, {"dy": dy, "y": y}, out, {"axis": axis, **kwargs, **words})
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, saved = arrays.as_gradient(dy, y, "y")
        if not words:
            return layouts.along_rows(
                kernels, "y", [gradient, saved], out, parameters, axis, self._needs_float64(parameters)
            )
        # What the mask left out is told by y.
        seen = masked.read(self.name, words, saved, axis)._replace(mask=None)
        parameters = self._numbers_of(seen, parameters, backward=True)
        return masked.rows(self._masked, "y", [gradient, saved], out, parameters, seen)

    def _numbers_of(
        self, seen: masked.Seen, parameters: tuple[float, ...], backward: bool = False
    ) -> tuple[float, ...]:
        """What masked kernels are given: the scale in two parts, and the temperature where that is apart."""
        scale, temperature = seen.scale * self._turn, parameters[0] if parameters else 1.0
        added = seen.mask is not None and seen.mask.dtype != np.bool_
        if temperature != 1 and scale == 1 and not (added or backward):
            return 1.0, 0.0, temperature
        return *masked.factor(scale, temperature), 0.0


class Channels(Described, _dispatch.ChannelsKernels, kind="channels"):
    """prelu: one learnable slope, or one per position on an axis."""

    gradients = docstring.Gradients(
        "Gradients of the input and of the weight.",
        returns_also="""\
dweight : numpy.ndarray or scalar
    Gradient with respect to the weight, in the weight's shape and the result's dtype. Its
    sum is carried in float64 in an order that no thread count changes.""",
    )

    def __init__(self, row: Row) -> None:
        super().__init__(row.name)
        self._describe(row)

    def _forward(self, x: Any, weight: Any, axis: int, out: Any, beside: Any = None) -> Any:
        if beside is not None:
            return self._forward_added(x, weight, axis, out, beside)
        elsewhere = foreign.compute(self, {"x": x}, out, {"weight": weight, "axis": axis})
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        slopes, along = self._weights(weight, source, axis)
        if slopes.size > arrays.CHUNK:
            # A slab would be as long as the weights; chunks know which of them are theirs.
            return self._forward_added(source, slopes, axis, out, _NOTHING_ADDED)
        axis, dtype = along, arrays.result_dtype(source)
        result = arrays.as_output(out, source.shape, dtype, like=source)
        kind = layouts.dtype_along(slopes.size, dtype)
        slopes = arrays.cast(slopes, arrays.computing_dtype(dtype))
        self._run("forward", [source], result, axis, slopes, kind)
        return arrays.finish(result, out)

    def _forward_added(self, x: Any, weight: Any, axis: int, out: Any, words: tuple[Any, ...]) -> Any:
        bias, bias_axis, residual, dropout = words
        elsewhere = foreign.on_memory(
            self.name,
            {"x": x, "weight": weight, "out": out, "bias": bias, "residual": residual},
            lambda x, weight, out, bias, residual: self._forward_added(
                x, weight, axis, out, (bias, bias_axis, residual, dropout)
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        other = None if residual is None else arrays.as_input(residual, "residual")
        dtype = arrays.result_dtype(*[a for a in (source, other) if a is not None])
        beside = added.read(self.name, source, dtype, bias, bias_axis, other, dropout)
        beside = beside._replace(weights=self._beside(weight, source, axis, dtype))
        return added.elementwise(self, "forward", [source], out, (), beside, dtype)

    def _beside(self, weight: Any, x: np.ndarray, axis: int, dtype: np.dtype) -> added.Weights:
        """The weights as kernels of chunks take them."""
        slopes, axis = self._weights(weight, x, axis)
        values = arrays.cast(slopes, arrays.computing_dtype(dtype), copy=False)
        return added.Weights(np.ascontiguousarray(values), self._split(x.shape, axis, slopes))

    def _backward_added(
        self, dy: Any, weight: Any, axis: int, x: Any, out: Any, words: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        bias, bias_axis, residual, dropout, bias_grad = words
        elsewhere = foreign.on_memory(
            f"{self.name}.backward",
            {"dy": dy, "x": x, "weight": weight, "out": out, "bias": bias, "residual": residual},
            lambda dy, x, weight, out, bias, residual: self._backward_added(
                dy, weight, axis, x, out, (bias, bias_axis, residual, dropout, bias_grad)
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, source = arrays.as_gradient(dy, x, "x")
        other = None if residual is None else arrays.as_input(residual, "residual")
        dtype = arrays.result_dtype(*[a for a in (gradient, source, other) if a is not None])
        beside = added.read(self.name, source, dtype, bias, bias_axis, other, dropout, bias_grad)
        beside = beside._replace(weights=self._beside(weight, source, axis, dtype))
        arrays.as_output(out, source.shape, dtype)  # its errors come before the work
        split = beside.weights.axis  # type: ignore[union-attr]
        total = added.parameter_gradient(self, gradient, source, (), split, beside, dtype)
        more = [arrays.cast(total, dtype).reshape(np.shape(weight))[()]]
        if bias_grad:
            more.append(added.sum_of_bias(self, "x", [gradient, source], (), beside, dtype))
        return added.elementwise(self, "x", [gradient, source], out, (), beside, dtype), *more

    def _backward(
        self, dy: Any, weight: Any, axis: int, x: Any, y: Any, out: Any, beside: Any = None
    ) -> tuple[Any, ...]:
        self._read_saved(x, y)
        if weight is None:
            raise TypeError(f"{self.name}.backward needs the weight= of the forward call")
        if beside is not None:
            return self._backward_added(dy, weight, axis, x, out, beside)
        elsewhere = foreign.compute(self, {"dy": dy, "x": x}, out, {"weight": weight, "axis": axis})
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, source = arrays.as_gradient(dy, x, "x")
        slopes, along = self._weights(weight, source, axis)
        if slopes.size > arrays.CHUNK:
            words = (*_NOTHING_ADDED, False)
            return self._backward_added(gradient, slopes.reshape(np.shape(weight)), axis, source, out, words)
        axis, dtype = along, arrays.result_dtype(gradient, source)
        result = arrays.as_output(out, source.shape, dtype)
        kind = layouts.dtype_along(slopes.size, dtype)
        split = self._split(source.shape, axis, slopes)
        total = layouts.parameter_gradient(self, gradient, source, (), split, kind)
        slopes = arrays.cast(slopes, arrays.computing_dtype(dtype))
        self._run("x", [gradient, source], result, axis, slopes, kind)
        dweight = arrays.cast(total, dtype).reshape(np.shape(weight))
        return arrays.finish(result, out), dweight[()]

    def _run(
        self,
        direction: str,
        inputs: list[np.ndarray],
        result: np.ndarray,
        axis: int,
        slopes: np.ndarray,
        kind: np.dtype,
    ) -> None:
        """Run a kernel on arrays of any layout, brought to it as `kind`."""
        given = [*map(np.atleast_1d, inputs), *[None] * (2 - len(inputs))]
        arrays.write(
            arrays.along_axis(
                self, direction, given, [np.atleast_1d(result)], axis, [kind] * 3, weight=slopes
            )
        )

    def _weights(self, weight: Any, x: np.ndarray, axis: int) -> tuple[np.ndarray, int]:
        """The slopes as a 1-d array, and the axis they belong to."""
        foreign.refuse(self.name, weight=weight)
        slopes = arrays.as_input(weight, "weight")
        if slopes.size == 1 and slopes.ndim <= 1:
            # The default is for a weight per channel; one weight is for an x without channels, too.
            if isinstance(axis, np.ndarray) or axis != self.parameters["axis"]:
                arrays.axis_index(axis, x.ndim)
            return slopes.reshape(1), 0
        if x.ndim == 0:
            raise ValueError(f"{self.name}: weight has shape {slopes.shape}; a 0-d x allows one weight only")
        axis = arrays.axis_index(axis, x.ndim)
        if slopes.shape != (x.shape[axis],):
            raise ValueError(
                f"{self.name}: weight has shape {slopes.shape}; allowed are one number and "
                f"({x.shape[axis]},), x's extent along axis {axis}"
            )
        return slopes, axis

    def _split(self, shape: tuple[int, ...], axis: int, slopes: np.ndarray) -> tuple[int, int, int]:
        if slopes.size == 1:
            return 1, 1, math.prod(shape)
        return arrays.split_axis(shape, axis)


class Pieces(Described, _dispatch.PiecesKernels, kind="pieces"):
    """maxout: the largest of each group of consecutive values along an axis."""

    gradients = docstring.Gradients(
        "Gradient of the input: `dy` at the largest value of each group, 0 elsewhere."
    )

    def __init__(self, row: Row) -> None:
        super().__init__(row.name)
        self._describe(row)

    def _forward(self, x: Any, pieces: int, axis: int, out: Any, return_which: bool) -> Any:
        self._check_whole(pieces)
        given = {"pieces": pieces, "axis": axis, **({"return_which": True} if return_which else {})}
        elsewhere = foreign.compute(self, {"x": x}, out, given)
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        axis = arrays.axis_index(axis, source.ndim)
        shape = self._grouped(source.shape, axis, pieces)
        dtype = arrays.result_dtype(source)
        result = arrays.as_output(out, shape, dtype)
        which = np.empty(shape, np.int32) if return_which else None
        dtypes = [arrays.computing_dtype(dtype)] * 2 + [np.dtype(np.int32)]
        call = arrays.split_groups([source], [result, which], axis, shape[axis])
        arrays.write(arrays.along_axis(self, "forward", *call, dtypes, group=pieces))
        finished = arrays.finish(result, out)
        return (finished, which) if return_which else finished

    def _backward(self, dy: Any, x: Any, y: Any, which: Any, pieces: int | None, axis: int, out: Any) -> Any:
        if y is not None or (x is None) == (which is None):
            raise TypeError(
                f"{self.name}.backward takes exactly one of x= (the forward input) and which= "
                "(from return_which=True); the output does not say which value was the largest"
            )
        if pieces is None:
            raise TypeError(f"{self.name}.backward needs the pieces= of the forward call")
        self._check_whole(pieces)
        kept = {"x": x} if which is None else {"which": which}
        elsewhere = foreign.compute(self, {"dy": dy, **kept}, out, {"pieces": pieces, "axis": axis})
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient = arrays.as_input(dy, "dy")
        saved = arrays.as_input(x, "x") if which is None else self._winners(which, pieces)
        axis = arrays.axis_index(axis, saved.ndim)
        if which is None:
            expected = self._grouped(saved.shape, axis, pieces)
            dtype = arrays.result_dtype(gradient, saved)
        else:
            expected, dtype = saved.shape, arrays.result_dtype(gradient)
        if gradient.shape != expected:
            raise ValueError(f"dy has shape {gradient.shape}; the forward output has shape {expected}")
        shape = (*expected[:axis], expected[axis] * pieces, *expected[axis + 1 :])
        result = arrays.as_output(out, shape, dtype)
        compute = arrays.computing_dtype(dtype)
        inputs = [gradient, saved, None] if which is None else [gradient, None, saved]
        dtypes = [compute, compute, saved.dtype, compute]
        call = arrays.split_groups(inputs, [result], axis, expected[axis])
        arrays.write(arrays.along_axis(self, "x", *call, dtypes, group=pieces))
        return arrays.finish(result, out)

    def _grouped(self, shape: tuple[int, ...], axis: int, pieces: int) -> tuple[int, ...]:
        """Shape of the output; ValueError where `pieces` does not divide the axis."""
        if pieces < 1 or shape[axis] % pieces:
            raise ValueError(
                f"{self.name}: {arrays.given('pieces', pieces)}; allowed are the divisors of {shape[axis]}, "
                f"x's extent along axis {axis}"
            )
        return (*shape[:axis], shape[axis] // pieces, *shape[axis + 1 :])

    def _check_whole(self, pieces: Any) -> None:
        if not arrays.is_whole(pieces):
            raise TypeError(f"{self.name}: {arrays.given('pieces', pieces)}; allowed is a whole number")

    def _winners(self, which: Any, pieces: int) -> np.ndarray:
        """Indices as int32, each of which must be a position in its group."""
        winners = np.asarray(buffers.read(which, "which"))
        if winners.dtype.kind not in "iu":
            raise TypeError(f"which has dtype {winners.dtype}; allowed are integers")
        if not 1 <= pieces <= sys.maxsize:
            words = arrays.given("pieces", pieces)
            raise ValueError(f"{self.name}: {words}; allowed is 1 <= pieces <= {sys.maxsize}")
        if winners.size and not 0 <= winners.min() <= winners.max() < pieces:
            raise ValueError(
                f"which holds {winners.min()} to {winners.max()}; allowed is 0 <= which < pieces={pieces}"
            )
        return arrays.cast(winners, np.dtype(np.int32), copy=False)


class Gated(Described, _dispatch.GatedKernels, kind="gated"):
    """One half of the values along an axis, times a gate that the other half opens."""

    gradients = docstring.Gradients(
        "Gradient of the input from the gradient of the output and the saved input."
    )

    def __init__(self, row: Row) -> None:
        super().__init__(row.name)
        self._describe(row)

    def _forward(
        self, x: Any, axis: int, out: Any, gate: Any, bias: Any, bias_axis: Any, dropout: Any
    ) -> Any:
        adds = bias is not None or dropout is not None
        if gate is not None:
            return self._of_two(x, gate, axis, out, (bias, bias_axis, dropout) if adds else None)
        if adds:
            call = partial(self._forward, axis=axis, gate=None, bias_axis=bias_axis, dropout=dropout)
            elsewhere = foreign.on_memory(self.name, {"x": x, "out": out, "bias": bias}, call)
        else:
            elsewhere = foreign.compute(self, {"x": x}, out, {"axis": axis})
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        axis = arrays.axis_index(axis, source.ndim)
        dtype = arrays.result_dtype(source)
        result = arrays.as_output(out, self._halved(source.shape, axis), dtype)
        if not adds:
            return self._along("forward", [source], result, axis, out)
        beside = added.read(self.name, source, dtype, bias, bias_axis, None, dropout)
        split = arrays.split_axis(result.shape, axis)
        (result,), _ = self._run_added("forward", [source], [result], split, [beside], dtype)
        return arrays.finish(result, out)

    def _backward(
        self,
        dy: Any,
        x: Any,
        y: Any,
        axis: int,
        out: Any,
        gate: Any,
        bias: Any,
        bias_axis: Any,
        dropout: Any,
        bias_grad: bool,
    ) -> Any:
        self._read_saved(x, y)
        adds = bias is not None or dropout is not None or bias_grad
        if gate is not None:
            words = (bias, bias_axis, dropout, bias_grad) if adds else None
            return self._gradients_of_two(dy, x, gate, axis, out, words)
        if adds:
            given = {"dy": dy, "x": x, "out": out, "bias": bias}
            more = {
                "y": None,
                "gate": None,
                "bias_axis": bias_axis,
                "dropout": dropout,
                "bias_grad": bias_grad,
            }
            call = partial(self._backward, axis=axis, **more)
            elsewhere = foreign.on_memory(f"{self.name}.backward", given, call)
        else:
            elsewhere = foreign.compute(self, {"dy": dy, "x": x}, out, {"axis": axis})
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, source = arrays.as_input(dy, "dy"), arrays.as_input(x, "x")
        axis = arrays.axis_index(axis, source.ndim)
        expected = self._halved(source.shape, axis)
        if gradient.shape != expected:
            raise ValueError(f"dy has shape {gradient.shape}; the forward output has shape {expected}")
        dtype = arrays.result_dtype(gradient, source)
        result = arrays.as_output(out, source.shape, dtype)
        if not adds:
            return self._along("x", [gradient, source], result, axis, out)
        beside = added.read(self.name, source, dtype, bias, bias_axis, None, dropout, bias_grad)
        split = arrays.split_axis(expected, axis)
        inputs = [gradient, source]
        (result,), dbias = self._run_added("x", inputs, [result], split, [beside], dtype, bias_grad)
        dx = arrays.finish(result, out)
        return (dx, *dbias) if bias_grad else dx

    def _run_added(
        self,
        direction: str,
        inputs: list[np.ndarray],
        results: list[np.ndarray],
        split: tuple[int, int, int],
        beside: list[added.Added],
        dtype: np.dtype,
        sums: bool = False,
    ) -> tuple[list[np.ndarray], list[Any]]:
        """The results and the gradients of biases, by way of copies of what no kernel can run on."""
        total = _dispatch.Sums(len(beside)) if sums else None
        biases, axis, dropout = [one.bias for one in beside], beside[0].axis, beside[0].dropout
        read = [a if arrays.is_ready(a, dtype) else np.array(a, dtype, order="C") for a in inputs]
        kept = [*inputs, *biases]
        ready = [
            arrays.is_ready(a, dtype) and not any(arrays.overlap_partly(b, a) for b in kept) for a in results
        ]
        written = [a if fits else np.empty(a.shape, dtype) for a, fits in zip(results, ready, strict=True)]
        if results[0].size:
            run = partial(
                self._run_added_gates, direction, read, written, split, biases, axis, dropout, total
            )
            copies = [
                partial(a.__setitem__, ..., b) for a, b in zip(results, written, strict=True) if a is not b
            ]
            arrays.write(run, *copies)
        if total is None:
            return results, []
        if not results[0].size:
            return results, [added.of_bias(np.zeros(one.shape), one.shape, dtype) for one in beside]
        return results, [added.of_pair(total, one, k, dtype) for k, one in enumerate(beside)]

    def _of_two(self, x: Any, gate: Any, axis: Any, out: Any, words: Any) -> Any:
        """Forward on arrays of their own in place of the halves of one."""
        bias, *others = words or (None,)
        elsewhere = foreign.on_memory(
            self.name,
            {"x": x, "gate": gate, "out": out, "bias": bias},
            lambda x, gate, out, bias: self._of_two(x, gate, axis, out, words and (bias, *others)),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        a, b = self._pair(x, gate, axis)
        dtype = arrays.result_dtype(a, b)
        result = arrays.as_output(out, a.shape, dtype, like=a)
        if words is None:
            self._run_two("forward", [a, None, b], [result], dtype)
        else:
            beside = added.read_pair(self.name, a, dtype, *words)
            self._run_added("forward", [a, b], [result], (1, a.size, 1), [*beside], dtype)
        return arrays.finish(result, out)

    def _run_two(
        self, direction: str, inputs: list[np.ndarray | None], results: list[np.ndarray], dtype: np.dtype
    ) -> None:
        """Run a kernel on arrays of one shape, each element an axis of its own."""
        seen = [None if a is None else arrays.rows_of_one(a) for a in (*inputs, *results)]
        read, written = seen[: len(inputs)], seen[len(inputs) :]
        dtypes = [dtype] * len(seen)
        axis = seen[0].ndim - 1  # type: ignore[union-attr]
        arrays.write(arrays.along_axis(self, direction, read, written, axis, dtypes))

    def _gradients_of_two(self, dy: Any, x: Any, gate: Any, axis: Any, out: Any, words: Any) -> Any:
        bias, *others = words or (None,)
        elsewhere = foreign.on_memory(
            f"{self.name}.backward",
            {"dy": dy, "x": x, "gate": gate, "out": out, "bias": bias},
            lambda dy, x, gate, out, bias: self._gradients_of_two(
                dy, x, gate, axis, out, words and (bias, *others)
            ),
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        a, b = self._pair(x, gate, axis)
        gradient = arrays.as_input(dy, "dy")
        if gradient.shape != a.shape:
            raise ValueError(f"dy has shape {gradient.shape} and x has shape {a.shape}; they must be equal")
        dtype = arrays.result_dtype(gradient, a, b)
        if out is not None and (not isinstance(out, tuple) or len(out) != 2):
            raise TypeError(f"{self.name}.backward with gate= takes out=(da, db), a tuple of two arrays")
        results = [arrays.as_output(one, a.shape, dtype, like=a) for one in out or (None, None)]
        if np.shares_memory(*results):
            raise ValueError(f"{self.name}.backward: out=(da, db) share memory; allowed are arrays apart")
        dbias: list[Any] = []
        if words is None:
            self._run_two("x", [gradient, a, b], results, dtype)
        else:
            beside = added.read_pair(self.name, a, dtype, *words)
            inputs, split = [gradient, a, b], (1, a.size, 1)
            _, dbias = self._run_added("x", inputs, results, split, [*beside], dtype, words[-1])
        gradients = out if out is not None else tuple(arrays.finish(one, None) for one in results)
        return (*gradients, tuple(dbias)) if dbias else gradients

    def _pair(self, x: Any, gate: Any, axis: Any) -> tuple[np.ndarray, np.ndarray]:
        a, b = arrays.as_input(x, "x"), arrays.as_input(gate, "gate")
        if a.shape != b.shape:
            raise ValueError(
                f"{self.name}: x has shape {a.shape} and gate has shape {b.shape}; they must be equal"
            )
        if a.ndim:
            arrays.axis_index(axis, a.ndim)
        return a, b

    def _of_bias(self, totals: np.ndarray, bias: Any, saved: np.ndarray) -> Any:
        """The gradient of a bias from its sums, for the short path."""
        return added.of_bias(totals, totals.shape if bias is None else np.shape(bias), saved.dtype)

    def _along(
        self, direction: str, inputs: list[np.ndarray], result: np.ndarray, axis: int, out: Any
    ) -> Any:
        dtypes = [arrays.native(result.dtype)] * (len(inputs) + 1)
        arrays.write(arrays.along_axis(self, direction, inputs, [result], axis, dtypes))
        return arrays.finish(result, out)

    def _halved(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        """Shape of the output; ValueError where the axis has no halves."""
        if shape[axis] % 2:
            raise ValueError(
                f"{self.name}: x has extent {shape[axis]} along axis {axis}; allowed are even extents"
            )
        return (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
