"""Defects that were reported of other libraries: each has its test here, named after it.

Activations that an installation lacks are skipped by name; the references are mpmath's, from the
definition, not from the catalog.
"""

from __future__ import annotations

import os
import re
import tracemalloc
from pathlib import Path

import mpmath_reference as reference
import numpy as np
import pytest
from cases import ALONE, CASES, ELEMENTWISE, SAME_SHAPE, same_bits
from mpmath_reference import mp

import fastact as fa

LENGTH = 67
"""Enough for every vector width and a scalar tail."""
SELU_ALPHA, SELU_SCALE = (
    mp.mpf("1.6732632423543772848170429916717"),
    mp.mpf("1.0507009873554804934193349852946"),
)
FORWARD = [case for case in ELEMENTWISE if not case.saved]


def _get(name: str):
    if name not in fa.activations:
        pytest.skip(f"{name} is not in the catalog")
    return fa.activations[name]


def _fill(value, dtype) -> np.ndarray:
    return np.full(LENGTH, value, dtype)


def _large(dtype) -> np.ndarray:
    """Powers of two from 32 on, and the largest number."""
    exponents = np.linspace(5, int(np.finfo(dtype).maxexp) - 1, LENGTH).astype(int)
    return np.append(np.ldexp(dtype(1), exponents), np.finfo(dtype).max).astype(dtype)


def _assert_ulps(computed, definition, x, allowed: int) -> None:
    """Every element within `allowed` ULP of the definition of its x."""
    exact = np.frompyfunc(definition, 1, 1)(reference.exact(x))
    expected = reference.rounded(exact, computed.dtype)
    worst = reference.ulps_between(computed, expected).max()
    assert worst <= allowed, f"{worst} ULP"


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("elu", lambda x: mp.expm1(x)),
        ("celu", lambda x: mp.expm1(x)),
        ("selu", lambda x: SELU_SCALE * SELU_ALPHA * mp.expm1(x)),
    ],
)
def test_elu_and_selu_near_zero_are_not_exp_minus_one(name, definition, dtype):
    """19 % error at -1e-7: tensorflow 116943, pytorch 77062, 173968."""
    x = -np.geomspace(1e-12, 1e-2, LENGTH).astype(dtype)
    _assert_ulps(_get(name)(x), definition, x, 2)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("silu", {}),
        ("swish", {}),
        ("gelu", {}),
        ("gelu", {"approximate": "tanh"}),
        ("quick_gelu", {}),
        ("hardswish", {}),
        ("mish", {}),
        ("dish", {}),
    ],
    ids=str,
)
def test_gated_units_at_infinity_are_zero_and_infinity(name, parameters, dtype):
    """gelu(±inf) and silu(-inf) were NaN: pytorch 187293, 185770, 192318."""
    activation = _get(name)
    np.testing.assert_array_equal(activation(_fill(-np.inf, dtype), **parameters), 0)
    np.testing.assert_array_equal(activation(_fill(np.inf, dtype), **parameters), np.inf)
    ones = _fill(1, dtype)
    np.testing.assert_array_equal(activation.backward(ones, x=_fill(-np.inf, dtype), **parameters), 0)
    np.testing.assert_array_equal(activation.backward(ones, x=_fill(np.inf, dtype), **parameters), 1)


def test_gelu_by_tanh_keeps_its_negative_tail(dtype):
    """1 + tanh(u) lost it: tt-metal 56517, 35971."""

    def definition(x):
        u = mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)  # the float64, as everywhere
        return x / (1 + mp.exp(-2 * u))

    x = np.linspace(-9, -3, LENGTH).astype(dtype)
    _assert_ulps(_get("gelu")(x, approximate="tanh"), definition, x, 4)


def test_tanh_saturates_at_one(dtype):
    """A rational approximation that did not: ncnn 6979."""
    x = _large(dtype)
    np.testing.assert_array_equal(fa.tanh(x), 1)
    np.testing.assert_array_equal(fa.tanh(-x), -1)
    assert np.abs(fa.tanh(np.linspace(-25, 25, 100_003).astype(dtype))).max() == 1


