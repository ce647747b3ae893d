"""How Sphinx builds the site: ``sphinx-build -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

import fastact

# Tools of the site lie beside the pages, in no package that is installed.
sys.path.insert(0, str(Path(__file__).parent))

project = "fastact"
copyright = "fastact developers"
version = release = fastact.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "website.extension",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]
exclude_patterns = ["_build", "generated/*.md"]
numpydoc_show_class_members = False
autodoc_typehints = "none"

html_theme = "pydata_sphinx_theme"
html_favicon = "_static/favicon.svg"
html_title = f"fastact {version}"
html_static_path = ["_static", "generated/static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "choosing": [], "explorer": [], "index": []},
}
# These have no pages below them.
html_sidebars = {page: [] for page in ("index", "start", "choosing", "gradients", "explorer")}
