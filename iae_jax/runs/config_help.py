"""The text of --help_config: every field of the config, from the docstrings of its dataclasses.

A docstring has a text for each field, `name: text` or `name, name: text`, up to the next one or to
the end of the paragraph. The text of a section is the rest of its class's docstring.
"""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from iae_jax.errors import InputError, meant
from iae_jax.runs.config import Config

WIDTH = 100


def texts_of(section: type) -> dict[str, str]:
    """Each field's text in the docstring of a dataclass; that of the class is under ""."""
    names = "|".join(sorted((one.name for one in dataclasses.fields(section)), key=len)[::-1])
    marker = re.compile(rf"(?:^|(?<=\s))((?:{names})(?:, (?:{names}))*): ")
    found: dict[str, str] = {}
    for paragraph in inspect.cleandoc(section.__doc__ or "").split("\n\n"):
        before, *parts = marker.split(" ".join(paragraph.split()))
        found[""] = " ".join(filter(None, (found.get("", ""), before.strip())))
        for fields, text in zip(parts[::2], parts[1::2], strict=True):
            found |= dict.fromkeys(fields.split(", "), text.strip())
    return found


def fields_of(section: Any, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """(dotted name, default, text) of every field at any depth; a section comes before its fields,
    with None as its default."""
    texts = texts_of(type(section))
    for field in dataclasses.fields(section):
        name, value = prefix + field.name, getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            text = texts.get(field.name) or texts_of(type(value))[""]
            yield name, None, text
            yield from fields_of(value, f"{name}.")
        else:
            yield name, value, texts.get(field.name, "")


def config_help() -> str:
    """Every field that --config.FIELD=VALUE can set: its type, default and text."""
    lines = []
    for name, default, text in fields_of(Config()):
        head = name if default is None else f"{name}: {type(default).__name__} = {default!r}"
        lines += [head, textwrap.indent(textwrap.fill(text, WIDTH - 4), "    ")]
    return "\n".join(lines)


def check_fields(names: Iterable[str]) -> None:
    """Raises: InputError for a dotted name that is no field of the config, with the nearest."""
    known = [name for name, default, _ in fields_of(Config()) if default is not None]
    for name in names:
        if name not in known:
            raise InputError(
                f"there is no config field {name}{meant(name, known)}: see --help_config"
            )
