"""What can be reached without an underscore cannot make a process crash."""

from __future__ import annotations

import numpy as np
import pytest

import fastact as fa
from fastact import _dispatch

OBJECTS = {**fa.activations, **fa.passes}
KERNELS = [
    kind
    for kind in vars(_dispatch).values()
    if isinstance(kind, type) and issubclass(kind, _dispatch.Kernels)
]


@pytest.mark.parametrize("name", OBJECTS)
def test_public_methods_are_those_that_are_shown(name):
    """`fa.silu.run` ran a kernel on arrays of whatever lengths it was given."""
    found = OBJECTS[name]
    reached = {word for word in dir(type(found)) if not word.startswith("_")}
    assert {word for word in reached if callable(getattr(found, word))} <= set(dir(found))


@pytest.mark.parametrize("kind", KERNELS, ids=lambda kind: kind.__name__)
def test_an_object_that_was_never_initialised_computes_nothing(kind):
    x = np.ones((2, 4), np.float32)
    made = kind.__new__(kind)
    for call in (made, getattr(made, "backward", made)):
        if not callable(call):
            continue
        for given in ({}, {"x": x}, {"y": x}, {"gate": x}, {"x": x, "gate": x}, {"x": x, "bias": x[0]}):
            for args in ((x,), (x, 2), (x, x[0])):
                with pytest.raises((AttributeError, TypeError)):
                    call(*args, **given)
