"""The activation objects: one class per shape of work, one object per row of the catalog.

A class says how a call is read, which errors it raises and which kernel runs;
everything that differs between activations of one shape comes from their rows.
"""

from __future__ import annotations

import inspect
import math
from functools import cache, lru_cache
from types import CodeType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from . import _dispatch, arrays, docstring
from .catalog import REQUIRED, Parameter, Row

KEYWORD, EITHER = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD


class Described:
    """What every activation says of itself, taken from its row of the catalog."""

    extra: tuple[tuple[str, Any], ...] = ()
    """Parameters that belong to the shape of work, after those of the row."""
    keywords: tuple[tuple[str, Any], ...] = ()
    """Keyword-only parameters beside ``out``."""
    own_by = EITHER
    """How the row's parameters are given: in EITHER way, or by KEYWORD only, after those of the shape."""

    def _describe(self, row: Row) -> None:
        self.row = row
        self._numeric = tuple(p for p in row.parameters if not p.choices)
        self._names = tuple(p.name for p in row.parameters)
        # A call's numbers are mostly those of the last; checking them takes longer than a small array.
        self._violated = lru_cache(maxsize=32)(self._first_violated)
        self.name = self.__name__ = row.name
        self.formula, self.range, self.reference = row.formula, row.range, row.reference
        self.monotonic, self.saturates = row.monotonic, row.saturates
        self.zero_centered, self.saves = row.zero_centered, row.saves
        own = tuple((p.name, p.default) for p in row.parameters)
        self.parameters = {name: None if d is inspect.Parameter.empty else d for name, d in own + self.extra}
        self.__signature__ = inspect.Signature(
            sorted(
                [inspect.Parameter("x", EITHER)]
                + [inspect.Parameter(name, self.own_by, default=d) for name, d in own]
                + [inspect.Parameter(name, EITHER, default=d) for name, d in self.extra]
                + [
                    inspect.Parameter(name, KEYWORD, default=d) for name, d in (("out", None), *self.keywords)
                ],
                key=lambda parameter: parameter.kind,
            )
        )
        self.__doc__ = docstring.build(row, self.__signature__)

    def __repr__(self) -> str:
        return f"<fastact activation {self.name}{self.__signature__}>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _activation, (self.name,)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The row's parameters of a call by name, as they were given."""
        names = self._names
        if len(args) > len(names):
            raise TypeError(
                f"{self.name} takes x and {len(names)} parameters {list(names)}; {len(args)} were given"
            )
        given = dict(zip(names, args, strict=False))
        for key, value in kwargs.items():
            if key not in names:
                raise TypeError(
                    f"{self.name} has no parameter {key!r}; it takes {list(names) or 'none'} and out"
                )
            if key in given:
                raise TypeError(f"{self.name} got {key} twice, by position and by name")
            given[key] = value
        return given

    def _read_parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float, ...]:
        """The row's numbers of a call, checked, in the order of the kernel."""
        return self._numbers(self._bind(args, kwargs))

    def _numbers(self, given: dict[str, Any]) -> tuple[float, ...]:
        values = tuple([self._number(p.name, given.get(p.name, p.default), p.none) for p in self._numeric])
        violated = self._violated(values)
        if violated is not None:
            named = self._by_name(values)
            raise ValueError(
                f"{self.name}: {violated.name}={named[violated.name]}; allowed is {violated.constraint} "
                f"(given {', '.join(f'{name}={value}' for name, value in named.items())})"
            )
        return values

    def _by_name(self, values: tuple[float, ...]) -> dict[str, float]:
        return {p.name: value for p, value in zip(self._numeric, values, strict=True)}

    def _first_violated(self, values: tuple[float, ...]) -> Parameter | None:
        named = self._by_name(values)
        for parameter in self.row.parameters:
            if parameter.constraint and not eval(_condition(parameter.constraint), {}, named):
                return parameter
        return None

    def _number(self, name: str, value: Any, none: float | None) -> float:
        if type(value) is float and value == value:
            return value
        value = none if value is None else value
        if value is REQUIRED:
            raise TypeError(f"{self.name} needs the parameter {name}")
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"{self.name}: {name} is an array of shape {value.shape}; allowed is one number")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}: {name}={value!r}; allowed is a number") from None
        if math.isnan(number):
            raise ValueError(f"{self.name}: {name}={value!r}; allowed is a number that is not NaN")
        return number

    def _read_saved(self, x: Any, y: Any) -> str:
        """Which of the arrays that backward can use was given."""
        direction = "y" if x is None else "x"
        if (x is None) is not (y is None) and direction in self.saves:
            return direction
        given = [name for name, value in (("x", x), ("y", y)) if value is not None]
        accepted = " or ".join(f"{name}=" for name in self.saves)
        raise TypeError(
            f"{self.name}.backward takes exactly one of {accepted} "
            f"({self._why(given)}); given were {', '.join(f'{g}=' for g in given) or 'none'}"
        )

    def _why(self, given: list[str]) -> str:
        if given == ["y"]:
            return "its derivative is not a function of the output, so pass the forward input"
        if given == ["x"]:
            return "its derivative is computed from the forward output, so pass that"
        return "x is the forward input, y the forward output"

    def _check_output_determines(self, values: tuple[float, ...]) -> None:
        condition = self.row.output_determines
        named = self._by_name(values)
        if condition and not eval(_condition(condition), {"inf": math.inf}, named):
            given = ", ".join(f"{n}={v}" for n, v in named.items())
            raise ValueError(
                f"{self.name}.backward from y= needs {condition}, given {given}: "
                "the output does not tell on which side of the bend the input was then, so pass x="
            )


