"""Any parameters, dtype, shape, strides, overlap and threads at once, beside the catalog's text in NumPy.

``FASTACT_EXAMPLES`` is the number of calls: 20,000, the same in every run. Where it is given, as in
.ci/nightly, they are others in every run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from cases import CASES, DTYPES, HALVES, Case, ml_dtypes, output_determines, same_bits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastact as fa
from fastact.measure.accuracy import errors as accuracy
from fastact.measure.accuracy import reference, samples

EXAMPLES = int(os.environ.get("FASTACT_EXAMPLES", "20000"))
AT_ONCE = 4_000
"""Copies of the arrays in a call that is worth several threads."""

Arrays = dict[str, np.ndarray]
CONTENTS = {
    "rows": ("random", "wide", "dominated", "constant", "close", "extreme"),
    # Noise is lost beside a huge x, and with it what parts equal ones.
    "random_rows": ("random", "wide", "dominated", "constant"),
}


@dataclass(frozen=True)
class Layout:
    """How an array lies in memory: the order of its axes, their steps, its bytes, and where it begins."""

    order: tuple[int, ...]
    steps: tuple[int, ...]
    swapped: bool
    offset: int

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """A copy of `array` that lies like this."""
        swapped = self.swapped and array.dtype.name != "bfloat16"
        dtype = array.dtype.newbyteorder() if swapped else array.dtype
        sides = [array.shape[axis] * abs(self.steps[axis]) for axis in self.order]
        memory = np.zeros(int(np.prod(sides)) * dtype.itemsize + self.offset, np.uint8)
        whole = memory[self.offset :].view(dtype).reshape(sides).transpose(np.argsort(self.order))
        laid = whole[tuple(slice(None, None, step) for step in self.steps)]
        laid[...] = array
        return laid


@dataclass(frozen=True)
class Drawn:
    """Everything about a call but its case."""

    dtype: np.dtype
    parameters: tuple[tuple[str, float], ...]
    shape: tuple[int, ...]
    axis: int
    contents: str
    seed: int
    layouts: tuple[Layout, Layout, Layout]
    out: str
    shift: int
    threads: int
    copies: int


def _layouts(ndim: int) -> st.SearchStrategy[Layout]:
    plain = st.just(Layout(tuple(range(ndim)), (1,) * ndim, False, 0))
    any_other = st.builds(
        Layout,
        st.permutations(range(ndim)).map(tuple),
        st.tuples(*[st.sampled_from([1, 2, -1, -2, 3])] * ndim),
        st.booleans(),
        st.sampled_from([0, 1, 2, 8, 12]),
    )
    return plain | any_other


@st.composite
def _parameters(draw, case: Case) -> tuple[tuple[str, float], ...]:
    """The defaults, or numbers of ordinary magnitudes that meet every constraint."""
    numbers = case.row.needs | case.row.numbers if "weight" in case.row.needs else case.row.numbers
    if not numbers or draw(st.booleans()):
        return ()
    magnitudes = st.floats(2**-4, 2**4, width=32)
    given = {name: draw(magnitudes) * draw(st.sampled_from([1, 1, -1])) for name in numbers}
    constraints = [p.constraint for p in case.row.parameters if p.constraint]
    met = all(eval(text, {}, given) for text in constraints)
    return tuple(given.items()) if met and (case.saved != "y" or output_determines(case.row, given)) else ()


@st.composite
def _calls(draw, case: Case) -> Drawn:
    shape = draw(
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)
        | st.tuples(st.integers(1, 150))
        | st.tuples(st.integers(1, 12), st.integers(1, 40))
    )
    places = ["none", "fresh"]
    if case.keeps_shape:
        places += ["first", "shifted", *(["saved"] if case.saved else [])]
    noisy = case.row.kind == "random_rows"
    layouts = _layouts(len(shape))
    return Drawn(
        dtype=np.dtype(draw(st.sampled_from(DTYPES))),
        parameters=draw(_parameters(case)),
        shape=shape,
        axis=draw(st.integers(-len(shape), -1)) if case.row.shape.along_axis else -1,
        contents=draw(st.sampled_from(CONTENTS.get(case.row.kind, ("every region", "near 0", "special")))),
        seed=draw(st.integers(0, 2**32 - 1)),
        layouts=(draw(layouts), draw(layouts), draw(layouts)),
        out=draw(st.sampled_from(places)),
        shift=draw(st.integers(-40, 40)),
        threads=draw(st.integers(1, 3)),
        # More than the elements of a call's threads are noise by position.
        copies=1 if noisy else draw(st.sampled_from([1] * 19 + [AT_ONCE])),
    )


@cache
def _regions(dtype: np.dtype, interval: tuple[float, float]) -> np.ndarray:
    return samples.stratified(dtype, 0, interval)


def _numbers(random: np.random.Generator, drawn: Drawn, judged: accuracy.Case, shape) -> np.ndarray:
    """Inputs of one element each, in the interval that can be passed."""
    low, high = judged.interval
    # An interval of parameters may be one number, or lie where no region is.
    if drawn.contents == "every region" and low < high and low < 2 and high > -2:
        return random.choice(_regions(judged.dtype, judged.interval), shape)
    limits = np.finfo(judged.dtype)
    special = [0.0, limits.smallest_subnormal, limits.tiny, 1.0, limits.max, np.inf]
    values = random.choice([*special, *np.negative(special)], shape)
    if drawn.contents == "near 0":
        values = random.normal(0, 3, shape)
    # At an end that is not reached the derivative from y is not said.
    return np.clip(values, low, high).astype(judged.dtype)


def _row_contents(random: np.random.Generator, drawn: Drawn, dtype: np.dtype, shape) -> np.ndarray:
    x = random.normal(0, 3, shape)
    reach = samples.tail(dtype)
    if drawn.contents == "wide":
        return random.uniform(-reach / 2, reach / 2, shape)
    if drawn.contents == "dominated":
        x[..., random.integers(shape[-1])] += reach * random.random()
    if drawn.contents == "constant":
        return np.repeat(x[..., :1], shape[-1], axis=-1)
    if drawn.contents == "close":
        return 1e4 + x / 100
    if drawn.contents == "extreme":
        largest = 6e4 if drawn.dtype in HALVES else np.inf
        return random.choice(_regions(dtype, (-largest, largest)), shape)
    return x


def _groups(random: np.random.Generator, pieces: int, shape) -> np.ndarray:
    """No two numbers of a group are equal, in half precision either."""
    within = random.permuted(np.broadcast_to(np.arange(pieces), (*shape, pieces)), axis=-1)
    return (within + 8 * random.integers(-8, 8, (*shape, 1))).reshape(*shape[:-1], -1) - 1.5


def _inputs(case: Case, judged: accuracy.Case, drawn: Drawn) -> Arrays:
    """What is passed, rows and groups along the last axis."""
    random = np.random.default_rng(drawn.seed)
    shape = (*np.delete(drawn.shape, drawn.axis), drawn.shape[drawn.axis])
    kind = case.row.shape
    if kind.halves:
        parts = 1 if not case.saved else 2
        a = random.normal(0, 1, shape)
        if drawn.dtype not in HALVES:
            a = samples.factors(judged.dtype, drawn.seed, a.size, parts).reshape(shape)
        value = np.concatenate([a, _numbers(random, drawn, judged, shape)], axis=-1)
    elif kind.shrinks:
        value = _groups(random, int(case.row.needs["pieces"]), shape)
    elif kind.by_row:
        value = _row_contents(random, drawn, judged.dtype, shape)
    else:
        value = _numbers(random, drawn, judged, shape)
    inputs = {"x": value.astype(drawn.dtype).astype(judged.dtype)}
    if case.row.kind == "random_rows":
        seed = int(case.row.needs["seed"])
        noise = fa.activations[case.row.name].noise(drawn.shape, judged.dtype, seed=seed)
        inputs["noise"] = np.moveaxis(noise, drawn.axis, -1)
    if not case.saved:
        return inputs
    if kind.by_row and case.saved == "y":
        value = judged.exact(inputs, case.row.formula)
    dy = random.normal(0, 1, shape)
    if kind.by_element and drawn.dtype not in HALVES:
        dy = samples.gradients(judged.dtype, drawn.seed, dy.size).reshape(shape)
    passed = {"dy": dy, case.saved: value}
    return {name: a.astype(drawn.dtype).astype(judged.dtype) for name, a in passed.items()}


def _placed(drawn: Drawn, arrays: list[np.ndarray], result_shape) -> np.ndarray | None:
    """`out` of the call; the first array is moved where both share memory."""
    if drawn.out == "none":
        return None
    if drawn.out == "fresh":
        return drawn.layouts[2](np.zeros(result_shape, drawn.dtype))
    if drawn.out in ("first", "saved"):
        return arrays[0 if drawn.out == "first" else 1]
    size, shift = arrays[0].size, drawn.shift
    memory = np.zeros(size + abs(shift), drawn.dtype)
    first = memory[max(0, -shift) :][:size].reshape(arrays[0].shape)
    first[...] = arrays[0]
    arrays[0] = first
    return memory[max(0, shift) :][:size].reshape(result_shape)


def _computed(case: Case, drawn: Drawn, inputs: Arrays) -> np.ndarray:
    """What fastact makes of them, rows along the last axis again."""
    given = dict(drawn.parameters) | dict.fromkeys(case.row.shape.may_have)
    if case.row.shape.along_axis:
        given["axis"] = drawn.axis
    names = ("dy", case.saved) if case.saved else ("x",)
    plain = [np.moveaxis(inputs[name], -1, drawn.axis).astype(drawn.dtype) for name in names]
    shape = plain[0].shape if case.saved and case.keeps_shape else drawn.shape
    if case.saved and not case.keeps_shape:
        shape = plain[1].shape
    if drawn.copies > 1:
        arrays = [np.repeat(array[None], drawn.copies, axis=0) for array in plain]
        out = None if drawn.out == "none" else np.zeros((drawn.copies, *shape), drawn.dtype)
    else:
        arrays = [layout(array) for layout, array in zip(drawn.layouts, plain, strict=False)]
        out = _placed(drawn, arrays, shape)
    with fa.num_threads(drawn.threads):
        result = case(*arrays, out=out, **given)
    assert out is None or result is out
    result = np.asarray(result).astype(drawn.dtype)
    if drawn.copies > 1:
        assert same_bits(result, np.broadcast_to(result[:1], result.shape)), "copies differ"
        result = result[0]
    return np.moveaxis(result, drawn.axis, -1)


def _by_group(case: Case, inputs: Arrays, computed: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """What maxout's formula is of: each group a row, with one dy."""
    pieces = int(case.row.needs["pieces"])
    grouped = {name: a.reshape(-1, 1 if name == "dy" else pieces) for name, a in inputs.items()}
    return grouped, computed.reshape(-1, pieces if case.saved else 1)


