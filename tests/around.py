"""Every pass in every direction, called in one way: a table of examples, one or more for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastact as fa

ROWS = 0
"""The shape of an array that has one number for each row."""

Extent = int | tuple[int, ...]
"""An array's last axis, in multiples of a row's length n; below 0, it has no other. Several in a tuple."""


@dataclass(frozen=True)
class Example:
    """A call of a pass: `arrays` with the shapes of their names, `others` as they are."""

    name: str
    arrays: dict[str, Extent] = field(hash=False)
    others: dict[str, Any] = field(default_factory=dict, hash=False)
    method: str = "__call__"
    out: tuple[int, ...] = (0,)
    """Which of the results `out` takes; none where there is no such word."""
    in_place: dict[int, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """The arrays that each of these results may be written over."""
    without: tuple[str, ...] = ()
    """The arrays whose numbers no result depends on."""

    def __str__(self) -> str:
        made = self.name if self.method == "__call__" else f"{self.name}.{self.method}"
        return f"{made}({', '.join([*self.arrays, *self.others])})"

    @property
    def call(self) -> Any:
        return getattr(fa.passes[self.name], self.method)

    def draw(self, dtype: Any, lead: tuple[int, ...] = (3, 4), n: int = 10, seed: int = 0) -> dict[str, Any]:
        """Arrays to call it with, by name; what a tuple holds has the name of its place in it."""
        random = np.random.default_rng(seed)

        def drawn(name: str, extent: int) -> np.ndarray:
            shape = (-extent * n,) if extent < 0 else (*lead, *((extent * n,) if extent else ()))
            if name == "target":
                return random.integers(0, n, shape)
            values = random.standard_normal(shape)
            return (abs(values) + 0.5 if name.endswith("_var") else values).astype(dtype)

        return {
            place: drawn(name, extent)
            for name, extents in self.arrays.items()
            for place, extent in _places(name, extents)
        }

    def __call__(self, arrays: dict[str, Any], **words: Any) -> tuple[Any, ...]:
        """All results of a call on arrays as `draw` gives them."""
        given = {
            name: tuple(arrays[place] for place, _ in _places(name, extents))
            if isinstance(extents, tuple)
            else arrays[name]
            for name, extents in self.arrays.items()
        }
        results = self.call(**{**given, **self.others, **words})
        return results if isinstance(results, tuple) else (results,)

    def into(self, arrays: dict[str, Any], outs: dict[int, Any]) -> tuple[Any, ...]:
        """The same with results written to some arrays, by their places among those of `out`."""
        several = tuple(outs.get(place) for place in self.out)
        return self(arrays, out=several if len(self.out) > 1 else several[0])


def _places(name: str, extents: Extent) -> Iterator[tuple[str, int]]:
    if isinstance(extents, tuple):
        yield from ((f"{name}[{k}]", extent) for k, extent in enumerate(extents))
    else:
        yield name, extents


OF_X = {"x": 1, "weight": -1, "bias": -1}
CHANNELS = {"axis": -1}
RUNNING = {"running_mean": -1, "running_var": -1}

EXAMPLES = [
    Example("layer_norm", {**OF_X, "residual": 1}, in_place={0: ("x", "residual")}),
    Example(
        "layer_norm", {"dy": 1, **OF_X}, method="backward", in_place={0: ("dy", "x")}, without=("bias",)
    ),
    Example("rms_norm", {"x": 1, "weight": -1, "residual": 1}, in_place={0: ("x", "residual")}),
    Example("rms_norm", {"dy": 1, "x": 1, "weight": -1}, method="backward", in_place={0: ("dy", "x")}),
    Example(
        "batch_norm",
        {**OF_X, "residual": 1},
        {**CHANNELS, "training": True},
        in_place={0: ("x", "residual")},
    ),
    Example("batch_norm", {**OF_X, **RUNNING}, CHANNELS, in_place={0: ("x",)}),
    Example(
        "batch_norm",
        {"dy": 1, **OF_X},
        {**CHANNELS, "training": True},
        method="backward",
        in_place={0: ("dy", "x")},
        without=("bias",),
    ),
    Example(
        "batch_norm",
        {"dy": 1, **OF_X, **RUNNING},
        CHANNELS,
        method="backward",
        in_place={0: ("dy", "x")},
        without=("bias",),
    ),
    Example("logsumexp", {"x": 1}),
    Example("logsumexp", {"dy": ROWS, "x": 1}, method="backward", in_place={0: ("x",)}),
    Example("cross_entropy", {"x": 1, "target": ROWS, "weight": -1}, out=()),
    Example(
        "cross_entropy",
        {"x": 1, "target": ROWS, "weight": -1},
        method="with_gradient",
        out=(1,),
        in_place={1: ("x",)},
    ),
    Example(
        "cross_entropy",
        {"dy": ROWS, "x": 1, "target": ROWS, "weight": -1},
        method="backward",
        in_place={0: ("x",)},
    ),
    Example("dropout", {"x": 1, "residual": 1}, {"p": 0.3, "seed": 5}, in_place={0: ("x", "residual")}),
    Example("dropout", {"x": 1}, {"p": 0.3, "seed": None}, in_place={0: ("x",)}),
    Example("dropout", {"dy": 1}, {"p": 0.3, "seed": 5}, method="backward", in_place={0: ("dy",)}),
    Example("lstm_cell", {"gates": 4, "c": 1, "bias": -4}, out=(0, 1), in_place={0: ("c",), 1: ("c",)}),
    Example(
        "lstm_cell",
        {"dh": 1, "dc": 1, "gates": 4, "c": 1, "c_next": 1},
        method="backward",
        out=(0, 1),
        in_place={0: ("gates",), 1: ("dh", "dc", "c", "c_next")},
    ),
    Example(
        "gru_cell",
        {"gates_x": 3, "gates_h": 3, "h": 1, "bias_x": -3, "bias_h": -3},
        in_place={0: ("h",)},
    ),
    Example(
        "gru_cell",
        {"dh": 1, "gates": (3, 1), "h": 1},
        method="backward",
        out=(0, 1, 2),
        in_place={0: ("gates[0]",), 1: ("gates[0]",), 2: ("dh", "h", "gates[1]")},
    ),
]  # fmt: skip