@cache
def _condition(text: str) -> CodeType:
    """A condition of the catalog, compiled: that takes longer than a small array."""
    return compile(text, "<catalog>", "eval")


def _activation(name: str) -> Any:
    from . import activations

    return activations[name]


def _elementwise(
    kernel: _dispatch.Kernel,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    direction: str,
    in_c_order: bool = False,
) -> Any:
    """Run an elementwise kernel on arrays of any layout and of one shape."""
    dtype = arrays.result_dtype(*inputs)
    result = arrays.as_output(out, inputs[0].shape, dtype, like=inputs[0])
    arrays.each_chunk(
        [*inputs, result],
        lambda chunks, index: kernel.run(chunks, parameters, direction, index),
        in_c_order,
    )
    return arrays.finish(result, out)


class Elementwise(Described, _dispatch.Kernel):
    """An activation of each element for itself."""

    def __init__(self, row: Row) -> None:
        numbers = row.numbers
        _dispatch.Kernel.__init__(
            self, row.name, tuple(numbers), tuple(numbers.values()), not row.required,
        )  # fmt: skip
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
                raise error(f"{self.name}: {parameter.name}={word!r}; allowed is {allowed}")
            name = parameter.choices[word]
        return self if name == self.name else _activation(name)

    def _forward(self, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        given = self._bind(args, kwargs)
        named = self._named(given)
        if named is not self:
            return named(x, **given, out=out)
        parameters = self._numbers(given)
        result = _elementwise(self, [arrays.as_input(x, "x")], out, parameters, "forward")
        self.remember(parameters, False)
        return result

    def _backward(
        self, dy: Any, args: tuple[Any, ...], x: Any, y: Any, out: Any, kwargs: dict[str, Any]
    ) -> Any:
        if args:
            raise TypeError(f"{self.name}.backward takes dy by position and everything else by name")
        learnt = self._learnt(kwargs)
        given = self._bind((), kwargs)
        named = self._named(given)
        if named is not self:
            return named.backward(dy, x=x, y=y, **given, out=out)
        parameters = self._numbers(given)
        direction = self._read_saved(x, y)
        if direction == "y":
            self._check_output_determines(parameters)
        gradient = arrays.as_input(dy, "dy")
        saved = arrays.as_input(x if direction == "x" else y, direction)
        arrays.same_shape(gradient, saved, direction)
        if learnt:
            dtype = arrays.result_dtype(gradient, saved)
            arrays.as_output(out, saved.shape, dtype)  # its errors come before the work
            total = self._parameter_gradient(gradient, saved, parameters, dtype)
        result = _elementwise(self, [gradient, saved], out, parameters, direction)
        self.remember(parameters, direction == "y")
        return (result, total) if learnt else result

    def _learnt(self, kwargs: dict[str, Any]) -> bool:
        """Whether the gradient of the parameter that has one is asked for; takes that from the call."""
        return any(kwargs.pop(f"{p.name}_grad", False) for p in self.row.parameters if p.gradient)

    def _parameter_gradient(
        self, dy: np.ndarray, x: np.ndarray, parameters: tuple[float, ...], dtype: np.dtype
    ) -> Any:
        """Sum of dy times the derivative by the parameter, in an order that the shape alone decides."""
        total, span = 0.0, _dispatch.WEIGHT_SPAN
        for (gradient, source), _ in arrays.blocks_in_c_order([dy, x], arrays.computing_dtype(dtype), span):
            for part in self.parameter_gradient(gradient, source, parameters, span).tolist():
                total += part
        with np.errstate(over="ignore"):  # a sum beyond the dtype's range is infinite, as in a kernel
            return np.asarray(total).astype(dtype)[()]


def _seed_as_parameter(name: str, seed: Any, otherwise: str = "") -> float:
    """The number whose bits are the seed's, as kernels take it."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"{name}: seed={seed!r}; allowed is an integer{otherwise}")
    if not 0 <= seed.__index__() < 2**64:
        raise ValueError(f"{name}: seed={seed}; allowed is 0 <= seed < 2**64")
    return float(np.uint64(seed).view(np.float64))


class Random(Described):
    """rrelu: a slope per element from a seed, or the mean slope."""

    extra = (("seed", None),)

    def __init__(self, row: Row) -> None:
        names = tuple(p.name for p in row.parameters)
        self._training = _dispatch.Kernel(row.name, (*names, "seed"), (0.0, 0.0, 0.0), False)
        self._evaluation = _dispatch.Kernel("leaky_relu", ("negative_slope",), (0.0,), False)
        self._describe(row)
        self._defaults = self._read_parameters((), {})

    def _kernel(self, bounds: tuple[float, ...], seed: Any) -> tuple[_dispatch.Kernel, tuple[float, ...]]:
        if seed is None:
            return self._evaluation, ((bounds[0] + bounds[1]) / 2,)
        return self._training, (*bounds, _seed_as_parameter(self.name, seed, " or None"))

    def __call__(self, x: Any, *args: Any, out: Any = None, seed: Any = None, **kwargs: Any) -> Any:
        if len(args) == 3:
            *args, seed = args  # type: ignore[assignment]
        bounds = self._read_parameters(tuple(args), kwargs) if args or kwargs else self._defaults
        kernel, parameters = self._kernel(bounds, seed)
        result = kernel.run_plain(x, None, out, parameters, "forward")
        if result is not None:
            return result
        return _elementwise(kernel, [arrays.as_input(x, "x")], out, parameters, "forward", seed is not None)

    def backward(
        self, dy: Any, *, x: Any = None, y: Any = None, out: Any = None, seed: Any = None, **kwargs: Any
    ) -> Any:
        """Gradient of the input, with the seed of the forward call.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the output.
        x, y : array_like
            Exactly one: the forward input, or the forward output where ``lower > 0``.
        out : numpy.ndarray, optional
            Where the result goes; may be `dy` or the saved array.
        seed : int or None, default None
            Seed of the forward call.
        **kwargs
            `lower` and `upper` of the forward call.

        Returns
        -------
        numpy.ndarray or scalar
            Gradient with respect to the input; `out` itself where it was given.
        """
        bounds = self._read_parameters((), kwargs) if kwargs else self._defaults
        kernel, parameters = self._kernel(bounds, seed)
        direction = self._read_saved(x, y)
        if direction == "y" and bounds != self._defaults:
            self._check_output_determines(bounds)
        result = kernel.run_plain(dy, x if direction == "x" else y, out, parameters, direction)
        if result is not None:
            return result
        gradient = arrays.as_input(dy, "dy")
        saved = arrays.as_input(x if direction == "x" else y, direction)
        arrays.same_shape(gradient, saved, direction)
        return _elementwise(kernel, [gradient, saved], out, parameters, direction, seed is not None)


def _dtype_along(length: int, dtype: np.dtype) -> np.dtype:
    """What arrays are brought to a kernel as, along an axis of this length: float32 where a buffer ends."""
    return dtype if length <= _dispatch.LONGEST_HALF_ROW else arrays.computing_dtype(dtype)


def _along_rows(
    kernel: _dispatch.RowsKernel,
    inputs: list[np.ndarray],
    out: Any,
    parameters: tuple[float, ...],
    axis: int,
    in_c_order: bool = False,
) -> Any:
    """Run a kernel of rows on arrays of any layout and of one shape."""
    plain = kernel.run_plain(inputs, out, parameters, axis)
    if plain is not None:
        return plain
    shape, dtype = inputs[0].shape, arrays.result_dtype(*inputs)
    axis = normalize_axis_index(axis, len(shape))
    result = arrays.as_output(out, shape, dtype)
    step = math.prod(shape[axis + 1 :])
    computing = _dtype_along(shape[axis], dtype)
    arrays.along_axis(
        inputs, [result], axis, [computing] * (len(inputs) + 1),
        lambda ins, outs, index=0: kernel.run([*ins, *outs], parameters, axis, (index, step)),
        in_c_order,
    )  # fmt: skip
    return arrays.finish(result, out)


class Rows(Described, _dispatch.RowsKernel):
    """An activation of each row along an axis; one that has a parameter has a kernel for it too."""

    extra = (("axis", -1),)
    own_by = KEYWORD

    def __init__(self, row: Row) -> None:
        _dispatch.RowsKernel.__init__(self, row.name)
        self._tempered = _dispatch.RowsKernel(f"tempered_{row.name}") if row.parameters else self
        self.keywords = (("where", None),) if row.takes_where else ()
        self._describe(row)

    def _kernel(self, kwargs: dict[str, Any]) -> tuple[_dispatch.RowsKernel, tuple[float, ...]]:
        """What computes the row with these parameters, and what it is given."""
        parameters = self._read_parameters((), kwargs)
        plain = parameters == tuple(p.default for p in self.row.parameters)
        return (self, ()) if plain else (self._tempered, parameters)

    def _forward(self, x: Any, axis: int, out: Any, kwargs: dict[str, Any]) -> Any:
        where = kwargs.pop("where", None) if self.row.takes_where else None
        kernel, parameters = self._kernel(kwargs)
        source = arrays.as_input(x, "x")
        if where is None:
            return _along_rows(kernel, [source], out, parameters, axis)
        left_out = self._left_out(where, source.shape)
        axis = normalize_axis_index(axis, source.ndim)
        result = arrays.as_output(out, source.shape, arrays.result_dtype(source))
        np.copyto(result, source)
        np.copyto(result, -np.inf, where=left_out)
        _along_rows(kernel, [result], result, parameters, axis)
        np.copyto(result, 0, where=left_out)
        return arrays.finish(result, out)

    def _left_out(self, where: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Which elements do not count, in the shape of `where`."""
        mask = np.asarray(where)
        if mask.dtype != np.bool_:
            raise TypeError(f"{self.name}: where has dtype {mask.dtype}; allowed is bool")
        try:
            np.broadcast_to(mask, shape)
        except ValueError:
            raise ValueError(
                f"{self.name}: where has shape {mask.shape}; allowed is what broadcasts to x's {shape}"
            ) from None
        return ~mask

    def _backward(self, dy: Any, x: Any, y: Any, axis: int, out: Any, kwargs: dict[str, Any]) -> Any:
        kernel, parameters = self._kernel(kwargs)
        self._read_saved(x, y)
        gradient, saved = arrays.as_input(dy, "dy"), arrays.as_input(y, "y")
        arrays.same_shape(gradient, saved, "y")
        return _along_rows(kernel, [gradient, saved], out, parameters, axis)


class RandomRows(Described):
    """gumbel_softmax: a softmax of noisy logits, with noise from a seed."""

    extra = (("hard", False), ("axis", -1))
    keywords = (("seed", inspect.Parameter.empty),)

    def __init__(self, row: Row) -> None:
        self._soft = _dispatch.RowsKernel(row.name)
        self._one_hot = _dispatch.RowsKernel("one_hot")
        self._noise = _dispatch.Kernel("gumbel", ("seed",), (0.0,), False)
        self._describe(row)
        # Equal floats above 0 are the same number, so what was read of one need not be read again.
        self._tau_as_parameter = lru_cache(maxsize=32)(lambda tau: self._read_parameters((tau,), {}))

    def __call__(
        self, x: Any, tau: float = 1.0, hard: bool = False, axis: int = -1, *, seed: Any, out: Any = None
    ) -> Any:
        parameters = (*self._read_tau(tau), _seed_as_parameter(self.name, seed))
        result = _along_rows(self._soft, [arrays.as_input(x, "x")], out, parameters, axis, in_c_order=True)
        return _along_rows(self._one_hot, [result], result, (), axis) if hard else result

    def backward(
        self,
        dy: Any,
        *,
        x: Any = None,
        y: Any = None,
        tau: float = 1.0,
        hard: bool = False,
        axis: int = -1,
        seed: Any = None,
        out: Any = None,
    ) -> Any:
        """Gradient of the input: that of the soft sample, also where the forward pass chose hard.

        Parameters
        ----------
        dy : array_like
            Gradient with respect to the output.
        x, y : array_like
            After a soft call `y`, its output. After a hard one `x`, its input: the soft sample
            is drawn again from the seed (straight-through, as in torch).
        tau, hard, axis : float, bool, int
            Parameters of the forward call.
        seed : int
            Seed of the forward call; needed where `hard` is.
        out : numpy.ndarray, optional
            Where the result goes; may be `dy` or the saved array.

        Returns
        -------
        numpy.ndarray
            Gradient with respect to the input; `out` itself where it was given.
        """
        parameters = self._read_tau(tau)
        if not hard:
            self._read_saved(x, y)
        elif x is None or y is not None:
            raise TypeError(
                f"{self.name}.backward with hard=True takes x= and seed=, and not y=: "
                "the gradient is that of the soft sample, which the output does not tell"
            )
        gradient = arrays.as_input(dy, "dy")
        saved = arrays.as_input(x if hard else y, "x" if hard else "y")
        arrays.same_shape(gradient, saved, "x" if hard else "y")
        if hard:
            saved = np.asarray(self(saved, tau, axis=axis, seed=seed))
        return _along_rows(self._soft, [gradient, saved], out, (*parameters, 0.0), axis)

    def _read_tau(self, tau: Any) -> tuple[float, ...]:
        return self._tau_as_parameter(tau) if type(tau) is float else self._read_parameters((tau,), {})

    def noise(self, shape: Any, dtype: Any = np.float64, *, seed: int) -> np.ndarray:
        """The noise that a call adds to an input of this shape and dtype.

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the input.
        dtype : dtype, default float64
            float32 or float64.
        seed : int
            Seed of the call.

        Returns
        -------
        numpy.ndarray
            ``-log(-log(u))``, with u uniform in (0, 1) and a function of the seed and the
            element's position in C order.
        """
        result = np.zeros(shape, dtype)
        parameters = (_seed_as_parameter(self.name, seed),)
        return _elementwise(self._noise, [result], result, parameters, "forward", in_c_order=True)


class Channels(Described, _dispatch.ChannelsKernel):
    """prelu: one learnable slope, or one per position on an axis."""

    extra = (("weight", inspect.Parameter.empty), ("axis", 1))

    def __init__(self, row: Row) -> None:
        self._describe(row)

    def _forward(self, x: Any, weight: Any, axis: int, out: Any) -> Any:
        source = arrays.as_input(x, "x")
        slopes, axis = self._weights(weight, source, axis)
        dtype = arrays.result_dtype(source)
        result = arrays.as_output(out, source.shape, dtype, like=source)
        kind = _dtype_along(slopes.size, dtype)
        slopes = slopes.astype(arrays.computing_dtype(dtype))
        arrays.along_axis(
            [np.atleast_1d(source)], [np.atleast_1d(result)], axis, [kind] * 2,
            lambda ins, outs: _dispatch.prelu(
                ins[0], slopes, outs[0], self._split(ins[0].shape, axis, slopes)
            ),
        )  # fmt: skip
        return arrays.finish(result, out)

    def _backward(self, dy: Any, weight: Any, axis: int, x: Any, y: Any, out: Any) -> tuple[Any, Any]:
        self._read_saved(x, y)
        if weight is None:
            raise TypeError(f"{self.name}.backward needs the weight= of the forward call")
        gradient, source = arrays.as_input(dy, "dy"), arrays.as_input(x, "x")
        arrays.same_shape(gradient, source, "x")
        slopes, axis = self._weights(weight, source, axis)
        dtype = arrays.result_dtype(gradient, source)
        result = arrays.as_output(out, source.shape, dtype)
        kind = _dtype_along(slopes.size, dtype)
        slopes = slopes.astype(arrays.computing_dtype(dtype))
        total = self._weight_gradient(gradient, source, axis, slopes.size, kind)
        arrays.along_axis(
            [np.atleast_1d(gradient), np.atleast_1d(source)], [np.atleast_1d(result)], axis, [kind] * 3,
            lambda ins, outs: _dispatch.prelu_backward(
                *ins, slopes, outs[0], self._split(ins[0].shape, axis, slopes)
            ),
        )  # fmt: skip
        with np.errstate(over="ignore"):  # a sum beyond the dtype's range is infinite, as in a kernel
            dweight = total.astype(dtype).reshape(np.shape(weight))
        return arrays.finish(result, out), dweight[()]

    def _weight_gradient(
        self, dy: np.ndarray, x: np.ndarray, axis: int, count: int, dtype: np.dtype
    ) -> np.ndarray:
        """Sum of dy * x where x is not positive, per weight, in an order that the shape alone decides."""
        total = np.zeros(count)
        split = (1, 1, x.size) if count == 1 else arrays.split_axis(x.shape, axis)
        span = max(_dispatch.WEIGHT_SPAN, count)
        for (gradient, source), index in arrays.blocks_in_c_order([dy, x], dtype, span):
            _dispatch.prelu_gradient(gradient, source, total, split, index, span)
        return total

    def _weights(self, weight: Any, x: np.ndarray, axis: int) -> tuple[np.ndarray, int]:
        """The slopes as a 1-d array, and the axis they belong to."""
        slopes = arrays.as_input(weight, "weight")
        if slopes.size == 1 and slopes.ndim <= 1:
            return slopes.reshape(1), 0
        if x.ndim == 0:
            raise ValueError(f"{self.name}: weight has shape {slopes.shape}; a 0-d x allows one weight only")
        axis = normalize_axis_index(axis, x.ndim)
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


class Pieces(Described, _dispatch.PiecesKernel):
    """maxout: the largest of each group of consecutive values along an axis."""

    extra = (("pieces", inspect.Parameter.empty), ("axis", -1))
    keywords = (("return_which", False),)

    def __init__(self, row: Row) -> None:
        self._describe(row)

    def _forward(self, x: Any, pieces: int, axis: int, out: Any, return_which: bool) -> Any:
        source = arrays.as_input(x, "x")
        axis = normalize_axis_index(axis, source.ndim)
        shape = self._grouped(source.shape, axis, pieces)
        dtype = arrays.result_dtype(source)
        result = arrays.as_output(out, shape, dtype)
        which = np.empty(shape, np.int32) if return_which else None
        arrays.along_axis(
            [source], [result] if which is None else [result, which], axis,
            [arrays.computing_dtype(dtype)] * 2 + ([] if which is None else [which.dtype]),
            lambda ins, outs: _dispatch.maxout(
                ins[0], outs[0], outs[1] if return_which else None,
                arrays.split_axis(outs[0].shape, axis), pieces,
            ),
        )  # fmt: skip
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
        gradient = arrays.as_input(dy, "dy")
        saved = arrays.as_input(x, "x") if which is None else self._winners(which, pieces)
        axis = normalize_axis_index(axis, saved.ndim)
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
        arrays.along_axis(
            [gradient, saved], [result], axis,
            [compute, compute if which is None else saved.dtype, compute],
            lambda ins, outs: _dispatch.maxout_backward(
                ins[0], None if which is not None else ins[1], ins[1] if which is not None else None,
                outs[0], arrays.split_axis(ins[0].shape, axis), pieces,
            ),
        )  # fmt: skip
        return arrays.finish(result, out)

    def _grouped(self, shape: tuple[int, ...], axis: int, pieces: int) -> tuple[int, ...]:
        """Shape of the output; ValueError where `pieces` does not divide the axis."""
        if isinstance(pieces, bool) or not hasattr(pieces, "__index__"):
            raise TypeError(f"{self.name}: pieces={pieces!r}; allowed is a whole number")
        if pieces < 1 or shape[axis] % pieces:
            raise ValueError(
                f"{self.name}: pieces={pieces}; allowed are the divisors of {shape[axis]}, "
                f"x's extent along axis {axis}"
            )
        return (*shape[:axis], shape[axis] // pieces, *shape[axis + 1 :])

    def _winners(self, which: Any, pieces: int) -> np.ndarray:
        """Indices as int32, each of which must be a position in its group."""
        winners = np.asarray(which)
        if winners.dtype.kind not in "iu":
            raise TypeError(f"which has dtype {winners.dtype}; allowed are integers")
        if winners.size and not 0 <= winners.min() <= winners.max() < pieces:
            raise ValueError(
                f"which holds {winners.min()} to {winners.max()}; allowed is 0 <= which < pieces={pieces}"
            )
        return winners.astype(np.int32, copy=False)


class Gated(Described, _dispatch.GatedKernel):
    """One half of the values along an axis, times a gate that the other half opens."""

    extra = (("axis", -1),)

    def __init__(self, row: Row) -> None:
        _dispatch.GatedKernel.__init__(self, row.name)
        self._describe(row)

    def _forward(self, x: Any, axis: int, out: Any) -> Any:
        source = arrays.as_input(x, "x")
        axis = normalize_axis_index(axis, source.ndim)
        dtype = arrays.result_dtype(source)
        result = arrays.as_output(out, self._halved(source.shape, axis), dtype)
        return self._along([source], result, axis, out)

    def _backward(self, dy: Any, x: Any, y: Any, axis: int, out: Any) -> Any:
        self._read_saved(x, y)
        gradient, source = arrays.as_input(dy, "dy"), arrays.as_input(x, "x")
        axis = normalize_axis_index(axis, source.ndim)
        expected = self._halved(source.shape, axis)
        if gradient.shape != expected:
            raise ValueError(f"dy has shape {gradient.shape}; the forward output has shape {expected}")
        result = arrays.as_output(out, source.shape, arrays.result_dtype(gradient, source))
        return self._along([gradient, source], result, axis, out)

    def _along(self, inputs: list[np.ndarray], result: np.ndarray, axis: int, out: Any) -> Any:
        dtypes = [arrays.native(result.dtype)] * (len(inputs) + 1)
        arrays.along_axis(inputs, [result], axis, dtypes, lambda ins, outs: self.run([*ins, *outs], axis))
        return arrays.finish(result, out)

    def _halved(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        """Shape of the output; ValueError where the axis has no halves."""
        if shape[axis] % 2:
            raise ValueError(
                f"{self.name}: x has extent {shape[axis]} along axis {axis}; allowed are even extents"
            )
        return (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])


KINDS = {
    "elementwise": Elementwise,
    "random": Random,
    "rows": Rows,
    "random_rows": RandomRows,
    "channels": Channels,
    "pieces": Pieces,
    "gated": Gated,
}