def test_mish_of_a_large_value_is_that_value(dtype):
    """It was NaN: pytorch 43037."""
    x = 4 * _large(dtype)[:-2]
    np.testing.assert_array_equal(_get("mish")(x), x)
    np.testing.assert_array_equal(fa.get("mish").backward(np.ones_like(x), x=x), 1)


def test_softplus_is_exact_where_it_is_small(dtype):
    """0.8 % wrong at -12.34: onnxruntime 10491."""
    x = np.append(np.linspace(-80, 30, LENGTH), -12.34).astype(dtype)
    _assert_ulps(_get("softplus")(x), lambda t: mp.log1p(mp.exp(t)), x, 2)


def test_the_gradient_of_softplus_holds_the_input_against_the_threshold(dtype):
    """It tested the output: pytorch 55587. Between the two, 2 and 2.127, the derivatives differ."""
    softplus = _get("softplus")
    x = _fill(1.95, dtype)
    assert softplus(x, threshold=2.0)[0] > 2
    slope = float(1 / (1 + mp.exp(-mp.mpf(float(x[0])))))
    np.testing.assert_allclose(softplus.backward(np.ones_like(x), x=x, threshold=2.0), slope, rtol=1e-6)


@pytest.mark.parametrize(
    "row", [[0, -50], [1000, 950, 949], [1e4, 0.0], [1e6, 1e6 + 0.5], [-1e6, -1e6 + 0.25]]
)
def test_log_softmax_of_a_dominating_logit_or_of_close_ones_loses_nothing(row, dtype):
    """All lost to 0, and small differences of large inputs cancelled: scipy 19521, pytorch 11866."""
    x = np.array([row] * 5, dtype)
    exact = reference.exact(x[0])
    total = mp.log(sum(mp.exp(value - max(exact)) for value in exact))
    if total == 0 or max(exact) - min(exact) > 100:
        total = mp.log1p(sum(mp.exp(value - max(exact)) for value in sorted(exact)[:-1]))
    expected = reference.rounded(np.array([value - max(exact) - total for value in exact], object), dtype)
    assert reference.ulps_between(_get("log_softmax")(x)[0], expected).max() <= 4


@pytest.mark.parametrize("case", FORWARD, ids=str)
def test_nan_in_gives_nan_out(case, dtype):
    """relu(NaN) was 0: pytorch 7999."""
    assert np.isnan(case(_fill(np.nan, dtype))).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("leaky_relu", {"negative_slope": 0.0}),
        ("leaky_relu", {"negative_slope": -0.2}),
        ("elu", {"alpha": -1.0}),
        ("celu", {"alpha": -1.0}),
    ],
    ids=str,
)
def test_an_output_that_does_not_tell_the_sign_gives_no_gradient(name, parameters, dtype):
    """In place, with a slope or alpha not above 0: pytorch 31938, 33639."""
    activation = _get(name)
    y = activation(np.linspace(-1, 1, 9).astype(dtype), **parameters)
    with pytest.raises(ValueError, match="x="):
        activation.backward(np.ones_like(y), y=y, **parameters)


def test_the_gradient_of_hardswish_at_its_kinks_is_0_and_1(dtype):
    """-0.5 and 1.5 at ±3: pytorch 147801."""
    hardswish = _get("hardswish")
    np.testing.assert_array_equal(hardswish.backward(_fill(1, dtype), x=_fill(-3, dtype)), 0)
    np.testing.assert_array_equal(hardswish.backward(_fill(1, dtype), x=_fill(3, dtype)), 1)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_the_weight_gradient_of_prelu_sums_over_every_axis_but_that_of_the_channels(axis, dtype):
    """It summed over the wrong ones: pytorch 68760."""
    random = np.random.default_rng(0)
    x, dy = random.standard_normal((2, 3, 4, 5)).astype(dtype)
    weight = np.full(x.shape[axis], 0.25, dtype)
    _, dweight = fa.prelu.backward(dy, x=x, weight=weight, axis=axis)
    others = tuple(i for i in range(3) if i != axis % 3)
    np.testing.assert_allclose(dweight, (dy * np.minimum(x, 0)).sum(others), rtol=1e-5, atol=1e-6)


