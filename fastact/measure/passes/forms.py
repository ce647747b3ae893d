"""The passes that are measured, each described here once, and activations with something in their pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastact as fa

from ...catalog import Pass, Row
from . import arrays
from .form import Form, Names, Other, Step, Way, of_row


def _pick(names: Names) -> Callable[[], Any]:
    """np.copyto(losses, out[rows, target])"""
    return lambda: np.copyto(names["losses"], names["out"][names["picked"]])


def _less_target(names: Names) -> Callable[[], Any]:
    """np.subtract(out, x[rows, target], out=out)"""
    return lambda: np.subtract(names["out"], names["x"][names["picked"]], out=names["out"])


def _less(name: str) -> Other:
    """Subtract what has this name, or 1, at the targets."""

    def make(names: Names) -> Callable[[], Any]:
        """out[rows, target] -= ..."""

        def subtract() -> None:
            names["out"][names["picked"]] -= names.get(name, 1)

        return subtract

    return Other(make)


def _draw(names: Names) -> Callable[[], Any]:
    """Draw a mask, as its user has to; the steps go on with fastact's, so that results can be compared."""
    random, numbers = np.random.default_rng(0), names["drawn"]

    def draw() -> None:
        random.random(dtype=numbers.dtype, out=numbers)
        np.greater_equal(numbers, names["p"], out=names["below"])

    return draw


_EXPONENTIALS = (Step("m", "max(x)"), Step("out", "exp(x - m)"), Step("total", "sum(out)"))
_LOG_SUM = Step("out", "max(x) + log(sum(exp(x - max(x))))")
_CENTRED = (
    Step("m", "sum(x) / n"), Step("out", "x - m"), Step("r", "1 / sqrt(sum(out * out) / n + eps)"),
    Step("out", "out * r * weight + bias"),
)  # fmt: skip
_OVER_CHANNELS = (0, 2)
_SCORES_IN_ONNX = "Softmax(Add(Mul(x, scale), mask), axis=-1)"
_SCORES_IN_TORCH = "softmax(add(mask, x, alpha=scale, out=out), -1, out=out)"
_SCORES_BACKWARD_IN_TORCH = "_softmax_backward_data(dy, y, -1, dy.dtype, grad_input=out)"
_SCORES = (Step("out", "scale * x + mask"), of_row("out", "softmax", x="out"))
_SCORES_BACKWARD = (Step("t", "sum(dy * y)"), Step("out", "scale * y * (dy - t)"))


def _of_scores(name: str, kind: str, words: str, backward: str) -> Form:
    return Form(
        name, fa.softmax.row, partial(arrays.scores, kind=kind), saves=("y",),
        forward=Way(
            f"softmax(x, {words}, out=out)", _SCORES, torch=(_SCORES_IN_TORCH,), onnx=_SCORES_IN_ONNX,
        ),
        backward=Way(
            f"softmax.backward(dy, y=y{backward}, out=out)", _SCORES_BACKWARD, result="dy",
            torch=(_SCORES_BACKWARD_IN_TORCH + (".mul_(scale)" if "scale" in words else ""),),
        ),
    )  # fmt: skip