def _assert_rounded(judged: accuracy.Case, inputs: Arrays, computed: np.ndarray) -> None:
    """Half precision is what float32, with all that it is allowed to err, is rounded to."""
    largest_float = np.finfo(np.float32).max
    exact = np.clip(np.broadcast_to(judged.exact(inputs), computed.shape), -largest_float, largest_float)
    scale = np.abs(exact)
    if judged.unit == accuracy.LARGEST_TERM:
        largest = judged.exact(inputs, reference.largest_term_text(judged.text))
        scale = np.fmax(scale, np.abs(largest))
    slack = float(judged.limit) * np.spacing(np.minimum(scale, largest_float).astype(np.float32))
    near = accuracy.near_inner_zero(judged, inputs)
    if near is not None:
        slack = np.where(near, np.finfo(np.float32).eps * np.abs(inputs["dy"]), slack)
    # Infinity counts as the number after the largest.
    beyond = float(np.ldexp(1.0, int(ml_dtypes.finfo(computed.dtype).maxexp)))
    ends = [(exact + side * slack).astype(computed.dtype) for side in (-1.0, 1.0)]
    low, high, reached = (np.clip(a.astype(np.float64), -beyond, beyond) for a in (*ends, computed))
    near_enough = (low <= reached) & (reached <= high) | np.isnan(exact) & np.isnan(reached)
    assert near_enough.all(), (inputs, reached[~near_enough][:3], exact[~near_enough][:3])


