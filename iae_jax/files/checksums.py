"""SHA-256 of what a checkpoint is made of: arrays, a record, files; and how files are removed."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from iae_jax.errors import TransientError, first_line


def kind(leaf: Any) -> str:
    """float32[3, 4], key<fry>[]."""
    return f"{leaf.dtype}{list(leaf.shape)}"


def of_array(array: np.ndarray) -> str:
    """Of its type, its shape and its bytes."""
    return hashlib.sha256(kind(array).encode() + array.tobytes()).hexdigest()


def of_record(record: dict[str, Any]) -> str:
    """Of everything in the record but its own `sha256`."""
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def of_files(folder: epath.Path, but: str) -> dict[str, str]:
    """Of every file below the folder but those of one name, by its path there. Errors: as `read`."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(read(path)).hexdigest()
        for path in sorted(_files(folder))
        if path.name != but
    }


def read(path: epath.Path) -> bytes:
    """What is in a file. Errors: TransientError if it is there and cannot be read: whoever may not read,
    and a store that does not answer, know nothing of damage."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except Exception as error:  # each object store has its own
        raise TransientError(
            f"cannot read {path} ({first_line(error)}): make it readable, or wait until it is, "
            "then run the same command again; to go on without it, move it away"
        ) from error


def remove(folder: epath.Path) -> None:
    """Everything below, and the folder. Of a save that has failed, threads may still write there
    for a moment. Errors: OSError, or what the store raises."""
    for wait in (0.1, 0.3, 1.0, 3.0):
        try:
            return folder.rmtree(missing_ok=True)
        except OSError:
            time.sleep(wait)
    folder.rmtree(missing_ok=True)


def _files(folder: epath.Path) -> Iterator[epath.Path]:
    """Every file below a folder."""
    for path in folder.iterdir():
        yield from _files(path) if path.is_dir() else [path]
