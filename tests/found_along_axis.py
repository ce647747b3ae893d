"""The same of activations along an axis: found along straight lines through rows, and from Jacobians."""

from __future__ import annotations

from functools import cached_property

import mpmath_reference as reference
import numpy as np
from found import FAR, NEAR, Found, names_of
from mpmath_reference import mp

from fastact import catalog

INPUTS = {"rows": 3, "random_rows": 3, "pieces": 4, "gated": 4}
START = (0.0, 0.31, -0.73, 0.22)


class AlongAxis:
    """The outputs of rows of mpmath numbers; noise is drawn once for every position."""

    def __init__(self, row: catalog.Row) -> None:
        self.row = row
        self._noise = np.random.default_rng(3).gumbel(size=256)
        self._names = {name: mp.mpf(value) for name, value in names_of(row).items()}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        with mp.workdps(40):
            names = {"a": rows[:, : rows.shape[1] // 2], "b": rows[:, rows.shape[1] // 2 :]}
            names = names if self.row.shape.halves else {"x": rows}
            return reference.evaluate(
                self.row.formula, **names, noise=self.noise(rows.shape[1]), **self._names
            )

    def noise(self, length: int) -> np.ndarray:
        """What is added to a row, where anything is."""
        drawn = "noise" in self.row.shape.names
        return reference.exact(self._noise[:length] if drawn else np.zeros(length))

    def jacobian(self, x, inputs: int | None = None) -> np.ndarray:
        """Derivatives of all outputs by the first `inputs` or all; the noise is added to x less itself."""
        with mp.workdps(40):
            center = reference.exact(x) - self.noise(len(x))
            steps = reference.exact(np.eye(len(x))[: inputs or len(x)]) * NEAR
            return ((self(center + steps) - self(center - steps)) / (2 * NEAR)).T

    def line(self, direction) -> Found:
        """The first output, on a straight line."""
        start = reference.exact(START[: len(direction)])
        return Found(lambda t: self(start + t[:, None] * reference.exact(direction))[:, 0])

    @cached_property
    def own(self) -> Found | None:
        """The first output as its own input moves; a gate has two."""
        return None if self.row.shape.halves else self.line(np.eye(INPUTS[self.row.kind])[0])

    @cached_property
    def lines(self) -> list[Found]:
        count = INPUTS[self.row.kind]
        drawn = np.random.default_rng(5).uniform(-1, 1, (3, count))
        return [self.line(direction) for direction in (*np.eye(count)[: count // 2 + 1], *drawn)]

    @cached_property
    def orders(self) -> set[int]:
        """Of the derivatives that jump somewhere on a line."""
        return {entry.order for line in self.lines for entry in line.breaks}

    @cached_property
    def curvature(self) -> str:
        shapes = {line.curvature for line in self.lines} - {"straight"}
        return shapes.pop() if len(shapes) == 1 else ""

    @cached_property
    def slopes(self) -> tuple[float, float]:
        """The least and the largest derivative, where they come near their bounds or have none."""
        jacobians = [self.jacobian(x).ravel() for x in self._rows()]
        jacobians += [self.jacobian(np.zeros(256), 1).ravel()] if self.row.shape.by_row else []
        every = np.concatenate(jacobians).astype(float)
        bounded = abs(every) < 1e-2 * float(FAR)
        every = np.where(bounded, every, np.copysign(np.inf, every))
        return every.min(), every.max()

    @cached_property
    def lipschitz(self) -> float:
        """The largest norm of a Jacobian; infinite where it grows with the length of the row."""
        if np.isinf(self.slopes).any():
            return np.inf
        norms = [self._norm(x) for x in self._rows()]
        if self.row.shape.by_row:
            short, long = (self._norm([40.0, *np.zeros(length)]) for length in (15, 63))
            norms += [np.inf] if long > 1.9 * short > 0.1 else [short, long]
        return max(norms)

    def _norm(self, x) -> float:
        return float(np.linalg.norm(self.jacobian(x).astype(float), 2))

    def _rows(self) -> list[np.ndarray]:
        count = INPUTS[self.row.kind]
        drawn = np.random.default_rng(7).standard_normal((6, count)) * np.array([1, 1, 3, 3, 9, 9])[:, None]
        ends = [np.zeros(count), [0, 0, -40, -40], [40, -40, -40, -40]]
        large = [(s * float(FAR), 0.7, 0.6, 0.8) for s in (-1, 1)] if self.row.shape.halves else []
        return [np.array(x[:count], float) for x in (*drawn, *ends, *large)]
