"""Plain texts as Markdown."""

import re


def fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.strip()}\n```"


def cell(text: str) -> str:
    """A text of a docstring as Markdown: names that have underscores or stars stay as they are."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text.replace("\\", "\\\\"))


def plain(text: str) -> str:
    """cell, outside of code."""
    return "".join(
        part if i % 2 else cell(part) for i, part in enumerate(re.split(r"(`[^`]*`)", text))
    )
