"""lstm_cell and gru_cell: values and gradients as defined by torch, from any arrays, and in place."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from cases import HALVES, same_bits
from layouts import layouts

import fastact as fa

LONG = np.longdouble
NAMES = {"lstm_cell": (4, 1, -4), "gru_cell": (3, 3, 1, -3, -3)}
"""Parts of a row of each input; below 0 a row for all."""


def _sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _parts(array, count):
    return np.split(array, count, axis=-1)


def _drawn(name, lead=(5,), state=33, dtype=np.float64, seed=0, spread=2.0):
    random = np.random.default_rng(seed)
    shapes = [(-p * state,) if p < 0 else (*lead, p * state) for p in NAMES[name]]
    return [(spread * random.standard_normal(shape)).astype(dtype) for shape in shapes]


def _sum(dtype, *numbers):
    """A sum as it is taken with a bias: rounded to what is computed in."""
    computing = np.float32 if np.dtype(dtype).itemsize == 2 else dtype
    total = numbers[0].astype(computing)
    for number in numbers[1:]:
        total = total + number.astype(computing)
    return total


# Each value with its largest term, beside which its error is counted.


def _exact_lstm(dtype, gates, c, bias):
    i, f, g, o = (a.astype(LONG) for a in _parts(_sum(dtype, gates, bias), 4))
    i, f, g, o, c = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o), c.astype(LONG)
    kept, added = f * c, i * g
    c_next, largest = kept + added, np.maximum(abs(kept), abs(added))
    h = o * np.tanh(c_next)
    activated = np.concatenate([i, f, g, o], axis=-1)
    return {
        "h": (h, np.maximum(abs(h), o * np.minimum(largest, 1))),
        "c_next": (c_next, largest),
        "gates": (activated, abs(activated)),
    }


def _exact_lstm_backward(dh, dc, gates, c, c_next):
    dh, dc, gates, c, c_next = (a.astype(LONG) for a in (dh, dc, gates, c, c_next))
    i, f, g, o = _parts(gates, 4)
    t, slope = np.tanh(c_next), 1 / np.cosh(c_next) ** 2
    total, largest = dc + dh * o * slope, np.maximum(abs(dc), abs(dh * o * slope))
    factors = g * i * (1 - i), c * f * (1 - f), i * (1 - g) * (1 + g)
    do = dh * t * o * (1 - o)
    dgates = np.concatenate([*(total * a for a in factors), do], axis=-1)
    terms = np.concatenate([*(largest * abs(a) for a in factors), abs(do)], axis=-1)
    return {"dgates": (dgates, terms), "dc": (total * f, largest * f)}


def _exact_gru(dtype, gates_x, gates_h, h, bias_x, bias_h):
    xs, hs = _parts(_sum(dtype, gates_x, bias_x), 3), _parts(_sum(dtype, gates_h, bias_h), 3)
    r, z = (_sigmoid(_sum(dtype, x, h).astype(LONG)) for x, h in zip(xs[:2], hs[:2], strict=True))
    hidden, given, h = hs[2].astype(LONG), xs[2].astype(LONG), h.astype(LONG)
    inside, terms = given + r * hidden, np.maximum(abs(given), abs(r * hidden))
    n = np.tanh(inside)
    h_next = n + z * (h - n)
    activated = np.concatenate([r, z, n], axis=-1)
    # What is lost in the sum inside of tanh is lost at its slope.
    of_n = np.maximum(abs(n), terms / np.cosh(inside) ** 2)
    return {
        "h_next": (h_next, np.maximum(of_n, abs(z * h))),
        "gates": (activated, np.concatenate([r, z, of_n], axis=-1)),
        "hidden": (hidden, abs(hidden)),
    }


def _exact_gru_backward(dh, gates, hidden, h):
    dh, gates, hidden, h = (a.astype(LONG) for a in (dh, gates, hidden, h))
    r, z, n = _parts(gates, 3)
    dn = dh * (1 - z) * ((1 - n) * (1 + n))
    dz, dr = dh * (h - n) * z * (1 - z), dn * hidden * r * (1 - r)
    largest = abs(dh) * np.maximum(abs(h), abs(n)) * z * (1 - z)
    terms = [abs(dr), largest, abs(dn)]
    return {
        "dgates_x": (np.concatenate([dr, dz, dn], axis=-1), np.concatenate(terms, axis=-1)),
        "dgates_h": (
            np.concatenate([dr, dz, dn * r], axis=-1),
            np.concatenate([*terms[:2], abs(dn * r)], axis=-1),
        ),
        "dh": (dh * z, abs(dh * z)),
    }


def _check(results, exact, dtype, allowed):
    for result, (name, (value, term)) in zip(results, exact.items(), strict=True):
        assert result.dtype == dtype, name
        largest = np.maximum(term, abs(value))
        # A half is float32's result rounded once: half an ULP of its own, of what it is.
        half = np.dtype(dtype).itemsize == 2
        ulp = np.spacing(np.float32(1) if half else largest.astype(dtype)).astype(LONG)
        error = abs(result.astype(LONG) - value)
        own = 0.5 * np.spacing(abs(value).astype(dtype)).astype(LONG) if half else 0
        bound = allowed * ulp * (largest if half else 1) + own
        assert (error <= bound).all(), (name, float((error / bound).max()))


def _forward(name, inputs, **given):
    """All that a call gives, what backward needs too."""
    if name == "lstm_cell":
        gates, c, bias = inputs
        kept = np.empty(gates.shape, np.result_type(gates, c))
        return [*fa.lstm_cell(gates, c, bias=bias, gates_out=kept, **given), kept]
    gates_x, gates_h, h, bias_x, bias_h = inputs
    kept = np.empty(gates_x.shape, gates_x.dtype), np.empty(h.shape, h.dtype)
    return [fa.gru_cell(gates_x, gates_h, h, bias_x=bias_x, bias_h=bias_h, gates_out=kept, **given), *kept]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_values(name, any_dtype, threads):
    exact = {"lstm_cell": _exact_lstm, "gru_cell": _exact_gru}[name]
    for spread in (0.01, 1, 8):
        inputs = _drawn(name, (64,), 300, any_dtype, spread=spread)
        _check(_forward(name, inputs), exact(any_dtype, *inputs), any_dtype, fa.passes[name].row.allowed[0])


def test_gradients(name, any_dtype, threads):
    allowed = fa.passes[name].row.allowed[1]
    inputs = _drawn(name, (64,), 300, any_dtype)
    results = _forward(name, inputs)
    dh, dc = (_drawn("lstm_cell", (64,), 300, any_dtype, seed)[1] for seed in (8, 9))
    if name == "lstm_cell":
        _, c_next, gates = results
        saved = dh, dc, gates, inputs[1], c_next
        made = fa.lstm_cell.backward(dh, dc, gates=gates, c=inputs[1], c_next=c_next)
        _check(made, _exact_lstm_backward(*saved), any_dtype, allowed)
    else:
        _, gates, hidden = results
        made = fa.gru_cell.backward(dh, gates=(gates, hidden), h=inputs[2])
        _check(made, _exact_gru_backward(dh, gates, hidden, inputs[2]), any_dtype, allowed)


def test_gradients_are_finite_differences(name):
    inputs, step = _drawn(name, (3,), 4), 2**-17
    weights = np.random.default_rng(3).standard_normal((2, 3, 4))

    def loss(*changed):
        h, *others = _forward(name, changed)
        return (weights[0] * h).sum() + ((weights[1] * others[0]).sum() if name == "lstm_cell" else 0)

    results = _forward(name, inputs)
    if name == "lstm_cell":
        dgates, dc = fa.lstm_cell.backward(*weights, gates=results[2], c=inputs[1], c_next=results[1])
        gradients = [dgates, dc, dgates.sum(axis=0)]
    else:
        made = fa.gru_cell.backward(weights[0], gates=tuple(results[1:]), h=inputs[2])
        gradients = [*made, made[0].sum(axis=0), made[1].sum(axis=0)]
    for k, gradient in enumerate(gradients):
        for index in np.ndindex(inputs[k].shape):
            up, down = ([a.copy() for a in inputs] for _ in range(2))
            up[k][index] += step
            down[k][index] -= step
            slope = (loss(*up) - loss(*down)) / (2 * step)
            assert abs(slope - gradient[index]) < 1e-8


def test_a_bias_is_as_if_it_had_been_added(name, dtype):
    inputs = _drawn(name, dtype=dtype)
    biased = _forward(name, inputs)
    if name == "lstm_cell":
        added = [inputs[0] + inputs[2], inputs[1], None]
    else:
        added = [inputs[0] + inputs[3], inputs[1] + inputs[4], inputs[2], None, None]
    for one, other in zip(biased, _forward(name, added), strict=True):
        assert same_bits(one, other)


def test_shapes(name, any_dtype, threads):
    """Any leading axes, lengths that are no multiple of anything, one long row: each row as if alone."""
    for lead, state in (((), 7), ((1,), 1), ((2, 3), 257), ((4, 1, 2), 16), ((1,), 3001)):
        inputs = _drawn(name, lead, state, any_dtype)
        results = _forward(name, inputs)
        for index in np.ndindex(lead):
            row = [a if p < 0 else a[index] for a, p in zip(inputs, NAMES[name], strict=True)]
            for one, whole in zip(_forward(name, row), results, strict=True):
                assert same_bits(one, whole[index])


def test_empty_arrays(name):
    for lead, state in (((0,), 3), ((2, 0), 3), ((2,), 0)):
        results = _forward(name, _drawn(name, lead, state))
        assert results[0].shape == (*lead, state)


def test_any_layout_has_the_bits_of_a_contiguous_one(name, any_dtype, threads):
    inputs = _drawn(name, (6, 4), 24, any_dtype)
    expected = _forward(name, inputs)
    for layout in layouts(any_dtype).values():
        for k in range(len(inputs)):
            if inputs[k].ndim < 3:
                continue
            given = [layout(a) if j == k else a for j, a in enumerate(inputs)]
            for one, other in zip(_forward(name, given), expected, strict=True):
                assert same_bits(one.astype(any_dtype), other)
        out = layout(np.zeros_like(expected[0]))
        if out.flags.writeable:
            given = {"out": (out, None)} if name == "lstm_cell" else {"out": out}
            assert _forward(name, inputs, **given)[0] is out
            assert same_bits(out.astype(any_dtype), expected[0])


def test_parts_of_a_larger_matrix(name, any_dtype, threads):
    """As the steps of a sequence lie in the product of all of them, and two layers in one matrix."""
    inputs = _drawn(name, (40,), 70, any_dtype)
    expected = _forward(name, inputs)
    wide = [np.zeros((40, 3 * a.shape[-1] + 5), any_dtype) if a.ndim > 1 else a for a in inputs]
    views = [w[:, 3 : 3 + a.shape[-1]] if a.ndim > 1 else a for w, a in zip(wide, inputs, strict=True)]
    for view, values in zip(views, inputs, strict=True):
        view[...] = values
    for one, other in zip(_forward(name, views), expected, strict=True):
        assert same_bits(one, other)
    both = np.empty((40, 140), any_dtype)
    if name == "lstm_cell":
        fa.lstm_cell(views[0], views[1], bias=inputs[2], out=(both[:, 70:], both[:, :70]), gates_out=views[0])
        assert same_bits(both[:, 70:], expected[0])
        assert same_bits(both[:, :70], expected[1])
        assert same_bits(views[0], expected[2])


def test_in_place(any_dtype, threads):
    gates, c, bias = _drawn("lstm_cell", (50,), 130, any_dtype)
    expected = fa.lstm_cell(gates, c, bias=bias, gates_out=(kept := np.empty_like(gates)))
    saved, state = gates.copy(), c.copy()
    h, c_next = fa.lstm_cell(saved, state, bias=bias, out=(None, state), gates_out=saved)
    assert c_next is state
    assert all(map(same_bits, (h, state, saved), (*expected, kept)))
    dh, dc = (
        _drawn("lstm_cell", (50,), 130, any_dtype, 1)[1],
        _drawn("lstm_cell", (50,), 130, any_dtype, 2)[1],
    )
    exact = fa.lstm_cell.backward(dh, dc, gates=saved, c=c, c_next=state)
    dgates, dc_prev = fa.lstm_cell.backward(dh, dc, gates=saved, c=c, c_next=state, out=(saved, dc))
    assert dgates is saved
    assert dc_prev is dc
    assert all(map(same_bits, (dgates, dc_prev), exact))


def test_gru_in_place(any_dtype, threads):
    gates_x, gates_h, h, bias_x, bias_h = _drawn("gru_cell", (50,), 130, any_dtype)
    expected = _forward("gru_cell", (gates_x, gates_h, h, bias_x, bias_h))
    x, hidden, state = gates_x.copy(), gates_h.copy(), h.copy()
    kept = x, hidden[:, 260:]
    assert fa.gru_cell(x, hidden, state, bias_x=bias_x, bias_h=bias_h, out=state, gates_out=kept) is state
    assert all(map(same_bits, (state, *kept), expected))
    dh = _drawn("gru_cell", (50,), 130, any_dtype, 1)[2]
    exact = fa.gru_cell.backward(dh, gates=kept, h=h)
    made = fa.gru_cell.backward(dh, gates=kept, h=h, out=(x, hidden, dh))
    assert made[0] is x
    assert all(map(same_bits, made, exact))


@pytest.mark.parametrize("shift", [1, 5, 24, 96, 100])
def test_results_that_overlap_inputs(shift, any_dtype):
    gates, c, bias = _drawn("lstm_cell", (8,), 24, any_dtype)
    expected = _forward("lstm_cell", (gates, c, bias))
    for k, view in enumerate([gates, c]):
        memory = np.zeros(view.size + 200, any_dtype)
        given = [gates, c, bias]
        given[k] = memory[: view.size].reshape(view.shape)
        given[k][...] = view
        out = memory[shift : shift + view.size].reshape(view.shape)
        if k == 0:
            h, c_next = fa.lstm_cell(given[0], c, bias=bias, gates_out=out)
            results = h, c_next, out
        else:
            h, _ = fa.lstm_cell(gates, given[1], bias=bias, out=(None, out))
            results = h, out
        assert all(map(same_bits, results, expected))


def test_special_values(name, any_dtype):
    infinity = np.inf
    inputs = [np.zeros_like(a) for a in _drawn(name, (4,), 2, any_dtype)]
    inputs[0][:, :] = np.array([infinity, -infinity, np.nan, 0], any_dtype)[:, np.newaxis]
    first = np.asarray(_forward(name, inputs)[0], np.float64)
    assert np.isnan(first[2]).all()
    assert np.isfinite(first[[0, 1, 3]]).all()
    if name == "lstm_cell":
        np.testing.assert_allclose(first[0], np.tanh(1), rtol=1e-2)  # all gates 1
        assert (first[1] == 0).all()


def test_integers_give_float64_and_dtypes_are_promoted():
    h, c_next = fa.lstm_cell(np.zeros((2, 8), int), np.ones((2, 2), bool))
    assert h.dtype == c_next.dtype == np.float64
    mixed = fa.gru_cell(np.zeros((2, 6), np.float32), np.zeros((2, 6), np.float16), np.zeros((2, 2)))
    assert mixed.dtype == np.float64


A, B = np.ones((3, 8), np.float32), np.ones((3, 2), np.float32)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, ["gates", "(3, 7)", "4 times"], lambda out: fa.lstm_cell(A[:, :7], B, out=(out, None))),
        (
            ValueError,
            ["c has shape", "(3, 1)", "(3, 2)"],
            lambda out: fa.lstm_cell(A, B[:, :1], out=(out, None)),
        ),
        (
            ValueError,
            ["bias", "(4,)", "(8,)"],
            lambda out: fa.lstm_cell(A, B, bias=A[0, :4], out=(out, None)),
        ),
        (TypeError, ["out", "tuple of 2"], lambda out: fa.lstm_cell(A, B, out=out)),
        (ValueError, ["out", "tuple of 3"], lambda out: fa.lstm_cell(A, B, out=(out, None, None))),
        (ValueError, ["shares memory"], lambda out: fa.lstm_cell(A, B, out=(out, out))),
        (TypeError, ["h: out has dtype"], lambda out: fa.lstm_cell(A.astype(float), B, out=(out, None))),
        (ValueError, ["gates_out", "(3, 2)"], lambda out: fa.lstm_cell(A, B, out=(out, None), gates_out=B)),
        (TypeError, ["gates has dtype complex64"], lambda out: fa.lstm_cell(A * 1j, B, out=(out, None))),
        (TypeError, ["c has dtype object"], lambda out: fa.lstm_cell(A, None, out=(out, None))),
        (ValueError, ["gates_h", "(3, 8)"], lambda out: fa.gru_cell(A[:, :6], A, B, out=out)),
        (TypeError, ["gates_out"], lambda out: fa.gru_cell(A[:, :6], A[:, :6], B, out=out, gates_out=A)),
        (
            ValueError,
            ["backward", "c_next"],
            lambda out: fa.lstm_cell.backward(B, B, gates=A, c=B, c_next=A, out=(None, out)),
        ),
        (TypeError, ["gates"], lambda out: fa.gru_cell.backward(B, gates=A, h=B, out=(None, None, out))),
    ],
)
def test_errors_write_nothing(error, words, call):
    out = np.full((3, 2), 7, np.float32)
    with pytest.raises(error) as raised:
        call(out)
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert (out == 7).all()


def test_a_result_that_is_read_only():
    out = B.copy()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fa.lstm_cell(A, B, out=(out, None))


def test_what_an_ndarray_would_lose_is_refused():
    masked = np.ma.masked_array(A, A > 2)
    with pytest.raises(TypeError, match="MaskedArray"):
        fa.lstm_cell(masked, B)


def test_they_are_what_a_pickle_of_them_gives(name):
    cell = fa.passes[name]
    assert pickle.loads(pickle.dumps(cell)) is cell is getattr(fa, name)
    assert "gates" in cell.__doc__


def test_as_torch(name):
    torch = pytest.importorskip("torch")
    batch, width, state = 5, 11, 7
    module = (torch.nn.LSTMCell if name == "lstm_cell" else torch.nn.GRUCell)(width, state).double()
    x, h, c = (torch.randn(batch, n, dtype=torch.float64) for n in (width, state, state))
    hidden = [h.requires_grad_(), c.requires_grad_()][: 2 if name == "lstm_cell" else 1]
    theirs = module(x, tuple(hidden) if len(hidden) > 1 else hidden[0])
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    upstream = [torch.randn(batch, state, dtype=torch.float64) for _ in theirs]
    torch.autograd.backward(theirs, upstream)
    weights = {key: value.detach().numpy() for key, value in module.named_parameters()}
    gates_x, gates_h = x.numpy() @ weights["weight_ih"].T, h.detach().numpy() @ weights["weight_hh"].T
    dh, *dc = (a.numpy() for a in upstream)
    if name == "lstm_cell":
        bias = weights["bias_ih"] + weights["bias_hh"]
        gates = gates_x + gates_h
        ours = fa.lstm_cell(gates, c.detach().numpy(), bias=bias, gates_out=gates)
        dgates, dc_prev = fa.lstm_cell.backward(dh, *dc, gates=gates, c=c.detach().numpy(), c_next=ours[1])
        np.testing.assert_allclose(dc_prev, c.grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(dgates.sum(axis=0), module.bias_ih.grad.numpy(), atol=1e-12)
        dh_prev = dgates @ weights["weight_hh"]
    else:
        kept = gates_x, gates_h[:, 2 * state :]
        biases = {"bias_x": weights["bias_ih"], "bias_h": weights["bias_hh"]}
        before = h.detach().numpy()
        ours = (fa.gru_cell(gates_x, gates_h, before, **biases, gates_out=kept),)
        dgates_x, dgates_h, dh_prev = fa.gru_cell.backward(dh, gates=kept, h=before)
        np.testing.assert_allclose(dgates_x.sum(axis=0), module.bias_ih.grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(dgates_h.sum(axis=0), module.bias_hh.grad.numpy(), atol=1e-12)
        dh_prev = dh_prev + dgates_h @ weights["weight_hh"]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(dh_prev, h.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("half", HALVES, ids=lambda dtype: dtype.__name__)
def test_halves_are_the_bits_of_float32_rounded(name, half):
    inputs = _drawn(name, (9,), 301, half)
    wide = _forward(name, [a.astype(np.float32) for a in inputs])
    for one, other in zip(_forward(name, inputs), wide, strict=True):
        assert same_bits(one, other.astype(half))
