"""Sphinx' configuration: `make docs` builds the pages, `make test` with errors for warnings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import parallelflow  # noqa: E402

project = "Parallel Flow"
author = "The Parallel Flow developers"
copyright = author
version = release = parallelflow.version

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "examples"]
# Quotes are made typographic, "--option" stays as it is.
smartquotes_action = "qe"
suppress_warnings = ["myst.strikethrough"]

# Links in the sources are those that a code host understands: file.md#heading.
myst_heading_anchors = 4

# Docstrings are in numpydoc form.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
# The docstrings tell the types; with them in the signatures these are ten lines long.
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
default_role = "code"

html_theme = "alabaster"
html_title = f"Parallel Flow {version}"
html_theme_options = {
    "description": f"Version {version}: run VisTrails' loops in parallel on IPython engines",
    "fixed_sidebar": True,
    "page_width": "1200px",
    "body_max_width": "100%",
    "sidebar_width": "240px",
    "show_powered_by": False,
    "show_relbars": True,
}
# The search is above the list of pages, which is longer than some screens.
html_sidebars = {"**": ["about.html", "searchbox.html", "navigation.html"]}
html_static_path = ["_static"]
html_js_files = ["tables.js"]
html_show_sourcelink = False
html_copy_source = False