def test_celu_with_a_negative_alpha(dtype):
    """Wrong: onnxruntime 6906."""
    x = np.linspace(-3, 3, LENGTH).astype(dtype)
    _assert_ulps(_get("celu")(x, alpha=-2.0), lambda t: t if t > 0 else -2 * mp.expm1(-t / 2), x, 4)


def test_the_constants_of_selu_are_those_of_the_paper(dtype):
    """Custom ones were ignored, others rounded: onnxruntime 10726."""
    selu = _get("selu")
    _assert_ulps(selu(_fill(1, dtype)), lambda t: SELU_SCALE * t, _fill(1, dtype), 1)
    limit = reference.rounded(np.array([-SELU_SCALE * SELU_ALPHA], object), dtype)
    assert reference.ulps_between(selu(np.array([-np.inf], dtype)), limit).max() <= 1


def test_sigmoid_is_not_clipped_at_20(dtype):
    """thinc's ops.py clips its input to ±20."""
    x = np.linspace(-80, -20, LENGTH).astype(dtype)
    _assert_ulps(fa.sigmoid(x), lambda t: 1 / (1 + mp.exp(-t)), x, 2)


def test_relu_of_minus_infinity_multiplies_no_mask(dtype):
    """thinc's ops.py: -inf * 0 is NaN."""
    np.testing.assert_array_equal(fa.relu(_fill(-np.inf, dtype)), 0)
    np.testing.assert_array_equal(fa.relu.backward(_fill(np.inf, dtype), x=_fill(-1, dtype)), 0)


def test_sizes_are_not_cast_to_int(dtype):
    """thinc's numpy_ops.pyx: a view of 2^32 + 2 elements keeps its length in the message that refuses it."""
    huge = np.broadcast_to(dtype(1), (2**32 + 2,))
    with pytest.raises(ValueError, match=str(2**32 + 2)):
        fa.relu(huge, out=np.empty(2, dtype))


@pytest.mark.parametrize("case", SAME_SHAPE, ids=str)
def test_out_is_written_and_nothing_else(case, dtype):
    """`inplace` was ignored, or the saved array written: thinc's ops.py and numpy_ops.pyx."""
    arrays = case.draw((5, 64), dtype)
    expected = case(*arrays)
    for position in range(len(arrays)):
        fresh = [array.copy() for array in arrays]
        assert case(*fresh, out=fresh[position]) is fresh[position]
        assert same_bits(fresh[position], expected)
        for other in set(range(len(arrays))) - {position}:
            assert same_bits(fresh[other], arrays[other])


@pytest.mark.parametrize("case", ALONE, ids=str)
def test_the_last_elements_another_offset_and_other_threads_give_the_same_bits(case, dtype):
    """A scalar tail rounded otherwise: pytorch 197018, 196999, numpy 23523."""
    arrays = case.draw((100_003,), dtype)
    with fa.num_threads(1):
        whole = case(*arrays)
    with fa.num_threads(3):
        assert same_bits(case(*arrays), whole)
    for start, stop in ((0, 1), (1, 8), (3, 70), (99_990, 100_003)):
        assert same_bits(case(*[array[start:stop] for array in arrays]), whole[start:stop])


