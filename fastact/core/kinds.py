"""Which class an activation's object is of, by the shape of its work."""

from . import docstring
from .activation import Channels, Elementwise, Gated, Pieces, Rows
from .random import Random, RandomRows

KINDS = {
    "elementwise": Elementwise,
    "random": Random,
    "rows": Rows,
    "random_rows": RandomRows,
    "channels": Channels,
    "pieces": Pieces,
    "gated": Gated,
}

for _kind, _text in docstring.BACKWARD.items():
    KINDS[_kind].backward.__doc__ = _text
