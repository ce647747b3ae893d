"""The directive ``activation``: signatures and docstrings of an activation or a pass, and of its methods.

Sphinx knows modules, functions and classes; an activation is an object that is called, whose docstring is
made when it is first asked for. So its callables are written out as functions of the module, with the
docstrings that `help` shows, set by numpydoc as any other.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from numpydoc.numpydoc import mangle_docstrings
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

import fastact as fa
from fastact.core.passes import bare

METHODS = "backward", "with_gradient"
"""Those that compute."""


class Activation(SphinxDirective):
    """``.. activation:: NAME``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        documented = getattr(fa, name)
        lines = self.function(name, documented)
        for method in METHODS:
            if hasattr(documented, method):
                lines += ["", *self.function(f"{name}.{method}", getattr(documented, method))]
        holder = nodes.section()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=f"docstring of fastact.{name}"), holder)
        return holder.children

    def function(self, name: str, documented: Any) -> list[str]:
        lines = _without_reference(_without_signature(cleandoc(documented.__doc__))).splitlines()
        mangle_docstrings(self.env.app, "function", f"fastact.{name}", None, {}, lines)
        return [f".. py:function:: fastact.{name}{bare(documented)}", "", *(f"   {line}" for line in lines)]


def _without_signature(text: str) -> str:
    """The docstring without a signature for its first paragraph, which sessions show."""
    first, _, rest = text.partition("\n\n")
    return rest if "\n" not in first and first.endswith(")") else text


def _without_reference(text: str) -> str:
    """The docstring without the paper, which the page names: such lists are no lists by ARIA."""
    text = re.sub(r"^References\n-+\n.*?\n\n", "", text, flags=re.MULTILINE | re.DOTALL)
    return text.replace(" Source: [1]_.", "")


def setup(app: Any) -> None:
    app.add_directive("activation", Activation)
