"""Memory of others, read as `x`, `dy` and `y` and written as `out` without a copy."""

from __future__ import annotations

import array
import mmap
import re
import sys

import numpy as np
import pytest
from cases import CASES, FLOATS, HALVES, SAME_SHAPE, same_bits

import fastact as fa

CODES = {np.float32: "f", np.float64: "d"}


class Producer:
    """An array that is known by DLPack alone."""

    device = (1, 0)

    def __init__(self, memory: np.ndarray) -> None:
        self.memory = memory

    def __dlpack__(self, **options):
        return self.memory.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class OnDevice(Producer):
    device = (2, 1)

    def __dlpack__(self, **options):
        raise AssertionError("nobody may ask for memory that is not of the CPU")


def _array(values: np.ndarray):
    return array.array(CODES[values.dtype.type], values.tobytes())


def _mapped(values: np.ndarray) -> memoryview:
    file = mmap.mmap(-1, max(values.nbytes, 1))
    file[:] = values.tobytes()
    return memoryview(file).cast(CODES[values.dtype.type])


LENT = {
    "array": _array,
    "memoryview": lambda values: memoryview(values.copy()),
    "bytearray": lambda values: memoryview(bytearray(values.tobytes())).cast(CODES[values.dtype.type]),
    "mmap": _mapped,
    "dlpack": lambda values: Producer(values.copy()),
}


def _seen(lent) -> np.ndarray:
    return lent.memory if isinstance(lent, Producer) else np.asarray(lent)


@pytest.mark.parametrize("lend", LENT.values(), ids=LENT)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_read_and_written_where_it_lies(case, lend):
    for dtype in FLOATS:
        arrays = case.draw((8,), dtype)
        expected = np.asarray(case(*arrays))
        lent = [lend(values) for values in arrays]
        result = case(*lent)
        assert type(result) is np.ndarray
        assert same_bits(result, expected)
        out = lend(np.zeros_like(expected))
        assert case(*lent, out=out) is out
        assert same_bits(_seen(out), expected)
        for lender, values in zip(lent, arrays, strict=True):
            assert same_bits(_seen(lender), values)


@pytest.mark.parametrize("lend", LENT.values(), ids=LENT)
@pytest.mark.parametrize("case", SAME_SHAPE, ids=str)
def test_it_is_computed_in_place(case, lend):
    arrays = case.draw((8,), np.float32)
    expected = case(*arrays)
    for place in range(len(arrays)):
        lent = [lend(values) for values in arrays]
        assert case(*lent, out=lent[place]) is lent[place]
        assert same_bits(_seen(lent[place]), expected)


def test_shapes_and_strides_of_a_memoryview_are_those_of_the_result():
    memory = np.linspace(-3, 3, 60).reshape(6, 10)
    view = memoryview(memory)[::-2]
    out = memoryview(np.zeros((6, 10)))[::2]
    assert fa.silu(view, out=out) is out
    np.testing.assert_array_equal(np.asarray(out), fa.silu(memory[::-2]))
    assert fa.softmax(memoryview(memory), axis=0).shape == (6, 10)


def test_bytes_are_integers():
    file = mmap.mmap(-1, 4)
    file[:] = bytes([0, 1, 2, 200])
    for whole in (file, memoryview(file), bytearray(file[:]), array.array("B", file[:])):
        result = fa.tanh(whole)
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, fa.tanh(np.array([0, 1, 2, 200])))
        with pytest.raises(TypeError, match=r"out has dtype uint8; the result has dtype float64"):
            fa.tanh(whole, out=whole)
    assert file[:] == bytes([0, 1, 2, 200])


def test_whole_numbers_give_float64():
    whole = array.array("l", [-1, 0, 2])
    assert fa.relu(whole).tolist() == [0.0, 0.0, 2.0]
    with pytest.raises(TypeError, match=r"out has dtype int64; the result has dtype float64"):
        fa.relu(whole, out=whole)
    assert whole.tolist() == [-1, 0, 2]


def test_memory_is_given_back_after_the_call():
    """A lender is bound by what still looks at its memory."""
    numbers = array.array("f", [1, 2])
    fa.tanh(numbers)
    fa.tanh(numbers, out=numbers)
    numbers.append(3)
    file = mmap.mmap(-1, 8)
    with memoryview(file).cast("f") as view:
        fa.tanh(view, out=view)
    fa.tanh(file)
    file.close()


@pytest.mark.parametrize("half", HALVES, ids=lambda dtype: dtype.__name__)
def test_half_precision(half):
    x = np.linspace(-2, 2, 8).astype(half)
    lent = memoryview(x) if half is np.float16 else x
    assert same_bits(fa.gelu(lent), fa.gelu(x))


