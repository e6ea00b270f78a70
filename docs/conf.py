"""Sphinx configuration: Markdown pages by MyST-NB, run when the site is built."""

from importlib.metadata import version as version_of

project = "finetune_kit"
author = "The finetune_kit authors"
copyright = "the finetune_kit authors"
version = release = version_of("finetune-kit")

extensions = ["myst_nb", "sphinx_copybutton"]
exclude_patterns = ["_build", ".jupyter_cache"]
nitpicky = True

# Every page with code is run at every build, since what it shows depends on the kit; a cell that fails fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True
# The libraries' warnings belong into the run's log, not onto the page.
nb_output_stderr = "remove"
suppress_warnings = ["mystnb.unknown_mime_type"]
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = "finetune_kit"
html_copy_source = False
