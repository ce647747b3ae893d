"""Dropout: what is left out follows from a seed and each element's place, so there is no mask array."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dispatch
from ..catalog import Pass
from . import arrays, foreign, layouts
from .passes import Around
from .seeds import probability, seed_as_parameter


class Dropout(Around):
    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._alone = _dispatch.Kernels("dropout")
        self._to_residual = _dispatch.Kernels("residual_dropout")
        self._identity = _dispatch.Kernels("identity")

    def __call__(self, x: Any, p: Any = 0.5, *, seed: Any, residual: Any = None, out: Any = None) -> Any:
        """Elements of x left out at random, each with probability p, and the others divided by 1 - p.

        Which are left out is a function of the seed and of each element's position in C order, so it is the
        same for every dtype, memory layout and number of threads, and no mask is stored. Another activation
        that is given the same seed draws other numbers. An element has 32 random bits, so p is taken to the
        nearest 2**-32 for that, and as it is for 1 - p. A NaN stays one.

        Parameters
        ----------
        x : array_like
            Input of float16, bfloat16, float32 or float64; integers and bools give float64.
        p : float, default 0.5
            Probability of being left out. Allowed: ``0 <= p <= 1``.
        seed : int or None
            What is drawn from, ``0 <= seed < 2**64``; None for evaluation, in which nothing is left out.
        residual : array_like, optional
            What the result is added to, of x's shape: ``residual + dropout(x)`` in the same pass.
        out : numpy.ndarray, optional
            Where the result goes, of its shape and dtype; may be x or the residual.

        Returns
        -------
        numpy.ndarray or scalar
            The result; `out` itself where it was given.

        Raises
        ------
        TypeError
            If a dtype is not supported, p is no number or the seed no integer.
        ValueError
            If shapes do not fit, or p or the seed is out of its range.

        References
        ----------
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), Dropout: A Simple Way to Prevent
        Neural Networks from Overfitting

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> x = np.ones(1000)
        >>> y = fa.dropout(x, 0.25, seed=1)
        >>> bool(700 < np.count_nonzero(y) < 800), float(y.max())
        (True, 1.3333333333333333)
        >>> np.array_equal(fa.dropout.backward(np.ones(1000), p=0.25, seed=1), y)
        True
        """
        return self._draw(self.name, "x", x, residual, p, seed, out)

    def backward(self, dy: Any, *, p: Any = 0.5, seed: Any, out: Any = None) -> Any:
        """Gradient of the input, from p and the seed of the forward call alone.

        That of a residual is `dy` itself.

        Parameters
        ----------
        dy : array_like
            Gradient of the output.
        p : float, default 0.5
            That of the forward call.
        seed : int or None
            That of the forward call.
        out : numpy.ndarray, optional
            Where the result goes, of its shape and dtype; may be dy.

        Returns
        -------
        numpy.ndarray or scalar
            ``dy / (1 - p)`` where the element was kept, 0 where it was not.

        Raises
        ------
        TypeError, ValueError
            As the forward call.
        """
        return self._draw(f"{self.name}.backward", "dy", dy, None, p, seed, out)

    def _draw(self, called: str, word: str, x: Any, residual: Any, p: Any, seed: Any, out: Any) -> Any:
        kernels, parameters = self._kernels(called, 1 if residual is None else 2, p, seed)
        result = kernels._run_plain("forward", x, residual, out, parameters)
        if result is not None:
            return result
        given = {word: x} if residual is None else {word: x, "residual": residual}
        elsewhere = foreign.compute(self, given, out, {"p": p, "seed": seed})
        if elsewhere is not NotImplemented:
            return elsewhere
        inputs = self._arrays(called, given)
        return layouts.elementwise(
            kernels, "forward", inputs, _dispatch.single(out), parameters, in_c_order=True
        )

    def _on_part(
        self, part: arrays.Part, names: tuple[str, ...], given: tuple[Any, ...], parameters: dict[str, Any]
    ) -> np.ndarray:
        """A call on a part of an array, in which an element has the number of its place in the whole."""
        kernels, numbers = self._kernels(self.name, len(given), parameters["p"], parameters["seed"])
        inputs = self._arrays(self.name, dict(zip(names, given, strict=True)))
        return layouts.elements_of_part(kernels, "forward", inputs, numbers, part)

    def _kernels(
        self, called: str, arrays_given: int, p: Any, seed: Any
    ) -> tuple[_dispatch.Kernels, tuple[float, ...]]:
        """What computes a call, and what it is given."""
        left_out = probability(called, p)
        drawn_from = 0.0 if seed is None else seed_as_parameter(called, seed, " or None")
        if seed is None:
            left_out = 0.0
        if arrays_given > 1:
            return self._to_residual, (left_out, drawn_from)
        return (self._alone, (left_out, drawn_from)) if left_out else (self._identity, ())

    def _arrays(self, called: str, given: dict[str, Any]) -> list[np.ndarray]:
        inputs = [arrays.as_input(value, name) for name, value in given.items()]
        if len(inputs) > 1 and inputs[0].shape != inputs[1].shape:
            raise ValueError(
                f"{called}: x has shape {inputs[0].shape} and residual has shape {inputs[1].shape}; "
                "they must be equal"
            )
        return inputs
