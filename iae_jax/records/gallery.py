"""One HTML file with a table and the pictures of runs, which needs no other file and no network."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from iae_jax.errors import InputError
from iae_jax.files.atomic import write_text
from iae_jax.records.comparison import Column
from iae_jax.records.tables import Table

# Pictures of a workdir: (heading, files of which the last in order of name is shown).
PICTURES = (
    ("in training", "figures/step_*.png"),
    ("curves", "figures/curves.png"),
    ("reconstructions", "reconstructions.png"),
    ("samples", "samples.png"),
    ("interpolations", "interpolations.png"),
    ("traversals", "traversals.png"),
)
GENERATOR = '<meta name="generator" content="iae_jax.report">'
STYLE = """
body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { border-bottom: 1px solid #ccc; padding: .2em .8em; text-align: left }
.number { text-align: right }
img { max-width: 100% }
figure { margin: 1em 0 }
"""


def gallery(table: Table, columns: Sequence[Column]) -> str:
    """The page: the table, then the pictures of every run."""
    parts = ["<h1>Runs</h1>", _table(table)]
    for column in columns:
        for workdir in column.workdirs:
            parts.append(f"<h2>{html.escape(str(workdir))}</h2>")
            parts += _pictures(workdir) or ["<p>There are no pictures in this folder.</p>"]
    head = f'<meta charset="utf-8">\n{GENERATOR}\n<title>Runs</title>\n<style>{STYLE}</style>'
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n'
        "</html>\n"
    )


def write(path: Path, page: str) -> None:
    """Writes the page, over an older one only.

    Raises:
      InputError: there is another file, or nothing can be written there.
    """
    try:
        if path.exists() and GENERATOR not in path.read_text(errors="replace"):
            raise InputError(f"{path} is no page of this command: choose another --page")
        write_text(path, page)
    except OSError as error:
        reason = f"cannot write {path} ({error.strerror}): choose another --page"
        raise InputError(reason) from error


def _table(table: Table) -> str:
    kinds = ["number" if name in table.numbers else "text" for name in table.header]

    def row(cells: Sequence[str], tag: str) -> str:
        inner = (
            f'<{tag} class="{kind}">{html.escape(cell)}</{tag}>'
            for cell, kind in zip(cells, kinds, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    rows = "\n".join([row(table.header, "th"), *(row(cells, "td") for cells in table.rows)])
    return f"<table>\n{rows}\n</table>"


def _pictures(workdir: Path) -> list[str]:
    """A run's pictures, each within the page."""
    found = []
    for heading, pattern in PICTURES:
        if paths := sorted(workdir.glob(pattern)):
            picture = base64.b64encode(paths[-1].read_bytes()).decode("ascii")
            name = paths[-1].relative_to(workdir).as_posix()
            caption = html.escape(f"{heading}: {name}")
            found.append(
                f'<figure><figcaption>{caption}</figcaption>\n<img alt="{caption}" '
                f'src="data:image/png;base64,{picture}"></figure>'
            )
    return found
