"""Training steps of models in torch on the CPU, as they are and with `fastact.torch.patch`: a table of docs.

Three models that differ in how much of a step their activations are. Both sides run in processes of their
own, which are both alive and take turns of as many steps each, from the same weights, on torch's default
threads; their losses must agree. ``--write`` puts the table into docs/torch.md:

    python bench/torch_steps.py --write
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from between_markers import heading, line, write

import fastact as fa
from fastact.command.arguments import new_file
from fastact.measure import machine, record
from fastact.measure.busy import Spread
from fastact.measure.worker import Worker, settle

DOCUMENT = Path(__file__).parents[1] / "docs" / "torch.md"
TORCH, PATCHED = SIDES = ("torch", "patched")
TOLERANCE = 1e-4
"""Of the losses of a turn, relatively."""
RATE = 1e-3


@dataclass(frozen=True)
class Effort:
    """How long a model is measured."""

    seconds: float = 0.5
    """Of a turn, by the steps without fastact; a tenth more are not timed."""
    rounds: int = 15


WHOLE, QUICK = Effort(), Effort(seconds=0.05, rounds=3)


def mlp() -> tuple[Any, tuple[int, ...]]:
    """Three layers with mish."""
    from torch import nn

    layers = [nn.Linear(256, 512), nn.Mish(), nn.Linear(512, 512), nn.Mish(), nn.Linear(512, 10)]
    return nn.Sequential(*layers), (128, 256)


def convolutional() -> tuple[Any, tuple[int, ...]]:
    """Four convolutions with hardswish and silu, normalised as in MobileNetV3 and its kin."""
    from torch import nn

    def block(inputs: int, outputs: int, activation: Any) -> list[Any]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), activation]

    layers = [
        *block(3, 32, nn.Hardswish()),
        *block(32, 32, nn.SiLU()),
        nn.MaxPool2d(2),
        *block(32, 64, nn.Hardswish()),
        *block(64, 64, nn.SiLU()),
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)), (16, 3, 32, 32)


def transformer() -> tuple[Any, tuple[int, ...]]:
    """A block of attention and two layers with gelu between."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
            self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            self.last = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            normal = self.norms[0](x)
            x = x + self.attention(normal, normal, normal, need_weights=False)[0]
            x = x + self.layers(self.norms[1](x))
            return self.last(x.mean(1))

    return Block(256, 4), (16, 64, 256)


MODELS: dict[str, Callable[[], tuple[Any, tuple[int, ...]]]] = {
    "MLP with mish": mlp,
    "convolutions with hardswish and silu": convolutional,
    "transformer block with gelu": transformer,
}


@dataclass(frozen=True)
class Measurement:
    """A model's steps on both sides."""

    model: str
    shape: tuple[int, ...]
    torch: Spread
    patched: Spread
    ratio: float
    """Of the means of torch and of the patched model: above 1 the patch is faster."""
    ratio_of_medians: float


class Session:
    """A model on one side, in its own process."""

    def __init__(self, side: str, name: str) -> None:
        import torch

        torch.manual_seed(0)
        self.torch = torch
        self.model, self.shape = MODELS[name]()
        self.x = torch.randn(self.shape)
        self.target = torch.randint(0, 10, (self.shape[0],))
        self.first = {key: value.clone() for key, value in self.model.state_dict().items()}
        if side == PATCHED:
            import fastact.torch

            fastact.torch.patch(self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), RATE)

    def about(self) -> tuple[tuple[int, ...], str, int]:
        """The shape of the input, torch's version and its threads."""
        return self.shape, str(self.torch.__version__), self.torch.get_num_threads()

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.model(self.x), self.target)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def turn(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """What each step took from the first weights on, and its losses."""
        for _ in range(1 + steps // 10):
            self.step()
        self.model.load_state_dict(self.first)
        taken, losses = np.empty(steps), np.empty(steps)
        for i in range(steps):
            begin = perf_counter()
            losses[i] = self.step()
            taken[i] = perf_counter() - begin
        settle()
        return taken, losses


def measured(name: str, effort: Effort) -> tuple[Measurement, str, int]:
    """Both sides of a model in turns."""
    with ExitStack() as stack:
        sides = {s: stack.enter_context(closing(Worker(f"{name}, {s}", Session, s, name))) for s in SIDES}
        shape, version, threads = sides[TORCH].ask("about")
        first, _ = sides[TORCH].ask("turn", 3)
        steps = max(2, round(effort.seconds / float(first.min())))
        taken: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
        for _ in range(effort.rounds):
            losses = {}
            for side, worker in sides.items():
                seconds, losses[side] = worker.ask("turn", steps)
                taken[side].append(seconds)
            must_agree(name, losses)
    torch, patched = (Spread.of(np.concatenate(taken[side])) for side in SIDES)
    ratios = torch.mean / patched.mean, torch.median / patched.median
    return Measurement(name, shape, torch, patched, *ratios), version, threads


def must_agree(name: str, losses: dict[str, np.ndarray]) -> None:
    """End the run where a patched model has learned something else."""
    if not np.allclose(losses[PATCHED], losses[TORCH], rtol=TOLERANCE, atol=0):
        worst = np.abs(losses[PATCHED] / losses[TORCH] - 1).max()
        raise SystemExit(f"{name}: the losses differ by {worst:.2g}, relatively")


def head(version: str, threads: int) -> list[str]:
    about = (
        "Milliseconds of a training step, means (medians in brackets); above 1 the patched model is faster. "
        f"Measured on {machine.processor()} at level {fa.config()['level']}, torch {version} and fastact "
        f"{fa.__version__}, each on {machine.threads_text(threads)} by default."
    )
    figures = ["torch", "patched", "torch / patched", "of the medians"]
    return [about, "", *heading(["model", "input"], figures)]


def row(m: Measurement) -> str:
    times = (f"{1e3 * side.mean:.3g} ({1e3 * side.median:.3g})" for side in (m.torch, m.patched))
    return line(m.model, " × ".join(map(str, m.shape)), *times, f"{m.ratio:.2f}", f"{m.ratio_of_medians:.2f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--only", default="", metavar="WORDS", help="only models that have these words")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write what was measured to this file")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    chosen = parser.parse_args(arguments)
    lines, found = [], []
    for name in MODELS:
        if chosen.only not in name:
            continue
        measurement, version, threads = measured(name, QUICK if chosen.quick else WHOLE)
        if not found:
            lines += head(version, threads)
            print("\n".join(lines))
        found.append(measurement)
        lines.append(row(measurement))
        print(lines[-1], flush=True)
    if not found:
        raise SystemExit("nothing was measured")
    record.write(chosen.json, found, machine=machine.processor(), torch=version, **fa.config())
    if chosen.write:
        write(DOCUMENT, "steps", "\n".join(lines))


if __name__ == "__main__":
    main()
