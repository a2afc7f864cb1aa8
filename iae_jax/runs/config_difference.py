"""A saved config beside another: what is added to it, and what differs."""

import json
from typing import Any


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
