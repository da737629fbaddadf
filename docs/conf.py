"""Settings of the documentation site: `make docs` builds it, offline, and a warning is an error."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from geojax.version import __version__  # noqa: E402

project = "geojax"
version = release = __version__
extensions = ["docstrings", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb", "mathml", "pages"]
exclude_patterns = ["extensions"]
default_role = "code"

html_theme = "furo"
html_title = f"geojax {version}"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False

myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_output_stderr = "remove"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
# The letters of a shape, as in Float[Array, "queries d"], are no references.
suppress_warnings = ["ref.python"]
