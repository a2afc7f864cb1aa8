"""The pictures in a run's folder, as a page shows them: as they are, in the page itself."""

from pathlib import Path
from typing import NamedTuple

from iae_jax.files.html_page import png_uri

# (heading, files of which the last is shown: shorter names first, as of smaller steps).
PICTURES = (
    ("in training", "figures/step_*.png"),
    ("reconstructions", "reconstructions.png"),
    ("samples", "samples.png"),
    ("interpolations", "interpolations.png"),
    ("traversals", "traversals.png"),
    ("codes", "codes_*.png"),
)
MAX_BYTES = 2_000_000  # of the pictures of a run; those that come too late are named


class Picture(NamedTuple):
    """caption: what it is, and its file. uri: of its content, "" if it is too large."""

    caption: str
    uri: str


def pictures(workdir: Path, limit: int = MAX_BYTES) -> list[Picture]:
    """Of a run, those that are there. limit: bytes of all."""
    found, left = [], min(limit, MAX_BYTES)
    for heading, pattern in PICTURES:
        if paths := sorted(workdir.glob(pattern), key=lambda path: (len(path.name), path.name)):
            png, uri = paths[-1].read_bytes(), ""
            if len(png) <= left:
                left, uri = left - len(png), png_uri(png)
            found.append(Picture(f"{heading}: {paths[-1].relative_to(workdir).as_posix()}", uri))
    return found
