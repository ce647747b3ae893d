"""Activations on torch's tensors: functions, modules, and `patch`, which exchanges those of `torch.nn`.

>>> import torch
>>> import fastact.torch
>>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
>>> fastact.torch.relu(x).sum().backward()
>>> x.grad.tolist()
[0.0, 0.0, 1.0]

Each activation of `fastact.activations` is here a function of its name and a module (``fastact.torch.SiLU``),
for tensors on the CPU. The kernels compute in the tensors' own memory. ``import fastact`` alone does not
import torch.
"""

from typing import Any

from .function import functions
from .module import modules
from .patching import Report, patch

globals().update(functions)
globals().update({kind.__name__: kind for kind in modules.values()})


def __getattr__(name: str) -> Any:
    # For type checkers, which cannot know what the catalog has.
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Report",
    "functions",
    "modules",
    "patch",
    *functions,
    *(kind.__name__ for kind in modules.values()),
]
