"""The activations that draw a slope or noise for each element, from a seed and its C-order index."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import REQUIRED, Row
from . import added, arrays, docstring, foreign, layouts
from .described import Described
from .seeds import seed_as_parameter

_ELSEWHERE: Any = object()
"""The seed of a call that does not give it by name."""


class Random(Described, kind="random"):
    """rrelu: a slope per element from a seed, or the mean slope."""

    gradients = docstring.Gradients("Gradient of the input, with the seed of the forward call.")

    def __init__(self, row: Row) -> None:
        self._training = _dispatch.Kernels(row.name)
        self._evaluation = _dispatch.Kernels("leaky_relu")
        self._describe(row)
        self._defaults = self._read_parameters((), {})

    def _kernels(self, bounds: tuple[float, ...], seed: Any) -> tuple[_dispatch.Kernels, tuple[float, ...]]:
        if seed is None:
            # Not the half of a sum, which may be beyond all numbers.
            lower, upper = bounds
            mean = (lower + upper) / 2
            return self._evaluation, (mean if math.isfinite(mean) else lower / 2 + upper / 2,)
        return self._training, (*bounds, seed_as_parameter(self.name, seed, " or None"))

    def __call__(
        self,
        x: Any,
        *args: Any,
        out: Any = None,
        seed: Any = _ELSEWHERE,
        **kwargs: Any,
    ) -> Any:
        beside = _dispatch.taken(kwargs, 4) if kwargs else None
        if len(args) > len(self._names):
            args, seed, out = self._behind_bounds(args, seed, out)
        elif seed is _ELSEWHERE:
            seed = None
        bounds = self._read_parameters(args, kwargs) if args or kwargs else self._defaults
        kernels, parameters = self._kernels(bounds, seed)
        if beside is not None and added.some(beside):
            result = kernels._run_plain_added("forward", x, None, out, parameters, *beside)
            if result is not None:
                return result
            return added.forward(kernels, self.row, x, _dispatch.single(out), parameters, beside)
        extreme = bounds is not self._defaults and self._needs_float64(bounds)
        result = None if extreme else kernels._run_plain("forward", x, None, out, parameters)
        if result is not None:
            return result
        elsewhere = foreign.compute(self, {"x": x}, out, self._given(bounds, seed))
        if elsewhere is not NotImplemented:
            return elsewhere
        inputs, out = [arrays.as_input(x, "x")], _dispatch.single(out)
        return layouts.elementwise(kernels, "forward", inputs, out, parameters, seed is not None, extreme)

    def _behind_bounds(self, args: tuple[Any, ...], seed: Any, out: Any) -> tuple[Any, ...]:
        """The bounds, the seed and `out` of a call that gives more than the bounds by position."""
        bounds = args[: len(self._names)]
        late = dict(zip(("seed", "out"), args[len(bounds) :], strict=False))
        if len(late) < len(args) - len(bounds):
            words = ", ".join(("x", *self._names, *late))
            raise TypeError(f"{self.name} takes {words} by position; {len(args) + 1} were given")
        for name, by_name in (("seed", seed is not _ELSEWHERE), ("out", out is not None)):
            if name in late and by_name:
                raise TypeError(f"{self.name} got {name} twice, by position and by name")
        return bounds, late["seed"], late.get("out", out)

    def _backward(
        self,
        dy: Any,
        *,
        x: Any = None,
        y: Any = None,
        out: Any = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> Any:
        beside = _dispatch.taken(kwargs, 5) if kwargs else None
        bounds = self._read_parameters((), kwargs, backward=True) if kwargs else self._defaults
        kernels, parameters = self._kernels(bounds, seed)
        direction = self._read_saved(x, y)
        if direction == "y" and bounds != self._defaults:
            self._check_output_determines(bounds)
        kept = x if direction == "x" else y
        if beside is not None and added.some(beside):
            return self._backward_added(kernels, dy, direction, kept, out, parameters, beside)
        extreme = bounds is not self._defaults and self._needs_float64(bounds)
        result = None if extreme else kernels._run_plain(direction, dy, kept, out, parameters)
        if result is not None:
            return result
        elsewhere = foreign.compute(self, {"dy": dy, direction: kept}, out, self._given(bounds, seed))
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, saved = arrays.as_gradient(dy, kept, direction)
        out = _dispatch.single(out)
        inputs, in_order = [gradient, saved], seed is not None
        return layouts.elementwise(kernels, direction, inputs, out, parameters, in_order, extreme)

    def _backward_added(
        self,
        kernels: _dispatch.Kernels,
        dy: Any,
        direction: str,
        kept: Any,
        out: Any,
        parameters: tuple[float, ...],
        words: tuple[Any, ...],
    ) -> Any:
        result = kernels._run_plain_added(direction, dy, kept, out, parameters, *words)
        if result is None:
            given = dy, direction, kept, _dispatch.single(out)
            return added.backward(kernels, self.row, given, parameters, words)
        if not words[-1]:
            return result
        shape = result[1].shape if words[0] is None else np.shape(words[0])
        return result[0], added.of_bias(result[1], shape, result[0].dtype)

    def _given(self, bounds: tuple[float, ...], seed: Any) -> dict[str, Any]:
        return {**self._by_name(bounds), "seed": seed}

    def _on_part(
        self, part: arrays.Part, names: tuple[str, ...], given: tuple[Any, ...], parameters: dict[str, Any]
    ) -> np.ndarray:
        """A call on a part of an array, in which an element has the slope of its place in the whole."""
        bounds = {name: value for name, value in parameters.items() if name != "seed"}
        values = self._numbers(bounds)
        kernels, numbers = self._kernels(values, parameters["seed"])
        inputs = [arrays.as_input(a, name) for a, name in zip(given, names, strict=True)]
        direction = "forward" if names == ("x",) else names[-1]
        extreme = self._needs_float64(values)
        return layouts.elements_of_part(kernels, direction, inputs, numbers, part, extreme)


class RandomRows(Described, kind="random_rows"):
    """gumbel_softmax: a softmax of noisy logits, with noise from a seed."""

    own_names = ("noise",)
    gradients = docstring.Gradients(
        "Gradient of the input: that of the soft sample, also where the forward pass chose hard.",
        of_saved="After a soft call `y`, its output. After a hard one `x`, its input: the soft sample\n"
        "    is drawn again from the seed (straight-through, as in torch).",
    )

    def __init__(self, row: Row) -> None:
        self._soft = _dispatch.Kernels(row.name)
        self._one_hot = _dispatch.Kernels("one_hot")
        self._noise = _dispatch.Kernels("gumbel")
        self._describe(row)
        # Equal floats above 0 are the same number, so what was read of one need not be read again.
        self._tau_as_parameter = lru_cache(maxsize=32)(lambda tau: self._read_parameters((tau,), {}))

    def __call__(
        self,
        x: Any,
        tau: float = 1.0,
        hard: bool = False,
        axis: Any = -1,
        out: Any = None,
        *,
        seed: Any = REQUIRED,
        **unknown: Any,
    ) -> Any:
        if unknown:
            self._refuse_unknown(unknown)
        if seed is REQUIRED:
            raise TypeError(f"{self.name} needs the argument seed, an integer")
        parameters = (*self._read_tau(tau), seed_as_parameter(self.name, seed))
        if isinstance(hard, np.ndarray):
            raise TypeError(f"{self.name}: {arrays.given('hard', hard)}; allowed is a bool")
        elsewhere = foreign.compute(
            self, {"x": x}, out, {"tau": tau, "hard": hard, "axis": axis, "seed": seed}
        )
        if elsewhere is not NotImplemented:
            return elsewhere
        source = arrays.as_input(x, "x")
        then = self._one_hot if hard else None
        if type(axis) is int:
            plain = self._soft._run_plain("forward", source, None, out, parameters, axis, then)
            if plain is not None:
                return plain
        out = _dispatch.single(out)
        result = arrays.as_output(out, source.shape, arrays.result_dtype(source))
        self._write(source, result, parameters, hard, axis)
        return arrays.finish(result, out)

    def _write(
        self,
        source: np.ndarray,
        result: np.ndarray,
        parameters: tuple[float, ...],
        hard: bool,
        axis: Any,
        part: arrays.Part | None = None,
    ) -> None:
        axes = arrays.row_axes(axis, source.ndim)
        if source.size and axes and axes[-1] - axes[0] >= len(axes):
            soft = self._of_axes_apart(source, parameters, axes, result.dtype, part)
            steps = [partial(np.asarray(result).__setitem__, ..., soft)]
        else:
            steps = [layouts.rows_step(self._soft, "forward", [source], result, parameters, axis, True, part)]
        if hard:
            steps.append(layouts.rows_step(self._one_hot, "forward", [result], result, (), axis))
        arrays.write(*steps)

    def _on_part(
        self, part: arrays.Part, names: tuple[str, ...], given: tuple[Any, ...], parameters: dict[str, Any]
    ) -> np.ndarray:
        """A call on a part of an array, in which an element has the noise of its place in the whole."""
        tau, hard, axis, seed = (parameters[name] for name in ("tau", "hard", "axis", "seed"))
        if names != ("x",):
            dy, x = given
            soft = self._on_part(part, ("x",), (x,), {**parameters, "hard": False})
            return np.asarray(self.backward(dy, y=soft, tau=tau, axis=axis))
        numbers = (*self._read_tau(tau), seed_as_parameter(self.name, seed))
        source = arrays.as_input(given[0], "x")
        result = np.empty(source.shape, arrays.result_dtype(source))
        self._write(source, result, numbers, hard, axis, part)
        return result

    def _backward(
        self,
        dy: Any,
        *,
        x: Any = None,
        y: Any = None,
        tau: float = 1.0,
        hard: bool = False,
        axis: Any = -1,
        seed: Any = None,
        out: Any = None,
        **unknown: Any,
    ) -> Any:
        if unknown:
            self._refuse_unknown(unknown, backward=True)
        parameters = self._read_tau(tau)
        if not hard:
            self._read_saved(x, y)
        elif x is None or y is not None:
            raise TypeError(
                f"{self.name}.backward with hard=True takes x= and seed=, and not y=: "
                "the gradient is that of the soft sample, which the output does not tell"
            )
        name, kept = ("x", x) if hard else ("y", y)
        given = {"tau": tau, "axis": axis, **({"hard": True, "seed": seed} if hard else {})}
        elsewhere = foreign.compute(self, {"dy": dy, name: kept}, out, given)
        if elsewhere is not NotImplemented:
            return elsewhere
        gradient, saved = arrays.as_gradient(dy, kept, name)
        if hard:
            saved = np.asarray(self(saved, tau, axis=axis, seed=seed))
        inputs, out = [gradient, saved], _dispatch.single(out)
        numbers, extreme = (*parameters, 0.0), self._needs_float64(parameters)
        return layouts.along_rows(self._soft, "y", inputs, out, numbers, axis, extreme)

    def _of_axes_apart(
        self,
        x: np.ndarray,
        parameters: tuple[float, ...],
        axes: tuple[int, ...],
        dtype: np.dtype,
        part: arrays.Part | None,
    ) -> np.ndarray:
        """The soft sample where the C order of a row's elements has gaps, as no kernel counts them."""
        tau, seed = parameters
        computing = arrays.computing_dtype(arrays.native(dtype))
        over = {"axis": axes, "keepdims": True}
        within = part or arrays.Part(x.shape, (0,) * x.ndim)
        noise = layouts.elements_of_part(
            self._noise, "forward", [np.zeros(x.shape, computing)], (seed,), within
        )
        with np.errstate(all="ignore"):
            logits = np.asarray(x, computing, order="C").astype(np.longdouble)
            noisy = logits - logits.max(**over) + noise
            terms = np.exp((noisy - noisy.max(**over)) / np.longdouble(tau))
            return (terms / terms.sum(**over)).astype(computing).astype(dtype)

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
        if np.dtype(dtype).type not in arrays.FLOATS:
            raise TypeError(f"{self.name}.noise: dtype={dtype!r}; allowed are float32 and float64")
        result = np.zeros(shape, dtype)
        parameters = (seed_as_parameter(self.name, seed),)
        return layouts.elementwise(self._noise, "forward", [result], result, parameters, in_c_order=True)