_ALL = (
    Form(
        "layer_norm", fa.layer_norm.row, arrays.norm,
        forward=Way(
            "layer_norm(x, weight, bias, eps=eps, out=out)", _CENTRED,
            torch=(
                "layer_norm(x, shape, weight, bias, eps)", "native_layer_norm(x, shape, weight, bias, eps)",
            ),
            onnx="LayerNormalization(x, weight, bias, axis=-1, epsilon=eps)",
        ),
        backward=Way(
            "layer_norm.backward(dy, x=x, weight=weight, bias=bias, eps=eps, mean=mean, rstd=rstd, out=out)",
            (
                Step("y0", "(x - mean_kept) * rstd_kept"), Step("dbias", "sum(dy)", 0),
                Step("dweight", "sum(dy * y0)", (0,)), Step("g", "dy * weight"),
                Step("out", "rstd_kept * (g - sum(g) / n - y0 * (sum(g * y0) / n))"),
            ),
            result="dy",
            torch=(
                "native_layer_norm_backward(dy, x, shape, mean_kept, rstd_kept, weight, bias, wanted)",
            ),
        ),
    ),
    Form(
        "layer_norm+residual", fa.layer_norm.row, arrays.norm,
        forward=Way(
            "layer_norm(x, weight, bias, eps=eps, residual=residual, residual_out=total, out=out)",
            (
                Step("total", "x + residual"), Step("m", "sum(total) / n"), Step("out", "total - m"),
                Step("r", "1 / sqrt(sum(out * out) / n + eps)"), Step("out", "out * r * weight + bias"),
            ),
            also={"total": "residual"},
            torch=(
                "native_layer_norm(add(x, residual, out=total), shape, weight, bias, eps)",
                "layer_norm(add(x, residual, out=total), shape, weight, bias, eps)",
            ),
            onnx="LayerNormalization(Add(x, residual), weight, bias, axis=-1, epsilon=eps)",
        ),
    ),
    Form(
        "rms_norm", fa.rms_norm.row, arrays.norm,
        forward=Way(
            "rms_norm(x, weight, eps=eps, out=out)",
            (Step("r", "1 / sqrt(sum(x * x) / n + eps)"), Step("out", "x * r * weight")),
            torch=("rms_norm(x, shape, weight, eps)",),
            onnx="RMSNormalization(x, weight, axis=-1, epsilon=eps)",
        ),
        backward=Way(
            "rms_norm.backward(dy, x=x, weight=weight, eps=eps, rstd=scale, out=out)",
            (
                Step("y0", "x * scale_kept"), Step("dweight", "sum(dy * y0)", (0,)), Step("g", "dy * weight"),
                Step("out", "scale_kept * (g - y0 * (sum(g * y0) / n))"),
            ),
            result="dy", graph="rms_norm(x, shape, weight, eps)", leaves=("x", "weight"),
        ),
    ),
    Form(
        "batch_norm", fa.batch_norm.row, arrays.channels, views=arrays.columns,
        forward=Way(
            "batch_norm(x, running_mean, running_var, weight, bias, training=True, eps=eps, out=out)",
            (
                Step("m", "sum(x) / n", _OVER_CHANNELS), Step("out", "x - m_c"),
                Step("v", "sum(out * out) / n", _OVER_CHANNELS),
                Step("running_mean_c", "running_mean_c + momentum * (m_c - running_mean_c)"),
                Step("running_var_c", "running_var_c + momentum * (v_c * (n / (n - 1)) - running_var_c)"),
                Step("r_c", "weight_c / sqrt(v_c + eps)"), Step("out", "out * r_c + bias_c"),
            ),
            torch=("native_batch_norm(x, weight, bias, running_mean, running_var, True, momentum, eps)",),
        ),
        backward=Way(
            "batch_norm.backward(dy, x=x, weight=weight, bias=bias, training=True, mean=mean, rstd=rstd, "
            "out=out)",
            (
                Step("y0", "(x - mean_kept_c) * rstd_kept_c"), Step("dbias", "sum(dy)", _OVER_CHANNELS),
                Step("dweight", "sum(dy * y0)", _OVER_CHANNELS),
                Step("out", "rstd_kept_c * weight_c * (dy - dbias_c / n - y0 * (dweight_c / n))"),
            ),
            result="dy",
            torch=(
                "native_batch_norm_backward(dy, x, weight, running_mean, running_var, mean_kept, rstd_kept, "
                "True, eps, wanted)",
            ),
        ),
    ),
    Form(
        "batch_norm+inference", fa.batch_norm.row, arrays.channels, views=arrays.columns,
        forward=Way(
            "batch_norm(x, running_mean, running_var, weight, bias, eps=eps, out=out)",
            (
                Step("r_c", "weight_c / sqrt(running_var_c + eps)"),
                Step("m_c", "bias_c - running_mean_c * r_c"), Step("out", "x * r_c + m_c"),
            ),
            torch=("native_batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps)",),
            onnx="BatchNormalization(x, weight, bias, running_mean, running_var, epsilon=eps)",
        ),
    ),
    _of_scores("softmax+causal", "causal", "scale=scale, causal=True", ", scale=scale, causal=True"),
    _of_scores("softmax+mask", "mask", "scale=scale, mask=mask", ", scale=scale"),
    _of_scores("softmax+where", "where", "where=keep", ""),
    Form(
        "logsumexp", fa.logsumexp.row, arrays.rows_and_targets, views=arrays.of_rows,
        forward=Way(
            "logsumexp(x)", (_LOG_SUM,), result="dy", in_place=False,
            torch=("logsumexp(x, -1)",), scipy="logsumexp(x, axis=-1)",
        ),
        backward=Way(
            "logsumexp.backward(dy, x=x, out=out)", (*_EXPONENTIALS, Step("out", "out * (dy_c / total)")),
            graph="logsumexp(x, -1)",
        ),
    ),
    Form(
        "cross_entropy", fa.cross_entropy.row, arrays.rows_and_targets, views=arrays.of_rows,
        forward=Way(
            "cross_entropy(x, target)", (_LOG_SUM, Other(_less_target)), result="dy", in_place=False,
            torch=("cross_entropy(x, target, reduction='none')",),
            onnx="SoftmaxCrossEntropyLoss(x, target, reduction='none')",
        ),
        backward=Way(
            "cross_entropy.backward(dy, x=x, target=target, out=out)",
            (*_EXPONENTIALS, Step("out", "out * (dy_c / total)"), _less("dy")),
            graph="cross_entropy(x, target, reduction='none')",
        ),
    ),
    Form(
        "cross_entropy+gradient", fa.cross_entropy.row, arrays.rows_and_targets, views=arrays.of_rows,
        forward=Way(
            "cross_entropy.with_gradient(x, target, out=out)",
            (
                Step("m", "max(x)"), Step("out", "x - m"), Other(_pick), Step("out", "exp(out)"),
                Step("total", "sum(out)"), Step("losses", "log(total) - losses_c"),
                Step("m", "1 / total"), Step("out", "out * m"), _less("one"),
            ),
            graph="cross_entropy(x, target, reduction='sum')", whole=True,
        ),
    ),
    Form(
        "dropout", fa.dropout.row, arrays.dropped, saves=(),
        forward=Way(
            "dropout(x, p, seed=seed, out=out)", (Other(_draw), Step("out", "x * kept * factor")),
            torch=("dropout(x, p, True)",), drops="zeros",
        ),
        backward=Way(
            "dropout.backward(dy, p=p, seed=seed, out=out)", (Step("out", "dy * kept * factor"),),
            result="dy", torch=("native_dropout_backward(dy, kept, factor)",),
        ),
    ),
    Form(
        "dropout+residual", fa.dropout.row, arrays.dropped,
        forward=Way(
            "dropout(x, p, seed=seed, residual=residual, out=out)",
            (Other(_draw), Step("out", "x * kept * factor + residual")),
            torch=("add(dropout(x, p, True), residual, out=out)",), drops="residual",
        ),
    ),
    Form(
        "lstm_cell", fa.lstm_cell.row, arrays.lstm, saves=("gates",),
        views=partial(
            arrays.parts, "ifgo", {"x": "x", "b": "bias", "s": "gates", "a": "gates_out", "d": "dgates"}
        ),
        forward=Way(
            "lstm_cell(x, c, bias=bias, out=(h, out), gates_out=gates_out)",
            (
                Step("a_both", "sigmoid(x_both + b_both)"), Step("a_g", "tanh(x_g + b_g)"),
                Step("a_o", "sigmoid(x_o + b_o)"), Step("out", "a_f * c + a_i * a_g"),
                Step("h", "a_o * tanh(out)"),
            ),
            result="c", also={"gates_out": "x"},
            torch=(
                "(add(x, bias, out=gates_out), a_both.sigmoid_(), a_g.tanh_(), a_o.sigmoid_(), "
                "mul(a_f, c, out=out).addcmul_(a_i, a_g), mul(a_o, tanh(out), out=h))",
            ),
        ),
        backward=Way(
            "lstm_cell.backward(dh, dc, gates=gates, c=c, c_next=c_next, out=(dgates, out))",
            (
                Step("t", "tanh(c_next)"), Step("total", "dc + dh * s_o * (1 - t * t)"),
                Step("out", "total * s_f"), Step("d_o", "dh * t * s_o * (1 - s_o)"),
                Step("d_f", "total * c * s_f * (1 - s_f)"), Step("t", "total * s_g * s_i * (1 - s_i)"),
                Step("d_g", "total * s_i * (1 - s_g * s_g)"), Step("d_i", "t"),
            ),
            result="dc", also={"dgates": "gates"},
        ),
    ),
    Form(
        "gru_cell", fa.gru_cell.row, arrays.gru, saves=("gates",),
        views=partial(
            arrays.parts, "rzn",
            {
                "x": "x", "h": "hidden", "bx": "bias_x", "bh": "bias_h", "s": "gates", "a": "gates_out",
                "d": "dgates", "dh": "dgates_h",
            },
        ),
        forward=Way(
            "gru_cell(x, hidden, h, bias_x=bias_x, bias_h=bias_h, out=out, gates_out=(gates_out, gated))",
            (
                Step("a_both", "sigmoid(x_both + h_both + (bx_both + bh_both))"),
                Step("gated", "h_n + bh_n"), Step("a_n", "tanh(x_n + bx_n + a_r * gated)"),
                Step("out", "a_n + a_z * (h - a_n)"),
            ),
            result="h", also={"gates_out": "x"},
            torch=(
                "(add(x_both, bx_both + bh_both, out=a_both).add_(h_both).sigmoid_(), "
                "add(h_n, bh_n, out=gated), add(x_n, bx_n, out=a_n).addcmul_(a_r, gated).tanh_(), "
                "lerp(a_n, h, a_z, out=out))",
            ),
        ),
        backward=Way(
            "gru_cell.backward(dh, gates=(gates, gated), h=h, out=(dgates, dgates_h, out))",
            (
                Step("t", "dh * (1 - s_z) * (1 - s_n * s_n)"),
                Step("u", "dh * (h - s_n) * s_z * (1 - s_z)"), Step("out", "dh * s_z"),
                Step("dh_n", "t * s_r"), Step("d_r", "t * gated * s_r * (1 - s_r)"), Step("d_z", "u"),
                Step("d_n", "t"), Step("dh_both", "d_both"),
            ),
            result="dh", also={"dgates": "gates"},
        ),
    ),
    Form(
        "gelu+bias", fa.gelu.row, partial(arrays.dense, activation="gelu"),
        forward=Way(
            "gelu(x, bias=bias, out=out)", (Step("out", "x + bias"), of_row("out", "gelu", x="out")),
            torch=("gelu(add(x, bias, out=out), out=out)",), onnx="Gelu(Add(x, bias))",
        ),
        backward=Way(
            "gelu.backward(dy, x=x, bias=bias, bias_grad=True, out=out)",
            (
                Step("t", "x + bias"), of_row("out", "gelu", "x", dy="dy", x="t"),
                Step("dbias", "sum(out)", 0),
            ),
            result="dy", torch=("(gelu_backward(dy, add(x, bias, out=t), grad_input=out), out.sum(0))",),
        ),
    ),
    Form(
        "relu+bias", fa.relu.row, partial(arrays.dense, activation="relu"), saves=("y",),
        forward=Way(
            "relu(x, bias=bias, out=out)", (Step("out", "x + bias"), of_row("out", "relu", x="out")),
            torch=("add(x, bias, out=out).relu_()",), onnx="Relu(Add(x, bias))",
        ),
        backward=Way(
            "relu.backward(dy, y=y, bias=bias, bias_grad=True, out=out)",
            (of_row("out", "relu", "y", dy="dy", y="y"), Step("dbias", "sum(out)", 0)),
            result="dy", torch=("(threshold_backward(dy, y, 0, grad_input=out), out.sum(0))",),
        ),
    ),
    Form(
        "relu+residual", fa.relu.row, partial(arrays.dense, activation="relu"),
        forward=Way(
            "relu(x, residual=residual, out=out)",
            (Step("out", "x + residual"), of_row("out", "relu", x="out")),
            torch=("add(x, residual, out=out).relu_()",), onnx="Relu(Add(x, residual))",
        ),
    ),
    Form(
        "swiglu+gate", fa.swiglu.row, arrays.gate,
        forward=Way(
            "swiglu(x, gate=gate, out=out)", (Step("s", "sigmoid(gate)"), Step("out", "x * gate * s")),
            torch=("mul(silu(gate), x, out=out)",), onnx="Mul(x, Mul(gate, Sigmoid(gate)))",
        ),
        backward=Way(
            "swiglu.backward(dy, x=x, gate=gate, out=(out, dgate))",
            (
                Step("s", "sigmoid(gate)"), Step("opened", "gate * s"),
                Step("dgate", "dy * x * s * (1 + gate * (1 - s))"), Step("out", "dy * opened"),
            ),
            result="dy", also={"dgate": "gate"}, graph="silu(gate) * x", leaves=("x", "gate"),
        ),
    ),
)  # fmt: skip

FORMS: dict[str, Form] = {form.name: form for form in _ALL}
"""Everything that is measured beside the activations, by the name that the command knows."""


def measured_of(row: Pass | Row) -> list[str]:
    """The names of what is measured of a pass."""
    return [name for name, form in FORMS.items() if form.row is row]
