"""A file of JSON objects, one a line, to which several processes add."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from iae_jax.errors import InputError
from iae_jax.files import lock
from iae_jax.files.own_file import own_file


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Adds a line, whole, after those that others add at the same time. NaN and infinity are
    refused.

    Raises: OSError, also as `own_file`, and for a disk that is full.
    """
    data = (json.dumps(line, allow_nan=False) + "\n").encode()
    with open(path, "ab+", buffering=0, opener=own_file) as file:
        # On one machine the system appends what one call writes in one piece; between machines,
        # which share a file system, only a lock does, if it has any.
        if lock.fcntl is not None:
            with suppress(OSError):
                lock.fcntl.flock(file, lock.fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # of a line that was cut
                data = b"\n" + data
        if file.write(data) != len(data):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def check_appendable(path: Path) -> None:
    """Raises: OSError if no line could be added; nothing is written. A full disk is not seen."""
    if os.path.lexists(path):
        open(path, "rb+", buffering=0, opener=own_file).close()
    elif not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All lines; none if there is no file. Raises: InputError for one that is no JSON object."""
    if not path.exists():
        return []
    found = []
    for number, text in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            line = json.loads(text) if text.strip() else None
        except ValueError:  # no JSON, or no UTF-8
            line = text
        if isinstance(line, dict):
            found.append(line)
        elif line is not None:
            raise InputError(f"line {number} of {path} is damaged: mend it from a backup")
    return found
