"""Settings of Sphinx for `make docs`; `scripts/docs.py` gathers the pages and runs it."""

import importlib.metadata
import inspect

project = "HAKMEM workbench"
release = importlib.metadata.version("hakmem-workbench")
extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]

# Pages: Markdown, whose headings can be linked to as on GitHub, and notebooks as they were executed.
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"

# Reference: from docstrings. A name in single backquotes is a link where it is one of ours.
maximum_signature_line_length = 90
default_role = "py:obj"
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    ("py:.*", r"(?!workbench\.).*"),
    # Types of results that are made and shown by the package's own functions.
    ("py:.*", r"workbench\.(curves|display|table|watch|traces\.analysis|export\.verification)\..*"),
    # Parts of a run and of what it uses: docs/experiments.md explains them where a plan gives them.
    ("py:.*", r"workbench\.processes\.(figures|memory|server)\..*"),
    # What a study of a live process asks its experiments of, which tests replace.
    ("py:.*", r"workbench\.tuning\.live_search\.Judge"),
    # What the panel's page and kernel send each other stands in some signatures and is no interface.
    ("py:.*", r"workbench\.panel\.protocol\..*"),
]

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["docs/site.css"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
# Pages without pages below them need no list of pages beside them.
html_sidebars = {"docs/tutorial": [], "docs/how_it_works": [], "index": []}
html_theme_options = {
    "navbar_align": "left",
    "collapse_navigation": False,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def hide_constructor(_app, what, _name, value, _options, signature, _returns):
    """Show no parameters of a class whose docstring lists none: users do not construct its objects."""
    is_hidden = (
        what == "class" and signature and "Parameters\n---" not in inspect.cleandoc(value.__doc__ or "")
    )
    return ("", None) if is_hidden else None


def setup(app):
    """Connect what Sphinx calls while it builds."""
    app.connect("autodoc-process-signature", hide_constructor)
