"""Arguments that nobody should give: an answer, or a TypeError or ValueError and nothing written."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastact as fa

REFUSED = (TypeError, ValueError)  # an AxisError is one, too
OBJECTS = {**fa.activations, **fa.passes}


class _Raises:
    """Says that it is a number, an array and an index, and is none."""

    def __float__(self):
        raise ValueError("no number")

    def __index__(self):
        raise ValueError("no index")


class _Contrary(np.ndarray):
    __array_ufunc__ = None


def _arrays() -> st.SearchStrategy:
    shapes = st.sampled_from([(), (0,), (1,), (4,), (2, 4), (4, 2), (2, 0, 4), (1,) * 33, (1,) * 63 + (2,)])
    dtypes = st.sampled_from([*"efdgFD?bqQ", ">f4", "<f8", "U3", "S2", "O", "M8[s]", "m8[s]", "i4,f4"])
    layouts = st.sampled_from(
        [
            lambda a: a,
            lambda a: a.T,
            lambda a: a[::-1] if a.ndim else a,
            lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
            lambda a: np.broadcast_to(a, a.shape),
            lambda a: a.view(_Contrary),
            lambda a: np.ma.array(a),
        ]
    )
    return st.builds(lambda shape, dtype, layout: layout(np.zeros(shape, dtype)), shapes, dtypes, layouts)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, -(2**63), 2**70]),
    st.floats(),
    st.sampled_from(
        ["", "none", "tanh", "sum", "a\0b", b"x", 1j, np.float64("nan"), np.float16(2), np.bool_(True)]
    ),
    st.sampled_from([(), (0,), (0, 0), (1, -1), [0], {}, {1}, object(), float, np.float32, _Raises(), len]),
    st.tuples(st.floats(0, 1), st.integers(0, 9)),
    st.tuples(_arrays(), _arrays()),
)
ANY = st.one_of(_arrays(), SCALARS)
GOOD = st.sampled_from([np.ones((2, 4), np.float32), np.ones((2, 4)), np.ones((2, 4), np.float16)])


@st.composite
def _calls(draw):
    found = OBJECTS[draw(st.sampled_from(sorted(OBJECTS)))]
    call = draw(st.sampled_from([found, found.backward]))
    names = [*inspect.signature(call).parameters, "dim", "inplace", "dtype", "where", ""]
    names = [name for name in names if name not in ("self", "args", "kwargs", "out")]
    first = draw(st.lists(st.one_of(GOOD, ANY), max_size=3))
    words = draw(st.dictionaries(st.sampled_from(names), st.one_of(GOOD, ANY), max_size=4))
    return (
        call,
        first,
        words,
        draw(st.sampled_from([(2, 4), (4, 2), (4,), (), (2, 2), (2, 8)])),
        draw(st.booleans()),
    )


@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(_calls())
def test_an_answer_or_an_error_that_leaves_out_as_it_was(drawn):
    call, args, words, shape, fits = drawn
    out = np.full(shape, 7, np.float32 if fits else np.float64)
    error = None
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        try:
            call(*args, out=out, **words)
        except REFUSED as refusal:
            error = refusal
    assert error is None or (str(error) and (out == 7).all()), error
