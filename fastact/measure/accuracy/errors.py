"""The largest error of every activation and where it occurs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ... import activations, get_num_threads, num_threads
from ...catalog import Row, expression
from . import reference, samples

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
BLOCK = 1 << 15
"""Elements judged at a time: temporaries of this size stay in the cache."""


ULP, NEAR_ZERO, LARGEST_TERM = "ULP", "eps·|dy|", "ULP of the largest term"
UNIT_MEANINGS = {
    ULP: "units in the last place of the correctly rounded result, subnormal results included",
    NEAR_ZERO: "2^-23·|dy| (float32) or 2^-52·|dy| (float64), within 1 of an inner zero of the derivative",
    LARGEST_TERM: "units in the last place of the larger of the result and the largest term of its formula",
}


@dataclass(frozen=True, eq=False)
class Case:
    """One activation in one direction and dtype, with some or no parameters other than the defaults."""

    row: Row
    direction: str
    """forward, x or y: what backward is computed from."""
    dtype: np.dtype
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.row.name} {self.direction_name} {self.dtype}"

    @property
    def direction_name(self) -> str:
        return "forward" if self.direction == "forward" else f"backward from {self.direction}"

    @cached_property
    def arguments(self) -> dict[str, float]:
        return self.row.needs | dict(self.parameters)

    @cached_property
    def names(self) -> dict[str, float]:
        """What the formula calls its parameters; a random activation is measured in evaluation."""
        return self.row.names(**self.arguments)

    @cached_property
    def text(self) -> str:
        return self.row.text("" if self.direction == "forward" else self.direction)

    @cached_property
    def unit(self) -> str:
        """How errors are counted away from inner zeros; see section 3 of the contract."""
        cancels = self.direction != "forward" and self.row.shape.sums
        cancels |= "sparse_threshold" in self.text
        return LARGEST_TERM if cancels or self.parameters else ULP

    @property
    def limit(self) -> float:
        """The error, in its unit, that the contract allows."""
        forward, otherwise = self.row.shape.allowed
        return forward if self.direction == "forward" and not self.parameters else otherwise

    @cached_property
    def zeros(self) -> tuple[float, ...]:
        if self.direction != "x" or self.parameters or self.row.shape.shrinks:
            return ()
        return reference.inner_zeros(self.row.derivatives["x"], tuple(self.names.items()))

    @cached_property
    def interval(self) -> samples.Interval:
        """The numbers that can be passed: every one, or the range of the output."""
        return self.output_range if self.direction == "y" else samples.EVERYTHING

    @cached_property
    def output_range(self) -> samples.Interval:
        low, high = self.row.range[1:-1].rsplit(",", 1)
        names = {"inf": np.inf, "min": min, **self.names}
        return float(expression.function(low)(names)), float(expression.function(high)(names))

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """What fastact makes of ``x``, or of ``dy`` and the saved array; of prelu's gradients dx."""
        activation = activations[self.row.name]
        if self.direction == "forward":
            return activation(inputs["x"], **self.arguments)
        result = activation.backward(**inputs, **self.arguments)
        return result[0] if isinstance(result, tuple) else result

    def arrays(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the formula computes from: the arrays that are passed, or their halves."""
        if not self.row.shape.halves:
            return inputs
        return {**reference.halves(inputs["x"]), **{name: inputs[name] for name in inputs if name != "x"}}

    def exact(self, inputs: dict[str, np.ndarray], text: str | None = None) -> np.ndarray:
        return reference.evaluate(text or self.text, self.dtype, **self.arrays(inputs), **self.names)


def cases(names: list[str], dtypes: list[np.dtype]) -> list[Case]:
    """Every case of these activations at the default parameters."""
    return [
        Case(row, direction, dtype)
        for row in (activations[name].row for name in names)
        for dtype in dtypes
        if reference.can_judge(dtype)
        for direction in ("forward", *row.saves)
    ]


@dataclass
class Worst:
    """The largest error seen so far, in one unit, of a count of results."""

    error: float = -1.0
    count: int = 0
    at: dict[str, Any] = field(default_factory=dict)

    def see(self, errors: np.ndarray, describe: Callable[[int], dict[str, Any]], where: Any = None) -> None:
        """Take note of some errors: all, or those at the flat indices `where`."""
        errors = errors.ravel() if where is None else errors.ravel()[where]
        if not errors.size:
            return
        self.count += errors.size
        index = int(errors.argmax())
        if errors[index] > self.error:
            self.error = float(errors[index])
            self.at = describe(index if where is None else int(where[index]))

    def join(self, other: Worst) -> None:
        self.count += other.count
        if other.error > self.error:
            self.error, self.at = other.error, other.at


def judge(case: Case, inputs: dict[str, np.ndarray], note: str = "") -> dict[str, Worst]:
    """The worst of some results, for each unit that the case is counted in."""
    computed = case.compute(inputs)
    errors, near = errors_of(case, inputs, computed)

    def describe(index: int) -> dict[str, Any]:
        at = {
            name: float(array.flat[index % array.size])
            for name, array in case.arrays(inputs).items()
            if "pieces" not in case.row.needs
        }
        return {**at, "result": float(computed.flat[index]), "note": note}

    worst = {case.unit: Worst()}
    if near is None:
        worst[case.unit].see(errors, describe)
        return worst
    worst[case.unit].see(errors, describe, np.flatnonzero(~near))
    worst[NEAR_ZERO] = Worst()
    worst[NEAR_ZERO].see(errors, describe, np.flatnonzero(near))
    return worst


def errors_of(
    case: Case, inputs: dict[str, np.ndarray], computed: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """How far off some results are, whoever computed them, and which of them are near an inner zero.

    Those are counted in `NEAR_ZERO`, the others in the case's unit.
    """
    exact = np.broadcast_to(case.exact(inputs), computed.shape)
    scale = None
    if case.unit == LARGEST_TERM:
        scale = np.broadcast_to(case.exact(inputs, reference.largest_term_text(case.text)), computed.shape)
    errors = reference.ulp_errors(computed, exact, scale)
    near = near_inner_zero(case, inputs)
    if near is not None:
        limits = np.finfo(case.dtype)
        unit = np.maximum(limits.eps * np.abs(inputs["dy"].astype(exact.dtype)), limits.smallest_subnormal)
        errors = np.where(near, np.abs(computed - exact) / unit, errors)
    return errors, near


def near_inner_zero(case: Case, inputs: dict[str, np.ndarray]) -> np.ndarray | None:
    """Which inputs are within 1 of a zero inside the derivative; None where there is not one."""
    near = [np.abs(inputs["x"] - case.dtype.type(zero)) <= 1 for zero in case.zeros]
    return np.any(near, axis=0) if np.any(near) else None


EXHAUSTIVE = {
    "float32": samples.FLOAT32_BATCHES, "float64": 512,
    "rows": 4 * samples.ROW_BATCHES, "random_rows": 4 * samples.ROW_BATCHES, "pieces": 64,
}  # fmt: skip
SAMPLED = {
    "float32": 32, "float64": 9, "rows": samples.ROW_BATCHES, "random_rows": samples.ROW_BATCHES,
    "pieces": 8, "gated": 6,
}  # fmt: skip
"""Numbers of batches, by kind or else by dtype."""


@dataclass(frozen=True)
class Batch:
    """One share of the inputs of a case."""

    case: Case
    number: int
    exhaustive: bool

    def inputs(self) -> Iterator[tuple[dict[str, np.ndarray], str]]:
        """Blocks of arguments, each with a note on what they are."""
        make = {"rows": self._rows, "random_rows": self._rows, "pieces": self._groups, "gated": self._halves}
        return make.get(self.case.row.kind, self._elements)()

    def _halves(self) -> Iterator[tuple[dict[str, np.ndarray], str]]:
        """The gate's inputs from every region, the other half and dy of magnitudes that it can multiply."""
        case = self.case
        if self.exhaustive and case.dtype == np.float32:
            b = samples.every_float32(self.number)
        else:
            b = samples.stratified(case.dtype, self.number)
        parts = 1 if case.direction == "forward" else 2
        a = samples.factors(case.dtype, 2 * self.number + 1, b.size, parts)
        dy = samples.factors(case.dtype, 2 * self.number, b.size, parts)
        for start in range(0, b.size, BLOCK):
            part = slice(start, start + BLOCK)
            x = np.concatenate([a[part], b[part]])
            yield ({"x": x} if case.direction == "forward" else {"dy": dy[part], "x": x}), ""

    def _elements(self) -> Iterator[tuple[dict[str, np.ndarray], str]]:
        case = self.case
        whole = self.exhaustive and case.dtype == np.float32
        if whole:
            values = samples.every_float32(self.number)
            if case.direction == "y":
                values = values[(values >= case.interval[0]) & (values <= case.interval[1])]
        else:
            points = [*case.zeros, *case.names.values(), *(-value for value in case.names.values())]
            values = samples.stratified(case.dtype, self.number, case.interval, points)
        # dy is 1 throughout where inputs are exhaustive: one block of it serves all.
        count = BLOCK if whole else values.size
        forward = case.direction == "forward"
        dy = None if forward else samples.gradients(case.dtype, 0 if whole else self.number, count)
        for start in range(0, values.size, BLOCK):
            saved, first = values[start : start + BLOCK], 0 if whole else start
            if dy is None:
                yield {"x": saved}, ""
            else:
                yield {"dy": dy[first : first + saved.size], case.direction: saved}, ""

    def _rows(self) -> Iterator[tuple[dict[str, np.ndarray], str]]:
        case = self.case
        name, x = samples.rows(case.dtype, self.number)
        noisy = "seed" in case.arguments
        if noisy and name.startswith("extreme"):
            return  # noise is lost beside a huge x, and with it what parts equal ones
        inputs = {"x": x}
        if noisy:
            noise = activations[case.row.name].noise
            inputs["noise"] = noise(x.shape, case.dtype, seed=int(case.arguments["seed"]))
        if case.direction == "forward":
            yield inputs, name
            return
        with np.errstate(over="ignore"):  # a logarithm may be beyond the dtype's range
            saved = x if case.direction == "x" else case.exact(inputs, case.row.formula).astype(case.dtype)
        random = np.random.default_rng((4, self.number))
        for dy in (random.normal(0, 1, x.shape), np.ones(x.shape)):
            yield {"dy": dy.astype(case.dtype), case.direction: saved}, name

    def _groups(self) -> Iterator[tuple[dict[str, np.ndarray], str]]:
        case = self.case
        pieces = int(case.arguments["pieces"])
        x = samples.groups(case.dtype, self.number, pieces)
        note = f"groups of {pieces}"
        if case.direction == "forward":
            yield {"x": x}, note
        else:
            yield {"dy": samples.gradients(case.dtype, 1, len(x))[:, None], "x": x}, note

    def measure(self) -> dict[str, Worst]:
        """The worst of the batch, on the calling thread alone."""
        worst: dict[str, Worst] = {}
        with num_threads(1), np.errstate(all="ignore"):
            for inputs, note in self.inputs():
                for unit, found in judge(self.case, inputs, note).items():
                    worst.setdefault(unit, Worst()).join(found)
        return worst


def batches(case: Case, exhaustive: bool = False, count: int | None = None) -> list[Batch]:
    """All of the case's inputs, or `count` of their batches."""
    counts = EXHAUSTIVE if exhaustive else SAMPLED
    count = count or counts.get(case.row.kind, counts[str(case.dtype)])
    return [Batch(case, number, exhaustive) for number in range(count)]


@dataclass(frozen=True)
class Measurement:
    """The largest error of a case in one unit."""

    activation: str
    """Or pass."""
    direction: str
    dtype: str
    unit: str
    error: float
    limit: float
    count: int
    at: dict[str, Any]

    @property
    def within(self) -> bool:
        return self.error <= self.limit

    @property
    def place(self) -> str:
        """Where the largest error occurs, as text."""
        if self.error == 0:
            return ""
        number = np.dtype(self.dtype).type
        shown = [
            f"{name} = {number(self.at[name])!s}"
            for name in ("x", "y", "a", "b", "dy")
            if name in self.at and (name != "dy" or self.at[name] != 1)
        ]
        note = f"({self.at['note']})" if self.at["note"] else ""
        return f"{', '.join(shown)} {note}".strip()


@dataclass
class Found:
    """The worst that a run has seen of each case until now, and of how many batches."""

    worst: dict[tuple[Any, str], Worst] = field(default_factory=dict)
    batches: int = 0

    def see(self, batch: Any, found: dict[str, Worst]) -> None:
        self.batches += 1
        for unit, one in found.items():
            self.worst.setdefault((batch.case, unit), Worst()).join(one)

    @property
    def measurements(self) -> list[Measurement]:
        return [
            Measurement(
                case.row.name, case.direction_name, str(case.dtype), unit, one.error,
                1 if unit == NEAR_ZERO else case.limit, one.count, one.at,
            )
            for (case, unit), one in self.worst.items()
        ]  # fmt: skip


def measure(
    work: Sequence[Any], finished: Callable[[Any], None] = lambda batch: None, found: Found | None = None
) -> list[Measurement]:
    """The worst of these batches, of activations or passes, by case, on as many threads as fastact may use.

    Who gives `found` has what was seen where this is interrupted; batches that were not begun then never are.
    """
    found = Found() if found is None else found
    pool = ThreadPoolExecutor(get_num_threads())
    try:
        for batch, seen in zip(work, pool.map(lambda batch: batch.measure(), work), strict=True):
            found.see(batch, seen)
            finished(batch)
    finally:
        pool.shutdown(cancel_futures=True)
    return found.measurements
