"""What the catalog says of a pass around an activation: a norm, a loss, dropout, a recurrent cell.

An activation is a function of one array, of which a row says everything. A pass has arrays of its own
(weights, targets, states) and gives more than one back, so its signature and docstrings are those of its
class in ``fastact/core``; what is known of it as mathematics, and of it in other libraries, is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .row import Convention
from .shapes import Shape


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What fastact knows of one pass."""

    name: str
    made_by: str
    """The class of its object: a module of `fastact.core`, and a name there."""
    formula: str
    """What it gives, over the names of its arguments; ``mean``, ``var`` and ``sum`` run along `axis`."""
    derivatives: Mapping[str, str]
    """What backward gives, by the name of what it is the gradient of."""
    reference: str
    """Who published it."""
    strengths: str
    """What it is for: one to three sentences."""
    weaknesses: str
    """Where it fails, or what it costs: likewise."""
    allowed: tuple[float, float]
    """Errors forward and backward in ULP of the largest term, as measured by the tests."""
    torch: str = ""
    """The same in ``torch.nn.functional``, over the names of the arguments."""
    conventions: tuple[Convention, ...] = ()
    """Where other libraries differ."""
    shape: Shape = field(default_factory=Shape, compare=False)
    """What an element of its result comes from, for arrays of other libraries."""