def test_float16_tanh_reaches_one():
    """It saturated at 0.9985: numpy 30821."""
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)]
    np.testing.assert_array_equal(fa.tanh(x), np.tanh(x.astype(np.float64)).astype(np.float16))
    assert fa.tanh(np.float16(10)) == 1


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_rows_along_the_first_axis_are_computed_where_they_lie(name, dtype):
    """10 to 50 times slower than along the last: pytorch 34728. No copy is turned round here."""
    activation = _get(name)
    x = np.random.default_rng(0).standard_normal((1024, 1024)).astype(dtype)
    out = np.empty_like(x)
    activation(x, axis=0, out=out)
    tracemalloc.start()
    try:
        activation(x, axis=0, out=out)
        assert tracemalloc.get_traced_memory()[1] < 16_384
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_does_not_hang_after_openmp_was_used(fresh_python):
    """libgomp's threads are not there to be waited for: scikit-learn 7650, gcc PR60035."""
    code = """if True:
        import os
        import numpy as np
        import fastact as fa
        fa.set_num_threads(2)
        x = np.linspace(-5, 5, 2_000_000).astype(np.float32)
        expected = fa.tanh(x)
        child = os.fork()
        if child == 0:
            fa.set_num_threads(2)
            os._exit(0 if np.array_equal(fa.tanh(x), expected) else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
    run = fresh_python(code)
    assert run.stdout.strip() == "0", run.stderr


@pytest.mark.parametrize(
    ("text", "count"), [("100000 100000", 1), ("150000 100000", 2), ("max 100000", None)]
)
def test_a_cgroup_quota_bounds_the_threads(fresh_python, text, count):
    """28 s instead of 0.3 s where OpenMP ignored it: xgboost 7653, scikit-learn 35017."""
    code = f"""if True:
        import os, pathlib
        read = pathlib.Path.read_text
        pathlib.Path.read_text = lambda self, *args, **kwargs: (
            {text!r} if str(self) == "/sys/fs/cgroup/cpu.max" else read(self, *args, **kwargs))
        os.sched_getaffinity = lambda pid: set(range(8))
        import fastact as fa
        print(fa.get_num_threads())"""
    run = fresh_python(code)
    assert run.stdout.strip() == str(count or 8), run.stderr


def test_importing_switches_no_subnormals_off(fresh_python):
    """A library built with fast-math did, for the whole process: numpy 20895, gevent 1864."""
    code = """if True:
        import numpy as np
        import fastact as fa
        for dtype in (np.float32, np.float64):
            tiny = np.full(9, np.finfo(dtype).tiny, dtype)
            fa.silu(tiny)
            assert (tiny / 2 > 0).all() and (np.finfo(dtype).smallest_subnormal * tiny.size > 0)
        print("kept")"""
    run = fresh_python(code)
    assert run.stdout.strip() == "kept", run.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_read_only_arrays_are_inputs_like_others(case, dtype):
    """Missing const memoryviews refused them: cython 1605, scikit-learn 25172."""
    arrays = case.draw((4, 40), dtype)
    expected = case(*arrays)
    for array in arrays:
        array.flags.writeable = False
    assert same_bits(case(*arrays), expected)


def test_no_function_without_the_gil_takes_it_back():
    """Without noexcept each call does, and slices of memoryviews in a prange: cython 5564, 2987."""
    sources = Path(__file__).parents[2] / "src"
    text = "\n".join(path.read_text() for path in sources.glob("*.p[xy][xdi]*"))
    signatures = re.findall(r"^cdef [^=\n]*\([^)]*\)[^:\n]*nogil:", text, re.MULTILINE)
    assert signatures
    assert all("noexcept" in signature for signature in signatures)
    bodies = re.findall(r"in prange\(.*\n((?:        .*\n)+)", text)
    assert bodies
    assert not any(re.search(r"\[[^\]]*:[^\]]*\]", body) for body in bodies)


def test_another_openmp_runtime_in_the_process_changes_no_count(fresh_python):
    """Two runtimes left a pool with one thread: pytorch 98836."""
    pytest.importorskip("torch")
    code = """if True:
        import numpy as np
        import fastact as fa
        import torch
        fa.set_num_threads(2)
        torch.set_num_threads(2)
        x = np.linspace(-5, 5, 1_000_000).astype(np.float32)
        for _ in range(3):
            y, z = fa.silu(x), torch.nn.functional.silu(torch.from_numpy(x)).numpy()
            assert np.allclose(y, z, rtol=1e-5, atol=1e-6)
        print(fa.get_num_threads(), torch.get_num_threads())"""
    run = fresh_python(code)
    assert run.stdout.split() == ["2", "2"], run.stderr
