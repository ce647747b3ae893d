"""Defects that were reported of other libraries: each has its test here, named after it.

Where a statement of the contract already says that fastact has not the defect, its test names the report
instead: `grep -rn "pytorch [0-9]" tests` finds them. The references here are mpmath's, from the definition,
not from the catalog.
"""

from __future__ import annotations

import re
from pathlib import Path

import mpmath_reference as reference
import numpy as np
import pytest
from mpmath_reference import mp

import fastact as fa

LENGTH = 67
"""Enough for every vector width and a scalar tail."""
SELU_ALPHA, SELU_SCALE = (
    mp.mpf("1.6732632423543772848170429916717"),
    mp.mpf("1.0507009873554804934193349852946"),
)


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
    ("name", "parameters", "definition", "allowed"),
    [
        ("elu", {}, lambda x: mp.expm1(x), 2),
        ("elu", {"alpha": 1.6732632423543772}, lambda x: mp.mpf(1.6732632423543772) * mp.expm1(x), 4),
        ("celu", {}, lambda x: mp.expm1(x), 2),
        ("selu", {}, lambda x: SELU_SCALE * SELU_ALPHA * mp.expm1(x), 2),
    ],
)
def test_elu_and_selu_near_zero_are_not_exp_minus_one(name, parameters, definition, allowed, dtype):
    """19 % error at -1e-7: tensorflow 116943, pytorch 77062, 173968."""
    x = -np.append(np.geomspace(1e-12, 1e-2, LENGTH), 1e-7).astype(dtype)
    _assert_ulps(fa.get(name)(x, **parameters), definition, x, allowed)


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
    activation = fa.get(name)
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

    x = np.linspace(-10, -3, LENGTH).astype(dtype)
    y = fa.get("gelu")(x, approximate="tanh")
    _assert_ulps(y, definition, x, 4)
    assert (y < 0).all()


def test_tanh_saturates_at_one(dtype):
    """A rational approximation that did not: ncnn 6979."""
    x = np.append(_large(dtype), [20, 1e10, np.inf]).astype(dtype)
    np.testing.assert_array_equal(fa.tanh(x), 1)
    np.testing.assert_array_equal(fa.tanh(-x), -1)
    assert np.abs(fa.tanh(np.linspace(-25, 25, 100_003).astype(dtype))).max() == 1


def test_mish_of_a_large_value_is_that_value(dtype):
    """It was NaN: pytorch 43037."""
    x = 4 * _large(dtype)[:-2]
    np.testing.assert_array_equal(fa.get("mish")(x), x)
    np.testing.assert_array_equal(fa.get("mish").backward(np.ones_like(x), x=x), 1)


def test_softplus_is_exact_where_it_is_small(dtype):
    """0.8 % wrong at -12.34: onnxruntime 10491."""
    x = np.append(np.linspace(-80, 30, LENGTH), -12.34).astype(dtype)
    _assert_ulps(fa.get("softplus")(x), lambda t: mp.log1p(mp.exp(t)), x, 2)


def test_the_gradient_of_softplus_holds_the_input_against_the_threshold(dtype):
    """It tested the output: pytorch 55587. Between the two, 2 and 2.127, the derivatives differ."""
    softplus = fa.get("softplus")
    x = _fill(1.95, dtype)
    assert softplus(x, threshold=2.0)[0] > 2
    slope = float(1 / (1 + mp.exp(-mp.mpf(float(x[0])))))
    np.testing.assert_allclose(softplus.backward(np.ones_like(x), x=x, threshold=2.0), slope, rtol=1e-6)


def test_the_gradient_of_hardswish_at_its_kinks_is_0_and_1(dtype):
    """-0.5 and 1.5 at ±3: pytorch 147801."""
    hardswish = fa.get("hardswish")
    np.testing.assert_array_equal(hardswish.backward(_fill(1, dtype), x=_fill(-3, dtype)), 0)
    np.testing.assert_array_equal(hardswish.backward(_fill(1, dtype), x=_fill(3, dtype)), 1)


@pytest.mark.parametrize("alpha", [-2.0, -1.5, -0.01, 0.01, 3.0])
def test_celu_with_a_negative_alpha_or_a_small_one(alpha, dtype):
    """Wrong: onnxruntime 6906. And e^(x / alpha) overflows long before alpha times it."""
    x = np.append(np.linspace(-91 * abs(alpha), 3, 301), np.linspace(-3, 3, LENGTH)).astype(dtype)
    exact = mp.mpf(alpha)
    _assert_ulps(fa.get("celu")(x, alpha), lambda t: t if t > 0 else exact * mp.expm1(t / exact), x, 4)


def test_the_constants_of_selu_are_those_of_the_paper(dtype):
    """Custom ones were ignored, others rounded: onnxruntime 10726."""
    selu = fa.get("selu")
    _assert_ulps(selu(_fill(1, dtype)), lambda t: SELU_SCALE * t, _fill(1, dtype), 1)
    limit = reference.rounded(np.array([-SELU_SCALE * SELU_ALPHA], object), dtype)
    assert reference.ulps_between(selu(np.array([-np.inf], dtype)), limit).max() <= 1


def test_sigmoid_is_not_clipped_at_20_nor_flushed_where_it_is_small(dtype):
    """thinc's ops.py clips its input to ±20. Below -88.7 a float32 sigmoid is subnormal, not 0."""
    subnormal = {np.float32: [-88, -95, -103], np.float64: [-710, -730, -745]}[dtype]
    x = np.append(np.linspace(-80, -20, LENGTH), subnormal).astype(dtype)
    _assert_ulps(fa.sigmoid(x), lambda t: 1 / (1 + mp.exp(-t)), x, 2)
    assert (fa.sigmoid(x) > 0).all()


def test_relu_of_minus_infinity_multiplies_no_mask(dtype):
    """thinc's ops.py: -inf * 0 is NaN."""
    np.testing.assert_array_equal(fa.relu(_fill(-np.inf, dtype)), 0)
    np.testing.assert_array_equal(fa.relu.backward(_fill(np.inf, dtype), x=_fill(-1, dtype)), 0)


def test_sizes_are_not_cast_to_int(dtype):
    """thinc's numpy_ops.pyx: a view of 2^32 + 2 elements keeps its length in the message that refuses it."""
    huge = np.broadcast_to(dtype(1), (2**32 + 2,))
    with pytest.raises(ValueError, match=str(2**32 + 2)):
        fa.relu(huge, out=np.empty(2, dtype))


def test_float16_tanh_reaches_one():
    """It saturated at 0.9985: numpy 30821."""
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)]
    np.testing.assert_array_equal(fa.tanh(x), np.tanh(x.astype(np.float64)).astype(np.float16))
    assert fa.tanh(np.float16(10)) == 1


def test_no_function_without_the_gil_takes_it_back():
    """Without noexcept each call does, and slices of memoryviews in a prange: cython 5564, 2987."""
    sources = Path(__file__).parents[2] / "src"
    text = "\n".join(path.read_text() for path in sources.rglob("*.p[xy][xdi]*"))
    signatures = re.findall(r"^ *c(?:type)?def [^=\n]*\([^)]*\)[^:\n]*nogil:?$", text, re.MULTILINE)
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
