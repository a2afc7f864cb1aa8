"""Links between the pages of the repository: each leads to a file that is there, and to a heading
that the page has. `make links` asks other addresses. See test_links.py for links in folders."""

import importlib
import re
import sys
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "RESULTS.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "experiments").glob("*.md")),
]
FENCED = re.compile(r"^(```+).*?^\1", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+).+?\1")


def links(text):
    """Targets of Markdown's links and pictures, and of HTML's, without addresses."""
    text = CODE.sub("", FENCED.sub("", text))
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text)
    found += re.findall(r"^\[[^\]]+\]:\s+(\S+)", text, re.MULTILINE)
    found += re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [one for one in found if not re.match(r"https?:|mailto:", one)]


def anchors(text):
    """What headings are called in a link, as GitHub and the site make it."""
    found, text = set(), FENCED.sub("", text)
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.replace("\\", "").lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", one) is not None for one in found)
        found.add(f"{name}-{number}" if number else name)
    return found


def broken(page, generated):
    """generated: (text, name of a page) -> the text as the site has it."""
    found = []
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists():
            found.append(link)
        elif anchor and target.suffix == ".md":
            text = target.read_text()
            if target.is_relative_to(DOCS):
                text = generated(text, str(target.relative_to(DOCS).with_suffix("")))
            if anchor not in anchors(text):
                found.append(link)
    return found


@pytest.fixture(scope="module")
def generated():
    with mock.patch("sys.path", [str(DOCS), *sys.path]):
        return importlib.import_module("generated_text").generated


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page, generated):
    assert broken(page, generated) == []


def test_there_are_links_and_anchors():
    found = [link for page in PAGES for link in links(page.read_text())]
    assert len(found) > 120 and sum("#" in link for link in found) > 20


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# A `word`, and [more](x)\n## Twice\n## Twice\n")
    text = "# Own\n[a](there.md#a-word-and-more) [b](#own) [c](there.md#twice-1) ![d](no.png)\n"
    text += (
        "[e](there.md#no) [f](#no) [g](https://no) `[h](no.md)`\n```\n[i](no)\n```\n[j]: no.md\n"
    )
    (tmp_path / "page.md").write_text(text)
    wrong = ["no.png", "there.md#no", "#no", "no.md"]
    assert broken(tmp_path / "page.md", None) == wrong
