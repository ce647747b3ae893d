"""The figures of passes: what each does to arrays, computed by it when the site is built."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

import fastact as fa

from . import figures

KIND = "shown"
"""What a figure of these is called beside its name."""

LINES: tuple[figures.Line, ...] = (
    (figures.FASTACT, "-", "", 1.6),
    ("#d55e00", (0, (5, 1.5)), "", 1.6),
    ("#0072b2", (0, (5, 1.5, 1, 1.5)), "", 1.6),
    ("#009e73", (0, (1, 1)), "", 1.8),
)

SHADES = LinearSegmentedColormap.from_list("shades", ["#0072b200", "#0072b2ff"])
"""Of a matrix: from the ground of the page, light or dark, to a colour that is seen on both."""

ROWS = {"N(0, 1)": (0.0, 1.0), "N(3, 1)": (3.0, 1.0), "N(−2, 0.5)": (-2.0, 0.5), "N(1, 3)": (1.0, 3.0)}
"""Mean and spread of rows before a norm."""
LENGTH = 4096

DEPTH, BATCH, UNITS = 10, 128, 64
"""Of the network that batch_norm is shown in."""

TOKENS = 32
STEPS = 100
FORGET = {"0": 0.0, "1": 1.0, "ln 100": float(np.log(100))}
"""Biases of the gate that keeps a state, and what they are called."""


class Panel(NamedTuple):
    """One of the two halves of a figure: lines over x, or a matrix."""

    title: str
    x_label: str
    lines: dict[str, tuple[Any, Any]]
    logarithmic: bool = False
    matrix: Any = None
    y_label: str = ""


class Shown(NamedTuple):
    panels: tuple[Panel, Panel]
    alt: str


def write(docs: Path) -> None:
    """Draw those that are older than what they come from, beside those of activations."""
    every = [(name, KIND) for name in SHOWN]
    figures.write_old(docs, every, write_one, [*figures.sources(), Path(__file__)])


def write_one(name: str, kind: str, folder: Path) -> None:
    """Draw one of them into a folder, for light and for dark pages."""
    figures.write_both(name, kind, folder, lambda path: drawn(name).savefig(path))


def drawn(name: str) -> Figure:
    """A figure, in two halves."""
    figure = Figure(figsize=(figures.WIDTH, figures.HEIGHT), layout="constrained")
    panels = shown(name).panels
    names: dict[str, Any] = {}
    for axis, panel in zip(figure.subplots(1, 2), panels, strict=True):
        if panel.matrix is None:
            names |= _lines(axis, panel)
        else:
            axis.imshow(panel.matrix, cmap=SHADES, vmin=0, aspect="auto", interpolation="nearest")
            axis.tick_params(labelsize=figures.TEXT)
            axis.set_ylabel(panel.y_label, fontsize=figures.TEXT)
        axis.set_title(panel.title, fontsize=figures.TITLE)
        axis.set_xlabel(panel.x_label, fontsize=figures.TEXT)
    if len(names) > 1:
        figures.add_legend(figure, list(names.values()), list(names), 4)
    return figure


def _lines(axis: Any, panel: Panel) -> dict[str, Any]:
    if panel.logarithmic:
        axis.set_yscale("log")
    handles = {
        name: figures.draw(axis, *points, style)
        for (name, points), style in zip(panel.lines.items(), LINES, strict=False)
    }
    figures.finish(axis)
    return handles


@cache
def shown(name: str) -> Shown:
    """What is drawn of a pass."""
    return SHOWN[name]()


def alt(name: str) -> str:
    """The facts of a figure in words, for who does not see it."""
    return shown(name).alt


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, edges = np.histogram(values, bins=np.linspace(-8, 8, 81), density=True)
    return (edges[1:] + edges[:-1]) / 2, counts


def _norm_of_rows(norm: Callable[[np.ndarray], np.ndarray], name: str) -> Shown:
    random = np.random.default_rng(0)
    before = np.stack([random.normal(mean, spread, LENGTH) for mean, spread in ROWS.values()])
    after = norm(before)
    halves = [
        Panel(title, "value", dict(zip(ROWS, map(_density, rows), strict=True)))
        for title, rows in (("four rows", before), (f"the rows after {name}", after))
    ]
    means = ", ".join(f"{round(float(mean), 2) + 0.0:.2f}" for mean in after.mean(axis=1))
    spreads = ", ".join(f"{spread:.2f}" for spread in after.std(axis=1))
    return Shown(
        (halves[0], halves[1]),
        "Distributions of four rows, which have the means 0, 3, -2 and 1 and the deviations 1, 1, 0.5 and 3. "
        f"After {name} their means are {means} and their deviations {spreads}.",
    )


def layer_norm() -> Shown:
    return _norm_of_rows(fa.layer_norm, "layer_norm")


def rms_norm() -> Shown:
    return _norm_of_rows(fa.rms_norm, "rms_norm")


def _sigmoids(normed: bool) -> tuple[list[float], list[float]]:
    """Of each layer of random sigmoids: the spread of what enters them, and the gradient's norm there."""
    random = np.random.default_rng(0)
    deviation = UNITS**-0.5
    weights = [random.normal(0, deviation, (UNITS, UNITS)) for _ in range(DEPTH)]
    x = random.standard_normal((BATCH, UNITS))
    entered, outputs = [], []
    for weight in weights:
        z = x @ weight
        entered.append(z)
        x = fa.sigmoid(fa.batch_norm(z, training=True) if normed else z)
        outputs.append(x)
    gradient, norms = random.standard_normal(x.shape), []
    for weight, z, y in zip(reversed(weights), reversed(entered), reversed(outputs), strict=True):
        gradient = fa.sigmoid.backward(gradient, y=y)
        if normed:
            gradient = fa.batch_norm.backward(gradient, x=z, training=True)[0]
        norms.append(float(np.linalg.norm(gradient)))
        gradient = gradient @ weight.T
    spreads = [float(z.std(axis=0).mean()) for z in entered]
    return spreads, norms[::-1]


