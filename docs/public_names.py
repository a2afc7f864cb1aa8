"""The Python API as the site has it: autodoc of the public names, from docstrings in plain text."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

from texts import fenced, plain

import iae_jax

MODULES = ("config", "networks", "priors")  # among the public names
SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields):")
ITEM = re.compile(r"[a-z]\w*(, [a-z]\w*)*: ")


def public_names() -> str:
    """autodoc of everything in iae_jax.__all__."""
    parts = []
    for name in sorted(iae_jax.__all__, key=str.lower):
        if name in (*MODULES, "__version__"):
            continue
        one = getattr(iae_jax, name)
        parts.append(f"## {name}\n\n{directive(f'iae_jax.{name}', one)}")
    for name in MODULES:
        module = getattr(iae_jax, name)
        parts.append(f"## iae_jax.{name}\n\n{plain(first_lines(module))}")
        for own, one in members(module):
            parts.append(directive(f"{module.__name__}.{own}", one))
    return "\n\n".join(parts)


def first_lines(one: Any) -> str:
    return " ".join((inspect.getdoc(one) or "").split("\n\n")[0].split())


def members(module: Any) -> Iterable[tuple[str, Any]]:
    """The public functions and classes of a module."""
    names = getattr(module, "__all__", None) or [
        name
        for name, one in vars(module).items()
        if not name.startswith("_") and getattr(one, "__module__", "") == module.__name__
    ]
    return [(name, getattr(module, name)) for name in names if callable(getattr(module, name))]


def directive(path: str, one: Any) -> str:
    """autodoc of one name, with its public methods that have a docstring."""
    if inspect.isclass(one):
        methods = [
            name
            for name, own in vars(one).items()
            if not name.startswith("_")
            and (inspect.isfunction(own) or isinstance(own, property))
            and inspect.getdoc(own)
        ]
        lines = [f".. autoclass:: {path}", f"   :members: {', '.join(methods)}"]
        return fenced("\n".join(lines if methods else lines[:1]), "{eval-rst}")
    kind = "autofunction" if callable(one) else "autodata"
    return fenced(f".. {kind}:: {path}", "{eval-rst}")


def plain_docstring(
    app: Any, what: str, name: str, one: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings are plain text. `name: text` at the begin of a line, outside of the sections that
    napoleon reads, becomes an item of a list; stars, bars and underscores mean nothing."""
    found: list[str] = []
    item = section = False
    for line in lines:
        section = bool(SECTION.fullmatch(line)) or (section and (not line or line[0] == " "))
        if not line or section:
            item = False
        elif ITEM.match(line):
            found += [] if item else [""]
            line, item = f"- {line}", True
        elif item:
            line = f"  {line.strip()}"
        found.append(escaped(line))
    lines[:] = found


def escaped(line: str) -> str:
    return "".join(
        f"``{part.strip('`')}``" if at % 2 else re.sub(r"([*|\\]|_\b)", r"\\\1", part)
        for at, part in enumerate(re.split(r"(`+[^`]+`+)", line))
    )
