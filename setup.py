"""What pyproject.toml cannot say of the package: its description, the README with links that work
where there are no files beside it, as on a package index.

A link to a file of the repository leads to it under `Source` of [project.urls]. As long as that is
not there, the link is its text alone, and a picture is left out: no address is better than a wrong
one.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
# [text](target) and ![text](target), of targets in the repository.
LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<target>[^)\s]+)\)")


def description(text: str, source: str = "") -> str:
    """The README as it can be read anywhere. source: the repository's address, "" if unknown."""

    def replaced(link: re.Match[str]) -> str:
        mark, words, target = link["mark"], link["text"], link["target"]
        if source:
            kind = "raw" if mark else "blob"
            return f"{mark}[{words}]({source.rstrip('/')}/{kind}/HEAD/{target})"
        return "" if mark else words

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(replaced, text))


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    setup(
        long_description=description(
            (ROOT / "README.md").read_text(), project["urls"].get("Source", "")
        ),
        long_description_content_type="text/markdown",
    )
