"""The site: `make docs` builds it from this folder, without a network; warnings are errors."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PATHS = [str(ROOT), str(ROOT / "tests" / "extending")]
sys.path[:0] = [*PATHS, str(DOCS)]
# What notebooks run: on CPUs, compiled in little time and once, the examples of extending at hand.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".compiled_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("TFDS_DATA_DIR", str(ROOT / "build" / "docs_data"))
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, os.environ.get("PYTHONPATH", "")])

import iae_jax  # noqa: E402

project, release = "iae_jax", iae_jax.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated_text",
]
html_theme, html_title = "furo", f"iae_jax {release}"
smartquotes = False  # flags begin with two dashes
html_show_copyright = html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_render_markdown_format = "gfm"  # tables
nb_execution_raise_on_error = nb_execution_in_temp = nb_merge_streams = True
nb_execution_timeout = 200  # seconds a cell

autodoc_member_order = "bysource"
# `make links` asks every address, and needs a network.
linkcheck_timeout, linkcheck_workers = 20, 4
