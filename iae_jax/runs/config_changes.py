"""Changes from one nested config to another, and the hash of those from the defaults."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

from iae_jax.runs.renamed import named_before


def changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(dotted field, new value) of each field that differs."""
    for name, value in new.items():
        if isinstance(value, dict):
            for inner, changed in changes(old[name], value):
                yield f"{name}.{inner}", changed
        elif value != old[name]:
            yield name, value


def set_fields(config: Any, fields: Mapping[str, Any]) -> None:
    """Sets dotted fields of a config. Raises: InputError if a section has no such field."""
    for field, value in fields.items():
        section, _, name = field.rpartition(".")
        setattr(attrgetter(section)(config) if section else config, name, value)


def difference(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What changed from one nested config to another: "optimizer.rate: 0.0002 -> 0.0004".

    Values are compared as JSON holds them (a tuple equals a list), so that a config equals its
    saved self.
    """
    lines = []
    old, new = json.loads(json.dumps(old)), json.loads(json.dumps(new))
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            lines.append(f"{name}: {old[name]!r} -> (removed)")
        elif name not in old:
            lines.append(f"{name}: (added) -> {new[name]!r}")
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            lines += [f"{name}.{line}" for line in difference(old[name], new[name])]
        elif old[name] != new[name]:
            lines.append(f"{name}: {old[name]!r} -> {new[name]!r}")
    return lines


def completed(saved: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A saved config with the fields that were added since, at their default."""
    return saved | {
        name: completed(saved[name], value) if isinstance(saved.get(name), dict) else value
        for name, value in defaults.items()
        if name not in saved or isinstance(value, dict)
    }


def hash_of(defaults: dict[str, Any], plain: dict[str, Any]) -> str:
    """A short hash of the fields that are not at their default, so that a field that is added to
    the config later leaves the hash of a run as it was. What a default means must not change. A
    module that has moved keeps its old name in the hash."""
    text = json.dumps(dict(changes(defaults, plain)), sort_keys=True)
    return hashlib.sha256(named_before(text).encode()).hexdigest()[:12]