@pytest.mark.parametrize("as_read_only", ["memoryview", "mmap", "dlpack"])
def test_what_is_read_only_is_read_and_not_written(as_read_only):
    values = np.linspace(-2, 2, 8, dtype=np.float32)
    values.flags.writeable = False
    lent = {
        "memoryview": lambda: memoryview(values),
        "mmap": lambda: memoryview(_mapped(values)).toreadonly(),
        "dlpack": lambda: Producer(values),
    }[as_read_only]()
    before = values.tobytes()
    try:
        assert same_bits(fa.silu(lent), fa.silu(values))
    except TypeError:
        # Before version 1 DLPack cannot say so, and NumPy does not export the array.
        assert as_read_only == "dlpack"
        assert np.lib.NumpyVersion(np.__version__) < "2.1.0"
        return
    with pytest.raises(ValueError, match=r"out is read-only; allowed is a writeable array"):
        fa.silu(values, out=lent)
    assert values.tobytes() == before


def test_memory_of_a_device_is_not_asked_for():
    values = np.ones(4, np.float32)
    lent = OnDevice(values)
    words = r"{} is a OnDevice on device 1 of DLPack's type 2; allowed is memory of the CPU"
    out = np.full(4, 7, np.float32)
    for call, name in (
        (lambda: fa.silu(lent, out=out), "x"),
        (lambda: fa.silu(values, out=lent), "out"),
        (lambda: fa.silu.backward(lent, x=values, out=out), "dy"),
        (lambda: fa.silu.backward(values, x=lent, out=out), "x"),
        (lambda: fa.sigmoid.backward(values, y=lent, out=out), "y"),
        (lambda: fa.softmax(lent, out=out), "x"),
    ):
        with pytest.raises(TypeError, match=words.format(name)):
            call()
    assert (out == 7).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_out_that_does_not_fit(case):
    """Said before anything is written, as of an array."""
    arrays = case.draw((8,), np.float32)
    size = np.asarray(case(*arrays)).size
    for wrong, error, words in (
        (_array(np.zeros(size, np.float64)), TypeError, "out has dtype float64; the result has"),
        (_array(np.full(size + 1, 7, np.float32)), ValueError, f"out has shape ({size + 1},)"),
        (b"\0" * size, TypeError, "out has dtype uint8"),
    ):
        before = bytes(wrong)
        with pytest.raises(error, match=re.escape(words)):
            case(*arrays, out=wrong)
        assert bytes(wrong) == before


def test_unsupported_numbers_of_a_lender_are_named():
    with pytest.raises(TypeError, match="x has dtype complex128; supported are"):
        fa.relu(Producer(np.ones(3, complex)))
    with pytest.raises(TypeError, match=r"out is a list; allowed is a numpy\.ndarray, or what lends"):
        fa.relu(np.ones(3), out=[0.0] * 3)


def test_a_library_that_is_not_imported_is_not_imported(fresh_python):
    code = (
        "import sys, array, fastact as fa; x = array.array('f', [1, 2]); fa.relu(x, out=x); "
        "print('torch' in sys.modules, 'ml_dtypes' in sys.modules)"
    )
    run = fresh_python(code)
    assert run.stdout.split() == ["False", "False"], run.stderr


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def dtypes(torch):
    halves = [torch.float16, *([torch.bfloat16] if len(HALVES) > 1 else [])]
    return [torch.float32, torch.float64, *halves]