def batch_norm() -> Shown:
    layers = np.arange(1, DEPTH + 1)
    found = {"without batch_norm": _sigmoids(False), "with batch_norm": _sigmoids(True)}
    spreads = {name: (layers, spread) for name, (spread, _) in found.items()}
    gradients = {name: (layers, norms) for name, (_, norms) in found.items()}
    left = [norms[0] / norms[-1] for _, norms in found.values()]
    return Shown(
        (
            Panel("deviation of a unit over the batch", "layer of sigmoids", spreads, True),
            Panel("norm of the gradient there", "layer of sigmoids", gradients, True),
        ),
        "Ten random layers of sigmoids. Without batch_norm what enters a unit differs less and less over the "
        f"batch, and of the tenth layer's gradient {left[0]:.1e} is left at the first. With it {left[1]:.2g} "
        "is left.",
    )


def logsumexp() -> Shown:
    x = np.linspace(-6, 6, 241)
    pairs = np.stack([x, np.zeros_like(x)], axis=1)
    y, slope = fa.logsumexp(pairs), fa.logsumexp.backward(np.ones_like(x), x=pairs)[:, 0]
    return Shown(
        (
            Panel("of x and 0", "x", {"logsumexp": (x, y), "the larger": (x, np.maximum(x, 0))}),
            Panel("derivative", "x", {"logsumexp": (x, slope), "the larger": (x, (x > 0) * 1.0)}),
        ),
        f"logsumexp of x and 0 beside the larger of both: {y[120]:.3f} at 0, where the larger bends, and "
        f"within {y[-1] - 6:.3f} of it at 6. Its derivative rises smoothly from 0 to 1.",
    )


def cross_entropy() -> Shown:
    logit = np.linspace(-8, 8, 321)
    x = np.stack([logit, *np.zeros((2, logit.size))], axis=1)
    target = np.zeros(logit.size, np.int64)
    found = {
        name: fa.cross_entropy.with_gradient(x, target, label_smoothing=smoothing)
        for name, smoothing in (("target alone", 0.0), ("label_smoothing=0.1", 0.1))
    }
    losses = {name: (logit, loss) for name, (loss, _) in found.items()}
    gradients = {name: (logit, dx[:, 0]) for name, (_, dx) in found.items()}
    alone = found["target alone"][0]
    lowest = logit[found["label_smoothing=0.1"][0].argmin()]
    return Shown(
        (
            Panel("loss", "logit of the target, beside two zeros", losses),
            Panel("gradient of that logit", "logit of the target, beside two zeros", gradients),
        ),
        f"The loss falls from {alone[0]:.3g} at a logit of -8 to {alone[-1]:.1g} at 8, and its gradient goes "
        f"from -1 to 0. With label smoothing of 0.1 the loss is least at {lowest:.2g} and rises from there.",
    )


