"""SHA-256 checksums of arrays, of records, and of the files of a checkpoint."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from iae_jax.errors import TransientError, first_line
from iae_jax.files.atomic import write_json

MANIFEST = "files.json"  # in a checkpoint's folder: the checksum of each of its other files


def kind(leaf: Any) -> str:
    """Type and shape of an array: "float32[3, 4]", "key<fry>[]"."""
    return f"{leaf.dtype}{list(leaf.shape)}"


def of_array(array: np.ndarray) -> str:
    """The checksum of an array's type, shape and bytes."""
    return hashlib.sha256(kind(array).encode() + array.tobytes()).hexdigest()


def of_record(record: dict[str, Any]) -> str:
    """The checksum of everything in a record but its own `sha256`."""
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def of_files(folder: epath.Path) -> dict[str, str]:
    """The checksum of every file below a folder, by relative path; but of its manifest, also of one
    that another process is writing.

    Raises:
      TransientError: as `read`.
    """
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(read(path)).hexdigest()
        for path in sorted(_files(folder))
        if not path.name.removeprefix(".").startswith(MANIFEST)
    }


def write_manifest(folder: epath.Path) -> None:
    path, content = folder / MANIFEST, of_files(folder)
    if "://" in str(folder):  # a store, which has no links, and shows a file once it is whole
        path.write_text(json.dumps(content))
    else:
        write_json(Path(path), content)


def damaged_file(folder: epath.Path) -> str | None:
    """The first file that is not what its manifest says: "" if all are, None without a manifest (a
    process that was killed right after a save leaves none).

    Raises:
      TransientError: as `read`.
      ValueError: the manifest is not JSON.
    """
    found = of_files(folder)  # first, since it raises for files that cannot be read now
    if not (folder / MANIFEST).exists():
        return None
    saved = json.loads(read(folder / MANIFEST))
    if not isinstance(saved, dict):
        return MANIFEST
    different = (n for n in sorted(saved.keys() | found.keys()) if saved.get(n) != found.get(n))
    return next(different, "")


def read(path: epath.Path) -> bytes:
    """The content of a file.

    Raises:
      TransientError: the file exists and cannot be read. That is no damage: permission is missing,
        or a store does not answer.
    """
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
    """Removes a folder. Retries, since threads of a failed save may still write to it.

    Raises:
      OSError, or what the object store raises.
    """
    for wait in (0.1, 0.3, 1.0, 3.0):
        try:
            return folder.rmtree(missing_ok=True)
        except OSError:
            time.sleep(wait)
    folder.rmtree(missing_ok=True)


def _files(folder: epath.Path) -> Iterator[epath.Path]:
    for path in folder.iterdir():
        yield from _files(path) if path.is_dir() else [path]
