"""Names that are not those of activations here: other libraries' spellings, and mistakes."""

from __future__ import annotations

import difflib
from typing import NoReturn

from .. import activations, passes
from ..catalog.spellings import Meaning, meanings, spellings
from .bound import Activation


def elsewhere(name: str) -> Activation:
    """What other libraries mean by a name; ValueError where none has it, or two differ."""
    known = meanings(name)
    if not known:
        _refuse(name)
    if len(set(known.values())) > 1:
        bare = name.rpartition(":")[2]
        choices = ", ".join(f"{library}:{bare} is {_shown(meaning)}" for library, meaning in known.items())
        raise ValueError(f"{name!r} is not the same everywhere: {choices}; say which")
    library, meaning = next(iter(known.items()))
    if meaning.instead:
        raise ValueError(f"{name!r} of {library} is no activation here; instead of it call {meaning.instead}")
    activation = activations[meaning.name]
    return activation.bind(**dict(meaning.parameters)) if meaning.parameters else activation


def _shown(meaning: Meaning) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in meaning.parameters)
    return meaning.instead or f"{meaning.name}({given})"


def _refuse(name: str) -> NoReturn:
    library, colon, rest = name.partition(":")
    if colon and library not in spellings():
        raise ValueError(f"there is no activation {name!r}; libraries are {', '.join(spellings())}")
    if name in passes:
        raise ValueError(f"{name!r} is no activation but a pass around them; it is fastact.{name}")
    names = spellings()[library] if colon else activations
    others = () if colon else passes
    close = difflib.get_close_matches(rest if colon else name.lower(), [*names, *others], n=3, cutoff=0.5)
    close = [f"{found} (a pass, fastact.{found})" if found in others else found for found in close]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ValueError(f"there is no activation {name!r}; {hint}Known are {', '.join(sorted(names))}")
