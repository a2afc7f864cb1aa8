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


def write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, **arrays: Any) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path, ours: str, mark: str) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder` once the block has ended without an
    error.

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
    part.mkdir()
    try:
        yield part
        if folder.exists():
            folder.rename(before)
        try:
            part.rename(folder)
        except OSError:
            if before.exists():
                before.rename(folder)
            raise
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
