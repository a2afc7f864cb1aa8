"""Atomic writes of text, JSON, npz and folders: a reader sees the old one or the new one, never a
part."""

import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from iae_jax.errors import InputError


def open_folder(folder: Path, flag: str) -> None:
    """Makes a folder and checks that files can be written in it.

    Args:
      folder: the folder.
      flag: the option to name in the error message.

    Raises:
      InputError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"cannot write in {folder} ({error.strerror}): choose another {flag}"
        ) from error


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path`, or of a link there, once the block has
    ended without an error; otherwise nothing is left of it, whatever ended the block.

    Raises: InputError if a folder has that name."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, and a file of that name is written: move it away")
    part = _beside(path, "part")
    try:
        with part.open("x+b") as file:  # by no link: nothing of that name is there
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with new_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Any) -> None:
    """Writes JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, **arrays: Any) -> None:
    with new_file(path) as file:
        np.savez(file, **arrays)


@contextmanager
def new_folder(folder: Path, ours: str, mark: str) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder` once the block has ended without an
    error; otherwise nothing is left of it, as with `new_file`.

    Args:
      folder: where it will be; one that is there is replaced.
      ours: a regular expression of the names of files that may be replaced.
      mark: the file that every folder of this kind has.

    Raises:
      InputError: there are other files, which would be lost, or it is a link.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        what = "link" if folder.is_symlink() else "file"
        raise InputError(f"{folder} is a {what}: move it away")
    for path in folder.iterdir() if folder.exists() else ():
        if not re.fullmatch(ours, path.name):
            raise InputError(f"{folder} has a file {path.name} that would be lost: move it away")
    if folder.exists() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise InputError(f"{folder} has files of another kind, which would be lost: move it away")
    part, before = _beside(folder, "part"), _beside(folder, "old")
    part.mkdir()
    try:
        yield part
        if folder.exists():
            folder.rename(before)
        part.rename(folder)
    finally:
        if before.exists() and not folder.exists():
            before.rename(folder)
        for unfinished_or_old in (part, before):
            shutil.rmtree(unfinished_or_old, ignore_errors=True)


def _beside(path: Path, kind: str) -> Path:
    """A hidden name in the same folder that nobody could have foreseen and put a link at."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{kind}")