def dropout() -> Shown:
    ones = np.ones((16, 32))
    kept = [fa.dropout(ones, 0.5, seed=seed) for seed in (1, 2)]
    shares = [float((k > 0).mean()) for k in kept]
    halves = [
        Panel(f"dropout(ones, 0.5, seed={seed})", "unit (blue: kept, and 2)", {}, matrix=k, y_label="row")
        for seed, k in zip((1, 2), kept, strict=True)
    ]
    return Shown(
        (halves[0], halves[1]),
        f"Two matrices of 16 by 32 ones after dropout with p = 0.5 and the seeds 1 and 2: {shares[0]:.0%} "
        f"and {shares[1]:.0%} are kept, as 2, at places that differ.",
    )


def _through_lstm(bias: float) -> tuple[np.ndarray, np.ndarray]:
    """A state of 1 over steps without an input, and the gradient of the last one at each."""
    gates, states = np.zeros((STEPS, 1, 4)), np.ones((STEPS + 1, 1, 1))
    gates[..., 1] = bias
    for step in range(STEPS):
        _, states[step + 1] = fa.lstm_cell(gates[step], states[step], gates_out=gates[step])
    gradient, left = np.ones((1, 1)), [1.0]
    for step in reversed(range(STEPS)):
        _, gradient = fa.lstm_cell.backward(
            np.zeros((1, 1)), gradient, gates=gates[step], c=states[step], c_next=states[step + 1]
        )
        left.append(float(gradient[0, 0]))
    return states.ravel(), np.array(left)


def _through_gru(bias: float) -> tuple[np.ndarray, np.ndarray]:
    """The same of a GRU's state, whose inputs ask for -1."""
    gates, nothing, states = np.zeros((STEPS, 1, 3)), np.zeros((1, 3)), np.ones((STEPS + 1, 1, 1))
    gates[..., 1], gates[..., 2] = bias, -1
    kept = []
    for step in range(STEPS):
        kept.append((np.empty((1, 3)), np.empty((1, 1))))
        states[step + 1] = fa.gru_cell(gates[step], nothing, states[step], gates_out=kept[-1])
    gradient, left = np.ones((1, 1)), [1.0]
    for step in reversed(range(STEPS)):
        gradient = fa.gru_cell.backward(gradient, gates=kept[step], h=states[step])[2]
        left.append(float(gradient[0, 0]))
    return states.ravel(), np.array(left)


def _cell(through: Callable[[float], tuple[np.ndarray, np.ndarray]], gate: str, inputs: str) -> Shown:
    steps = np.arange(STEPS + 1)
    found = {f"bias of the {gate} gate {name}": through(bias) for name, bias in FORGET.items()}
    states = {name: (steps, state) for name, (state, _) in found.items()}
    gradients = {name: (steps, gradient) for name, (_, gradient) in found.items()}
    left = ", ".join(f"{gradient[-1]:.2g}" for _, gradient in found.values())
    return Shown(
        (
            Panel(f"a state of 1, {inputs}", "step", states),
            Panel("gradient of the last state", "steps back", gradients, True),
        ),
        f"A state of 1 over {STEPS} steps, {inputs}, and the gradient of the last one back through them, for "
        f"biases 0, 1 and ln 100 of the {gate} gate: {left} of the gradient is left.",
    )


def lstm_cell() -> Shown:
    return _cell(_through_lstm, "forget", "without inputs")


def gru_cell() -> Shown:
    return _cell(_through_gru, "update", "inputs that ask for tanh(−1)")


def attention() -> Shown:
    """One head of attention: its scores, softmax of them alone, and what a query may see."""
    random = np.random.default_rng(3)
    q, k = random.standard_normal((2, TOKENS, 16))
    scores = q @ k.T
    shares = [fa.softmax(scores, scale=0.25), fa.softmax(scores, scale=0.25, causal=True)]
    titles = "softmax(scores, scale=0.25)", "softmax(scores, scale=0.25, causal=True)"
    halves = [
        Panel(title, "key", {}, matrix=np.sqrt(share), y_label="query")
        for title, share in zip(titles, shares, strict=True)
    ]
    return Shown(
        (halves[0], halves[1]),
        f"Two matrices of {TOKENS} queries by as many keys, darker where a share is larger. Left, every "
        "query sees every key; right, with causal=True, all above the diagonal is 0, and the first query "
        "gives all to the first key.",
    )


SHOWN: dict[str, Callable[[], Shown]] = {
    one.__name__: one
    for one in (
        *(layer_norm, rms_norm, batch_norm, logsumexp, cross_entropy, dropout, lstm_cell, gru_cell),
        attention,
    )
}
"""By the name of the pass; attention's is softmax's, on the page of all passes."""
