"""Atomic writes of text, JSON, npz and folders: a reader sees the old one or the new one, never a
part."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may probe at the same time
    except OSError as error:
        raise InputError(
            f"cannot write in {folder} ({error.strerror}): choose another {flag}"
        ) from error


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write a file, which takes the place of `path` once the block has ended without an
    error; otherwise nothing is left of it, whatever ended the block.

    Raises: InputError if a folder has that name."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, and a file of that name is written: move it away")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with new_file(path) as part:
        part.write_text(text)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, **arrays: Any) -> None:
    with new_file(path) as part, part.open("wb") as file:
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
      InputError: there are other files, which would be lost.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: move it away")
    for path in folder.iterdir() if folder.exists() else ():
        if not re.fullmatch(ours, path.name):
            raise InputError(f"{folder} has a file {path.name} that would be lost: move it away")
    if folder.exists() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise InputError(f"{folder} has files of another kind, which would be lost: move it away")
    part, before = (folder.with_name(f".{folder.name}.{os.getpid()}.{x}") for x in ("part", "old"))
    for leftover in (part, before):  # of a process that was killed and had this one's number
        shutil.rmtree(leftover, ignore_errors=True)
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
