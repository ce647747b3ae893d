"""Right calls: type checkers accept every line, and know what each returns. Nothing runs this file."""

from array import array
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastact as fa


def of_arrays(x: NDArray[np.float32], dy: NDArray[np.float32], wide: NDArray[np.float64]) -> None:
    assert_type(fa.gelu(x), NDArray[np.float32])
    assert_type(fa.gelu(x, approximate="tanh"), NDArray[np.float32])
    assert_type(fa.elu(wide, 0.5), NDArray[np.float64])
    assert_type(fa.elu(x, alpha=np.float32(0.5), out=x), NDArray[np.float32])
    assert_type(fa.gelu(x, "tanh", x), NDArray[np.float32])
    assert_type(fa.silu(x, wide), NDArray[np.float64])
    assert_type(fa.silu([1.0], out=(x,)), NDArray[np.float32])
    assert_type(fa.silu.backward([1.0], x=wide, out=(x,)), NDArray[np.float32])
    assert_type(fa.softmax(x, -1, wide, temperature=2.0), NDArray[np.float64])
    assert_type(fa.maxout([1.0], 1, 0, x, return_which=True), tuple[NDArray[np.float32], NDArray[np.int32]])
    assert_type(fa.softmax(x, axis=0, temperature=2.0, where=x > 0), NDArray[np.float32])
    assert_type(fa.softmax(x, (0, -1)), NDArray[np.float32])
    assert_type(fa.softmax.backward(dy, y=x, axis=None), NDArray[np.float32])
    assert_type(fa.maxout(x, 4), NDArray[np.float32])
    assert_type(fa.maxout(x, 4, return_which=True), tuple[NDArray[np.float32], NDArray[np.int32]])
    assert_type(fa.gelu.backward(dy, x=x), NDArray[np.float32])
    assert_type(fa.sigmoid.backward(dy, y=x, out=dy), NDArray[np.float32])
    assert_type(fa.sigmoid.backward(dy, x=x, y=None), NDArray[np.float32])
    assert_type(fa.prelu.backward(dy, x=x, weight=0.25), tuple[NDArray[np.float32], NDArray[Any]])
    assert_type(fa.swish.backward(dy, x=x), NDArray[np.float32])
    assert_type(fa.swish.backward(dy, x=x, beta_grad=True), tuple[NDArray[np.float32], np.floating[Any]])
    assert_type(fa.maxout.backward(dy, which=np.zeros(3, np.int32), pieces=2), NDArray[np.float32])
    assert_type(fa.gumbel_softmax(x, seed=7), NDArray[np.float32])


def of_what_becomes_an_array(integers: NDArray[np.int64], halves: NDArray[np.generic]) -> None:
    assert_type(fa.gelu(0.5), np.float64)
    assert_type(fa.gelu(np.float32(0.5)), np.float32)
    assert_type(fa.gelu([1, 2]), NDArray[Any])
    assert_type(fa.gelu([[1.0, 2.0], [3.0, 4.0]]), NDArray[Any])
    assert_type(fa.gelu(integers), NDArray[Any])
    assert_type(fa.gelu(halves), NDArray[Any])
    out = np.zeros(3)
    assert_type(fa.softplus(integers, threshold=None, out=out).dtype, np.dtype[np.float64])


def of_what_lends_its_memory(numbers: "array[float]", view: "memoryview[float]", file: mmap) -> None:
    assert_type(fa.gelu(numbers), NDArray[Any])
    assert_type(fa.gelu(numbers, out=numbers), "array[float]")
    assert_type(fa.gelu.backward(view, x=numbers, out=view), "memoryview[float]")
    assert_type(fa.softmax(memoryview(file).cast("f")), NDArray[Any])


class Labelled:
    """What has names for its axes."""

    dims = ("time",)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.zeros(3)


def of_other_libraries(labelled: Labelled, dy: NDArray[np.float32]) -> None:
    assert_type(fa.gelu(labelled), Labelled)
    assert_type(fa.gelu(labelled, approximate="tanh", out=labelled), Labelled)
    assert_type(fa.silu.backward(labelled, x=labelled), Labelled)
    assert_type(fa.softmax(labelled, axis="time"), Labelled)
    assert_type(fa.prelu.backward(labelled, x=dy, weight=dy, axis="time"), tuple[Labelled, NDArray[Any]])


def of_names(name: str) -> None:
    assert_type(fa.get(name), fa.Activation)
    assert_type(fa.get("HardSigmoid").parameters, dict[str, Any])
    assert_type(fa.gelu.saves, tuple[str, ...])
    assert_type(fa.elu.bind(alpha=0.5).name, str)
    one: fa.Activation = fa.relu
    two: fa.Activation = fa.leaky_relu.bind(negative_slope=0.2)
    two.backward(one(3.0), x=one(3.0))
    assert_type(fa.get_num_threads(), int)
    with fa.num_threads(2):
        fa.set_num_threads(1)
    fa.show_config()
    assert_type(fa.__version__, str)


def of_passes(x: NDArray[np.float32], target: NDArray[np.int64], w: NDArray[np.float32]) -> None:
    fa.layer_norm(x, w, w, axis=(-2, -1), residual=x, out=x)
    dx, dweight, dbias = fa.layer_norm.backward(x, x=x, weight=w)
    fa.rms_norm(x, w, eps=None, return_stats=True)
    fa.batch_norm(x, w, w, training=True, momentum=0.2)
    fa.logsumexp(x, None, True, scale=0.5, causal=True)
    losses, _ = fa.cross_entropy.with_gradient(x, target, label_smoothing=0.1, out=x)
    fa.dropout(x, 0.5, seed=None, residual=x)
    h, c = fa.lstm_cell(x, x, bias=w, out=(x, None), gates_out=x)
    fa.gru_cell(x, x, x, gates_out=(x, x))
    print(
        fa.passes["layer_norm"].backward(x, x=x), fa.layer_norm.row.allowed, dweight, dbias, losses, h, c, dx
    )