class TestTensors:
    """torch's, on the CPU and without a gradient."""

    @staticmethod
    def lend(torch, values: np.ndarray, dtype):
        return torch.from_numpy(np.array(values, np.float64)).to(dtype)

    @staticmethod
    def seen(torch, tensor) -> np.ndarray:
        """What a tensor holds, by another way than the library's."""
        if tensor.dtype is torch.bfloat16:
            return np.array(tensor.view(torch.int16).tolist(), np.int16).view(HALVES[1])
        return np.array(tensor.tolist(), str(tensor.dtype).removeprefix("torch."))

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_a_tensor_gives_a_tensor(self, torch, dtypes, case):
        for dtype in dtypes:
            lent = [self.lend(torch, values, dtype) for values in case.draw((2, 8), np.float64)]
            arrays = [self.seen(torch, tensor) for tensor in lent]
            expected = case(*arrays)
            result = case(*lent)
            assert type(result) is torch.Tensor
            assert result.dtype is dtype
            assert same_bits(self.seen(torch, result), expected)
            out = torch.zeros_like(result)
            assert case(*lent, out=out) is out
            assert same_bits(self.seen(torch, out), expected)
            if case.keeps_shape:
                address = lent[-1].data_ptr()
                assert case(*lent, out=lent[-1]) is lent[-1]
                assert lent[-1].data_ptr() == address
                assert same_bits(self.seen(torch, lent[-1]), expected)

    def test_every_result_of_a_call_is_a_tensor(self, torch):
        x, ones = torch.tensor([[-1.0, 2.0, 3.0, 0.5]]), torch.ones(1, 4)
        for results in (
            fa.prelu.backward(ones, x=x, weight=torch.full((4,), 0.25)),
            fa.prelu.backward(ones, x=x, weight=0.25),
            fa.swish.backward(ones, x=x, beta=2, beta_grad=True),
            fa.maxout(x, pieces=2, return_which=True),
        ):
            assert [type(result) for result in results] == [torch.Tensor] * 2
        assert fa.prelu.backward(ones, x=x, weight=0.25)[1].shape == ()
        _, which = fa.maxout(x, pieces=2, return_which=True)
        assert which.tolist() == [[1, 0]]
        gradient = fa.maxout.backward(torch.ones(1, 2), which=which, pieces=2)
        assert gradient.tolist() == [[0, 1, 1, 0]]

    def test_shapes_and_strides(self, torch):
        x = torch.linspace(-3, 3, 120, dtype=torch.float64).reshape(4, 5, 6)
        assert isinstance(fa.silu(torch.tensor(0.5)), torch.Tensor)
        assert fa.silu(torch.tensor(0.5)).shape == ()
        assert fa.silu(torch.empty(0, 3)).shape == (0, 3)
        for view in (x[::2, 1:], x.permute(2, 0, 1), x.mT, x[:, :1].expand(4, 5, 6)):
            expected = fa.silu(view.contiguous().numpy())
            np.testing.assert_array_equal(fa.silu(view).numpy(), expected)
            np.testing.assert_array_equal(fa.softmax(view).numpy(), fa.softmax(view.contiguous().numpy()))
        out = torch.zeros(6, 5, 4, dtype=torch.float64).permute(2, 1, 0)
        assert fa.silu(x, out=out) is out
        np.testing.assert_array_equal(out.numpy(), fa.silu(x.numpy()))

    def test_arrays_and_tensors_in_one_call(self, torch):
        x = np.linspace(-3, 3, 8)
        tensor = torch.from_numpy(x)
        assert isinstance(fa.silu.backward(np.ones(8), x=tensor), torch.Tensor)
        out = torch.zeros(8, dtype=torch.float64)
        assert fa.silu(x, out=out) is out
        array = np.zeros(8)
        assert fa.silu(tensor, out=array) is array
        assert out.tolist() == array.tolist()
        # The array of a tensor is an array.
        assert type(fa.silu(tensor.numpy())) is np.ndarray

    def test_whole_numbers(self, torch):
        result = fa.relu(torch.tensor([-1, 2]))
        assert result.dtype is torch.float64
        assert result.tolist() == [0.0, 2.0]

    def test_a_tensor_that_requires_grad_is_for_fastact_torch(self, torch):
        values = torch.ones(4)
        graded, out = torch.ones(4, requires_grad=True), torch.full((4,), 7.0)
        for call, name in (
            (lambda: fa.silu(graded, out=out), "x"),
            (lambda: fa.softmax(graded, out=out), "x"),
            (lambda: fa.silu(values, out=graded), "out"),
            (lambda: fa.silu.backward(graded, x=values, out=out), "dy"),
            (lambda: fa.sigmoid.backward(values, y=graded, out=out), "y"),
            (lambda: fa.prelu(values, weight=graded, axis=0, out=out), "weight"),
            (lambda: fa.silu(torch.nn.Parameter(values), out=out), "x"),
        ):
            with pytest.raises(TypeError, match=rf"{name} is a tensor that requires grad; .*fastact\.torch"):
                call()
        assert out.tolist() == [7.0] * 4
        assert fa.silu(graded.detach()).tolist() == fa.silu(values).tolist()

    def test_a_tensor_on_a_device(self, torch):
        elsewhere = torch.ones(4, device="meta")
        with pytest.raises(TypeError, match=r"x is a tensor on meta; .*fastact\.torch"):
            fa.silu(elsewhere)
        with pytest.raises(TypeError, match=r"out is a tensor on meta"):
            fa.silu(np.ones(4), out=elsewhere)

    def test_a_tensor_without_plain_memory(self, torch):
        for tensor in (torch.ones(3, 3).to_sparse(), (torch.ones(3) * 1j).conj().imag):
            with pytest.raises(TypeError, match=r"whose memory NumPy cannot see"):
                fa.silu(tensor)
        with pytest.raises(TypeError, match=r"x has dtype complex64; supported are"):
            fa.silu(torch.ones(3) * 1j)

    def test_bfloat16_without_ml_dtypes(self, torch, monkeypatch):
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
        with pytest.raises(TypeError, match=r"torch\.bfloat16; allowed .* where ml_dtypes is installed"):
            fa.silu(torch.ones(3, dtype=torch.bfloat16))

    def test_an_expanded_out_is_refused(self, torch):
        out = torch.zeros(1, dtype=torch.float64).expand(4)
        with pytest.raises(ValueError, match="out is an expanded tensor"):
            fa.silu(np.ones(4), out=out)
        assert out.tolist() == [0.0] * 4