def _assert_near(judged: accuracy.Case, inputs: Arrays, computed: np.ndarray) -> None:
    errors, near = accuracy.errors_of(judged, inputs, computed)
    exact = np.broadcast_to(judged.exact(inputs), computed.shape)
    limit = float(judged.limit)
    far = errors > (limit if near is None else np.where(near, 1, limit))
    assert not far.any(), (errors[far][:3], inputs, computed[far][:3], exact[far][:3])


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(
    max_examples=-(-EXAMPLES // len(CASES)),
    deadline=None,
    derandomize="FASTACT_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(data=st.data())
def test_any_call_computes_the_formula(case, data):
    drawn = data.draw(_calls(case))
    dtype = np.dtype(np.float32) if drawn.dtype in HALVES else drawn.dtype
    if not reference.can_judge(dtype):
        return
    judged = accuracy.Case(case.row, case.saved or "forward", dtype, drawn.parameters)
    with np.errstate(all="ignore"):
        inputs = _inputs(case, judged, drawn)
        computed = _computed(case, drawn, inputs)
        if case.row.shape.shrinks and not case.row.shape.halves:
            inputs, computed = _by_group(case, inputs, computed)
        (_assert_rounded if drawn.dtype in HALVES else _assert_near)(judged, inputs, computed)


def test_a_subnormal_gradient_is_near_at_a_temperature_below_1():
    """In ULP of what is returned, subnormal results included."""
    unit = np.finfo(np.float32).smallest_subnormal
    y, dy = np.array([1, 3 * unit], np.float32), np.array([0, 0.2], np.float32)
    gradient = fa.softmax.backward(dy, y=y, temperature=1 / 16)
    assert abs(gradient[1] / unit - 9.6) <= 4
