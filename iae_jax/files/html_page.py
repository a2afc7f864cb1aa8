"""HTML pages from the templates beside this file: one file that asks for nothing else.

A page says so itself: its Content-Security-Policy lets a browser load nothing, and run the one
script that came from here (by its hash). What comes from a run is text; it is always escaped.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

from iae_jax.errors import InputError
from iae_jax.files.atomic import write_text

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = "iae_jax"  # how a page of this package is told from other files


def page(template: str, script: str = "", **values: Any) -> str:
    """The text of a page.

    Args:
      template: a file of the folder.
      script: likewise, of JavaScript, or "".
      values: what the template reads.

    Raises:
      InputError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise InputError("a page needs jinja2: pip install 'iae_jax[train]'") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    code = (TEMPLATES / script).read_text(encoding="utf-8") if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    text = environment.get_template(template).render(
        generator=GENERATOR,
        # Text of this package alone may be markup.
        script=environment.filters["safe"](code),
        script_source=f"'sha256-{digest}'" if script else "'none'",
        **values,
    )
    # Names of files that are no UTF-8.
    return f"{text.encode('utf-8', 'backslashreplace').decode()}\n"


def png_uri(png: bytes) -> str:
    """A PNG as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def write(path: Path, text: str, option: str) -> None:
    """Writes a page, over an older one only. option: the flag that could choose another place.

    Raises:
      InputError: there is another file, or nothing can be written there.
    """
    mark = f'<meta name="generator" content="{GENERATOR}'
    try:
        if path.exists() and mark not in path.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{path} is no page of this command: choose another {option}")
        write_text(path, text)
    except OSError as error:
        reason = f"cannot write {path} ({error.strerror}): choose another {option}"
        raise InputError(reason) from error
