"""Atomic writes of text, JSON and npz: a reader sees the old file or the new one, never a part."""

import json
import os
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
