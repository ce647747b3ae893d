"""Exchange torch.nn's activations in a model for those of fastact, and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules import activation as of_torch

from .. import activations
from ..catalog.spellings import Meaning, spellings
from .function import functions
from .module import modules


class Exchange(NamedTuple):
    """What stands in one place of a model, before and after."""

    place: str
    """Names of attributes from the model on, with dots between; empty for the model itself."""
    before: str
    after: str
    """What it is now, or why it is what it was."""


class Report:
    """What `patch` has done to a model; as a context manager it undoes that at the end of the block.

    Attributes
    ----------
    exchanged : list of Exchange
        What is fastact's now.
    left : list of Exchange
        Activations that are torch's as before, and why.
    """

    def __init__(self) -> None:
        self.exchanged: list[Exchange] = []
        self.left: list[Exchange] = []
        self._ways_back: list[Callable[[], None]] = []

    def undo(self) -> None:
        """Give every exchanged activation back what it was; a second time there is nothing to do."""
        while self._ways_back:
            self._ways_back.pop()()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *error: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        lines = [f"{len(self.exchanged)} exchanged, {len(self.left)} left"]
        lines += [f"  {_shown(e.place)}: {e.before} -> {e.after}" for e in self.exchanged]
        lines += [f"  {_shown(e.place)}: {e.before} is left: {e.after}" for e in self.left]
        return "\n".join(lines)


def _shown(place: str) -> str:
    return place or "(the model)"


def patch(model: nn.Module) -> Report:
    """Exchange the activations of a model for those of fastact, in place.

    A module stays the object that it is and becomes one of fastact's classes: parameters, hooks, mode of
    training and whoever refers to it stay, and so does the model's ``state_dict``. It keeps the meaning that
    it has in torch (softplus its threshold). Attributes that are functions of `torch.nn.functional`, as the
    ``activation`` of a `torch.nn.TransformerEncoderLayer`, are exchanged where they compute each element for
    itself.

    Parameters
    ----------
    model : torch.nn.Module
        Of any kind; one that is an activation itself, too.

    Returns
    -------
    Report
        What was exchanged and what was left, and why; its ``undo()`` takes it back.

    Raises
    ------
    TypeError
        If the model is no module.

    Examples
    --------
    >>> import torch
    >>> import fastact.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU())
    >>> report = fastact.torch.patch(model)
    >>> print(report)
    1 exchanged, 0 left
      1: SiLU() -> fastact.torch.SiLU()
    >>> report.undo()
    >>> type(model[1])
    <class 'torch.nn.modules.activation.SiLU'>
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; allowed is a torch.nn.Module")
    report = Report()
    for place, module in list(model.named_modules()):
        if type(module).__module__ == of_torch.__name__ or isinstance(module, tuple(_kinds())):
            _exchange(report, place, module)
        for name, value in list(vars(module).items()):
            if name != "forward" and isinstance(value, Hashable) and value in _functions():
                _exchange_function(report, f"{place}.{name}".lstrip("."), module, name, value)
    return report


@cache
def _kinds() -> dict[type[nn.Module], Meaning]:
    """torch's classes that the catalog has a spelling of."""
    named = {getattr(nn, name, None): meaning for name, meaning in spellings()["torch"].items()}
    return {kind: meaning for kind, meaning in named.items() if isinstance(kind, type)}


@cache
def _functions() -> dict[Callable[..., Any], Meaning]:
    found = {
        getattr(place, name, None): meaning
        for name, meaning in spellings()["torch"].items()
        for place in (torch, nn.functional)
    }
    return {function: meaning for function, meaning in found.items() if callable(function)}


def _exchange(report: Report, place: str, module: nn.Module) -> None:
    before, kind = str(module), type(module)
    why = _why_not(module)
    if why:
        report.left.append(Exchange(place, before, why))
        return
    meaning = _kinds()[kind]
    ours = modules[meaning.name]
    defaults = ours.reader.defaults
    added = {
        name: dict(meaning.parameters).get(name, defaults[name])
        for name in ours.held
        if not hasattr(module, name)
    }
    for name, value in added.items():
        setattr(module, name, value)
    module.__class__ = ours

    def back() -> None:
        module.__class__ = kind
        for name in added:
            delattr(module, name)

    report._ways_back.append(back)
    report.exchanged.append(Exchange(place, before, f"fastact.torch.{module}"))


def _why_not(module: nn.Module) -> str:
    """Why a module of torch is left as it is; empty where it can be exchanged."""
    kind = type(module)
    meaning = _kinds().get(kind)
    if meaning is None:
        return "it is no activation that fastact has" if kind.__module__ == of_torch.__name__ else _OWN_CLASS
    if "forward" in vars(module):
        return "its forward was replaced"
    if getattr(module, "dim", 0) is None:
        return "dim is None, so the axis depends on the input"
    row = activations[meaning.name].row
    given = {p.name: getattr(module, p.name) for p in row.parameters if hasattr(module, p.name)}
    try:
        activations[meaning.name].bind(**given)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


_OWN_CLASS = "it is of a class of its own"


def _exchange_function(report: Report, place: str, module: nn.Module, name: str, theirs: Any) -> None:
    meaning = _functions()[theirs]
    before = f"{theirs.__module__ or 'torch'}.{theirs.__name__}"
    if not activations[meaning.name].row.shape.by_element:
        report.left.append(Exchange(place, before, "it computes along an axis that its caller knows"))
        return
    ours = functions[meaning.name]
    setattr(module, name, partial(ours, **dict(meaning.parameters)) if meaning.parameters else ours)
    report._ways_back.append(lambda: setattr(module, name, theirs))
    given = "".join(f", {n}={v!r}" for n, v in meaning.parameters)
    report.exchanged.append(Exchange(place, before, f"fastact.torch.{meaning.name}{given}"))
