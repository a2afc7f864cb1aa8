"""The metrics log of a run, metrics.jsonl: one JSON object per line."""

import json
import os
from pathlib import Path
from typing import Any

from iae_jax.files.atomic import write_text
from iae_jax.files.own_file import own_file


class MetricsLog:
    """Appends to metrics.jsonl. Opening it cuts the lines after the checkpoint that a run resumes
    from, so that every step is logged exactly once.

    Args:
      path: the file.
      lines: how many lines to keep, those that the checkpoint has counted.
    """

    def __init__(self, path: Path, lines: int):
        self.path = path
        existing = path.read_bytes().splitlines(keepends=True)[:lines] if path.exists() else []
        kept = [line.decode() for line in existing if _valid(line)]
        write_text(path, "".join(kept))
        self.lines = len(kept)

    def write(self, record: dict[str, Any]) -> None:
        with open(self.path, "a", opener=own_file) as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())  # the next checkpoint counts this line
        self.lines += 1

    def records(self) -> list[dict[str, Any]]:
        return read(self.path)


def read(path: Path) -> list[dict[str, Any]]:
    """The whole records of a metrics log, which stays as it is; none if there is no file."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if _valid(line)]


def _valid(line: bytes) -> bool:
    """Whether a line is a whole record. A machine that died may leave half of one, and another
    program may write anything."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
