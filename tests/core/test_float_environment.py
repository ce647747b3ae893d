"""fastact leaves the floating-point environment alone, and raises no warning, whatever is computed."""

from __future__ import annotations

import platform
import sys
import warnings

import numpy as np
import pytest

import fastact as fa
from fastact.measure.accuracy import errors as accuracy

EVERYTHING_COMPUTED = """if True:
    import ctypes
    libm = ctypes.CDLL(None)

    def mode():
        state = ctypes.create_string_buffer(64)
        assert libm.fegetenv(state) == 0
        x87 = int.from_bytes(state.raw[:2], "little")
        # The lowest six bits of MXCSR are flags that computing sets; above them are masks and modes.
        mxcsr = int.from_bytes(state.raw[28:32], "little") & ~0x3F
        return x87, mxcsr, libm.fegetround()

    import numpy as np
    before = mode()
    from around import EXAMPLES
    from cases import CASES
    assert mode() == before, "importing changed it"
    for case in CASES:
        for dtype in (np.float32, np.float64):
            for shape in ((3, 8), (500, 800)):
                case(*case.draw(shape, dtype))
                assert mode() == before, f"{case} changed it"
    for example in EXAMPLES:
        for dtype in (np.float32, np.float64):
            for lead, n in (((3,), 8), ((500,), 800)):
                example(example.draw(dtype, lead, n))
                assert mode() == before, f"{example} changed it"
    for dtype in (np.float32, np.float64):
        tiny = np.full(100_000, np.finfo(dtype).tiny)
        assert ((tiny * dtype(0.5)) * dtype(2) == tiny).all(), "subnormal numbers are flushed"
    print("unchanged")"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux",
    reason="reads glibc's x86-64 fenv_t",
)
@pytest.mark.parametrize("level", fa.config()["levels"])
def test_rounding_masks_and_subnormals_are_as_before(fresh_python, level):
    run = fresh_python(EVERYTHING_COMPUTED, FASTACT_CPU=level, FASTACT_NUM_THREADS="2")
    assert run.stdout.strip() == "unchanged", run.stderr


@pytest.mark.parametrize("case", accuracy.cases(list(fa.activations), list(accuracy.DTYPES)), ids=str)
def test_no_input_raises_a_warning(case):
    """Overflow, division by zero and invalid operations are part of computing, not news to the caller."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for batch in accuracy.batches(case, count=1):
            with np.errstate(all="ignore"):
                blocks = list(batch.inputs())
            for inputs, _ in blocks:
                case.compute(inputs)


FLUSHING = """if True:
    import ctypes
    libm = ctypes.CDLL(None)
    import numpy as np
    import fastact as fa
    from fastact import _dispatch
    _dispatch.judge_threads(False)

    def flush(on):
        state = ctypes.create_string_buffer(64)
        libm.fegetenv(state)
        mxcsr = int.from_bytes(state.raw[28:32], "little")
        mode = 0x8040  # results that are subnormal become zero, and inputs
        state[28:32] = (mxcsr | mode if on else mxcsr & ~mode).to_bytes(4, "little")
        libm.fesetenv(state)

    x = np.full(400_000, -1e-37, np.float32)
    def bits(threads):
        with fa.num_threads(threads):
            return {fa.leaky_relu(x).tobytes() for _ in range(100)}
    """


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux",
    reason="sets glibc's x86-64 fenv_t",
)
@pytest.mark.parametrize("first", [True, False], ids=["workers start flushing", "workers start as usual"])
def test_the_callers_mode_holds_on_all_threads(fresh_python, first):
    """Whenever they were started: onnxruntime PR 5391."""
    code = f"""
    for on in ({first}, {not first}, {first}):
        flush(on)
        one, three = bits(1), bits(3)
        flush(False)
        (only,) = one
        print(one == three, np.frombuffer(only, np.float32).any() == (not on))"""
    run = fresh_python(FLUSHING + code)
    assert run.stdout.split() == ["True"] * 6, run.stderr


PASSES_IN_MODES = """
    from around import EXAMPLES
    from cases import same_bits
    # Subnormal numbers become 0, or results are rounded up, or both.
    for on, rounding in ((True, 0), (False, 0x800), (True, 0x800)):
        for example in EXAMPLES:
            arrays = example.draw(np.float32, (400,), 700)
            arrays |= {name: a * np.float32(1e-38) for name, a in arrays.items() if a.ndim > 1}
            flush(on)
            libm.fesetround(rounding)
            with fa.num_threads(1):
                one = example(arrays)
            with fa.num_threads(3):
                three = example(arrays)
            kept = libm.fegetround() == rounding
            libm.fesetround(0)
            flush(False)
            assert kept, f"{example} changed the mode"
            assert all(map(same_bits, one, three)), f"{example} depends on threads where {on}, {rounding}"
    print("kept")"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux",
    reason="sets glibc's x86-64 fenv_t",
)
def test_a_pass_keeps_the_callers_mode_and_heeds_it_on_all_threads(fresh_python):
    run = fresh_python(FLUSHING + PASSES_IN_MODES)
    assert run.stdout.split() == ["kept"], run.stderr
