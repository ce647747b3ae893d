"""What Sphinx builds the site with: the order in which its parts write, a directive, and mathematics.

Pages, tables and figures that come from the catalog, the kernels, the examples and the records of
measurements are written when a build starts, and not checked in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import (
    activation_pages,
    conventions,
    decision_table,
    documenter,
    experiments,
    explorer_formulas,
    figures,
    machines,
    mathml,
    pass_figures,
    pass_pages,
    project_pages,
    promises,
)

WRITERS = (
    *(mathml, project_pages, conventions, decision_table, explorer_formulas, figures, experiments),
    *(activation_pages, pass_figures, pass_pages, promises, machines),
)
"""Each with a `write`, in the order in which they use what the others wrote."""


def write(app: Any, _config: Any = None) -> None:
    """Write all that is generated, before Sphinx looks for pages."""
    docs = Path(app.srcdir)
    for writer in WRITERS:
        writer.write(docs)


def setup(app: Any) -> dict[str, Any]:
    documenter.setup(app)
    mathml.setup(app)
    app.connect("config-inited", write)
    app.connect("source-read", project_pages.relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
