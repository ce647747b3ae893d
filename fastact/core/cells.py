"""Recurrent cells: a step in time from the gates' sums and the state, forward and backward, in one pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _dispatch
from ..catalog import Pass
from . import arrays, foreign
from .passes import Around


class Step(NamedTuple):
    """What a kernel is given and gives, in its order."""

    direction: str
    names: tuple[str, ...]
    """Of the arrays, inputs first."""
    parts: tuple[int, ...]
    """How many times the state a row of each is; below 0 where an array is one such row for all."""
    needed: int
    """Results that a call returns, which come before those that are wanted if they are given."""


class Cell(Around):
    """What all cells do with arrays that kernels cannot take as they are."""

    def __init__(self, row: Pass) -> None:
        super().__init__(row)
        self._kernels = _dispatch.CellKernels(row.name)

    def _take(self, step: Step, inputs: tuple[Any, ...], outputs: list[Any]) -> list[Any]:
        if self._kernels.run_rows(step.direction, inputs, outputs, step.parts, step.needed):
            return outputs
        called = self.name if step.direction == "forward" else f"{self.name}.backward"

        def on_memory(**lent: Any) -> tuple[Any, ...]:
            taken = list(lent.values())
            return tuple(self._take(step, tuple(taken[: len(inputs)]), taken[len(inputs) :]))

        given = dict(zip(step.names, (*inputs, *outputs), strict=True))
        elsewhere = foreign.on_memory(called, given, on_memory)
        if elsewhere is not NotImplemented:
            return list(elsewhere)
        self._take_any(called, step, inputs, outputs)
        return outputs

    def _take_any(self, called: str, step: Step, inputs: tuple[Any, ...], outputs: list[Any]) -> None:
        """The same with any arrays, brought to the kernel row by row; new ones take the place of outputs."""
        names, parts = step.names[: len(inputs)], step.parts[: len(inputs)]
        first = arrays.as_input(inputs[0], names[0])
        others = zip(inputs[1:], names[1:], parts[1:], strict=True)
        sources = [
            first, *(None if a is None and part < 0 else arrays.as_input(a, name) for a, name, part in others)
        ]  # fmt: skip
        dtype = arrays.result_dtype(*[a for a in sources if a is not None])
        lead, state = _rows_of(called, names[0], first, parts[0])
        for k, (source, name, part) in enumerate(zip(sources, names, parts, strict=True)):
            if source is None:
                continue
            row = (abs(part) * state,)
            if source.shape != (row if part < 0 else (*lead, *row)):
                raise ValueError(
                    f"{called}: {name} has shape {source.shape}; beside {names[0]} of shape "
                    f"{first.shape} allowed is {row if part < 0 else (*lead, *row)}"
                )
            if part < 0:
                sources[k] = np.broadcast_to(source, (*lead, *row))
        results = _results(called, step, outputs, lead, state, dtype)
        for k in range(step.needed):
            if outputs[k] is None:
                outputs[k] = results[k]
        dtypes = [dtype] * (len(sources) + len(results))
        arrays.write(arrays.along_axis(self._kernels, step.direction, sources, results, len(lead), dtypes))


def _rows_of(called: str, name: str, array: np.ndarray, parts: int) -> tuple[tuple[int, ...], int]:
    """The leading shape of all arrays and the length of the state, from the first of them."""
    if array.ndim == 0 or array.shape[-1] % parts:
        length = f"{parts} times the state's length" if parts > 1 else "the state's length"
        raise ValueError(
            f"{called}: {name} has shape {array.shape}; allowed is a shape whose last extent is {length}"
        )
    return array.shape[:-1], array.shape[-1] // parts


def _results(
    called: str, step: Step, outputs: list[Any], lead: tuple[int, ...], state: int, dtype: np.dtype
) -> list[np.ndarray | None]:
    results: list[np.ndarray | None] = []
    before = len(step.names) - len(outputs)
    for k, (out, name) in enumerate(zip(outputs, step.names[before:], strict=True)):
        if out is None and k >= step.needed:
            results.append(None)
            continue
        try:
            result = arrays.as_output(out, (*lead, step.parts[before + k] * state), dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{called}: {name}: {error}") from None
        for other in results:
            if other is not None and np.shares_memory(result, other):
                raise ValueError(
                    f"{called}: {name} shares memory with another result; allowed are arrays apart"
                )
        results.append(result)
    return results


def _several(called: str, name: str, given: Any, words: tuple[str, ...]) -> list[Any]:
    """The arrays of a tuple that a call takes for several, in a list; None stands for none of them."""
    if given is None:
        return [None] * len(words)
    if not isinstance(given, tuple) or len(given) != len(words):
        kind = f"a tuple of {len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__}"
        error = ValueError if isinstance(given, tuple) else TypeError
        raise error(f"{called}: {name} is {kind}; allowed is a tuple of {len(words)}: ({', '.join(words)})")
    return list(given)


class LstmCell(Cell):
    _FORWARD = Step("forward", ("gates", "c", "bias", "h", "c_next", "gates_out"), (4, 1, -4, 1, 1, 4), 2)
    _BACKWARD = Step("x", ("dh", "dc", "gates", "c", "c_next", "dgates", "dc_prev"), (1, 1, 4, 1, 1, 4, 1), 2)

    def __call__(
        self, gates: Any, c: Any, *, bias: Any = None, out: Any = None, gates_out: Any = None
    ) -> tuple[Any, Any]:
        """One step of an LSTM, from the sums of its matrix products on.

        With i, f, g and o the quarters of a row of `gates` plus the bias, torch's order: the next state is
        ``sigmoid(f) * c + sigmoid(i) * tanh(g)``, the output ``sigmoid(o)`` times its tanh.

        Parameters
        ----------
        gates : array_like, shape (..., 4 n)
            Sum of what input and last output give to the gates: ``x @ w_ih.T + h @ w_hh.T``. Float16,
            bfloat16, float32 or float64; integers and bools give float64. A part of a larger matrix costs
            no copy.
        c : array_like, shape (..., n)
            State before the step.
        bias : array_like, shape (4 n,), optional
            Added to every row of the gates; of torch's two biases the sum. The sum with it is rounded to the
            result's dtype (halves: to float32) as if it had been added before.
        out : tuple of numpy.ndarray, optional
            Where output and next state go, ``(h, c_next)``; each may be c, and either may be None.
        gates_out : numpy.ndarray, shape (..., 4 n), optional
            Where the activated gates go, which `backward` needs; may be `gates`. Without it they are not
            kept.

        Returns
        -------
        h, c_next : numpy.ndarray
            Output and next state; those of `out` themselves where they were given.

        Raises
        ------
        TypeError
            If a dtype is not supported, or that of `out` is not the result's.
        ValueError
            If shapes do not fit, a result cannot be written, or results share memory.

        References
        ----------
        Hochreiter, Schmidhuber (1997), Long Short-Term Memory; Gers, Schmidhuber, Cummins (2000), Learning to
        Forget: Continual Prediction with LSTM

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> gates, c = np.zeros((2, 12)), np.ones((2, 3))
        >>> h, c = fa.lstm_cell(gates, c, gates_out=gates)
        >>> c[0].tolist(), gates[0, :3].tolist()
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
        """
        outputs = _several(self.name, "out", out, ("h", "c_next"))
        h, c_next, _ = self._take(self._FORWARD, (gates, c, bias), [*outputs, gates_out])
        return h, c_next

    def backward(
        self, dh: Any, dc: Any, *, gates: Any, c: Any, c_next: Any, out: Any = None
    ) -> tuple[Any, Any]:
        """Gradients of the gates and of the state before the step.

        That of the bias is ``dgates.sum(axis=0)``, with all leading axes in one.

        Parameters
        ----------
        dh, dc : array_like, shape (..., n)
            Gradients of the output and of the next state.
        gates : array_like, shape (..., 4 n)
            The activated gates, from `gates_out` of the forward call.
        c, c_next : array_like, shape (..., n)
            States before and after the step.
        out : tuple of numpy.ndarray, optional
            Where the gradients go, ``(dgates, dc_prev)``; either may be None, the first may be `gates` and
            the second any of the others.

        Returns
        -------
        dgates, dc_prev : numpy.ndarray
            Gradients; those of `out` themselves where they were given.

        Raises
        ------
        TypeError, ValueError
            As the forward call.
        """
        outputs = _several(f"{self.name}.backward", "out", out, ("dgates", "dc_prev"))
        dgates, dc_prev = self._take(self._BACKWARD, (dh, dc, gates, c, c_next), outputs)
        return dgates, dc_prev


class GruCell(Cell):
    _FORWARD = Step(
        "forward",
        ("gates_x", "gates_h", "h", "bias_x", "bias_h", "h_next", "gates_out[0]", "gates_out[1]"),
        (3, 3, 1, -3, -3, 1, 3, 1),
        1,
    )
    _BACKWARD = Step(
        "x",
        ("dh", "gates[0]", "gates[1]", "h", "dgates_x", "dgates_h", "dh_prev"),
        (1, 3, 1, 1, 3, 3, 1),
        3,
    )

    def __call__(
        self,
        gates_x: Any,
        gates_h: Any,
        h: Any,
        *,
        bias_x: Any = None,
        bias_h: Any = None,
        out: Any = None,
        gates_out: Any = None,
    ) -> Any:
        """One step of a GRU, from its matrix products on.

        The thirds of a row are r, z and n, torch's order, and biases are added to them first. With ``r =
        sigmoid(r_x + r_h)``, ``z = sigmoid(z_x + z_h)`` and ``n = tanh(n_x + r * n_h)``, the next state is
        ``n + z * (h - n)``.

        Parameters
        ----------
        gates_x : array_like, shape (..., 3 n)
            What the input gives to the gates, ``x @ w_ih.T``. Float16, bfloat16, float32 or float64;
            integers and bools give float64. A part of a larger matrix costs no copy.
        gates_h : array_like, shape (..., 3 n)
            What the state gives to them, ``h @ w_hh.T``.
        h : array_like, shape (..., n)
            State before the step.
        bias_x, bias_h : array_like, shape (3 n,), optional
            Added to every row of the gates. Sums are rounded to the result's dtype (halves: to float32).
        out : numpy.ndarray, shape (..., n), optional
            Where the next state goes; may be h.
        gates_out : tuple of numpy.ndarray, optional
            Where go what `backward` needs: the activated gates, shape (..., 3 n), and what the state gave
            to the third of them, shape (..., n). ``(gates_x, gates_h[..., 2 * n:])`` are in place. Without
            it they are not kept.

        Returns
        -------
        numpy.ndarray
            The next state; `out` itself where it was given.

        Raises
        ------
        TypeError
            If a dtype is not supported, or that of `out` is not the result's.
        ValueError
            If shapes do not fit, a result cannot be written, or results share memory.

        References
        ----------
        Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio (2014), Learning Phrase
        Representations using RNN Encoder-Decoder for Statistical Machine Translation

        Examples
        --------
        >>> import numpy as np
        >>> import fastact as fa
        >>> gates_x, gates_h, h = np.zeros((2, 9)), np.zeros((2, 9)), np.ones((2, 3))
        >>> fa.gru_cell(gates_x, gates_h, h, out=h)[0].tolist()
        [0.5, 0.5, 0.5]
        """
        kept = _several(self.name, "gates_out", gates_out, ("gates", "hidden"))
        outputs = [_dispatch.single(out), *kept]
        return self._take(self._FORWARD, (gates_x, gates_h, h, bias_x, bias_h), outputs)[0]

    def backward(self, dh: Any, *, gates: Any, h: Any, out: Any = None) -> tuple[Any, Any, Any]:
        """Gradients of both parts of the gates and of the state before the step.

        Those of the biases are their sums over the rows. What comes back by way of ``gates_h`` is not in
        that of the state: ``dh_prev + dgates_h @ w_hh`` is the whole.

        Parameters
        ----------
        dh : array_like, shape (..., n)
            Gradient of the next state.
        gates : tuple of array_like
            What `gates_out` of the forward call was given: the activated gates, shape (..., 3 n), and what
            the state gave to the third of them, shape (..., n).
        h : array_like, shape (..., n)
            State before the step.
        out : tuple of numpy.ndarray, optional
            Where the gradients go, ``(dgates_x, dgates_h, dh_prev)``; each may be None, or lie where an
            input does.

        Returns
        -------
        dgates_x, dgates_h, dh_prev : numpy.ndarray
            Gradients; those of `out` themselves where they were given.

        Raises
        ------
        TypeError, ValueError
            As the forward call.
        """
        called = f"{self.name}.backward"
        activated, hidden = _several(called, "gates", gates, ("gates", "hidden"))
        outputs = _several(called, "out", out, ("dgates_x", "dgates_h", "dh_prev"))
        dgates_x, dgates_h, dh_prev = self._take(self._BACKWARD, (dh, activated, hidden, h), outputs)
        return dgates_x, dgates_h, dh_prev
