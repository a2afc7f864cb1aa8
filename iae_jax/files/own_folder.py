"""A folder that this user alone can write to, for what is run or believed when it is read again."""

import os
from pathlib import Path

from iae_jax.errors import InputError

PRIVATE, OTHERS_WRITE = 0o700, 0o022


def own_folder(folder: Path, option: str) -> None:
    """Makes a folder that is not there, and checks one that is.

    Args:
      folder: the folder; a link to one is followed.
      option: what could choose another one, for the message.

    Raises:
      InputError: it belongs to another user, others can write to it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder} ({error.strerror}): choose another {option}"
        ) from error
    if not hasattr(os, "geteuid"):  # not a POSIX system
        return
    if found.st_uid != os.geteuid():
        raise InputError(
            f"{folder} belongs to another user, and what is kept there is run or believed: choose "
            f"another {option}"
        )
    if found.st_mode & OTHERS_WRITE:
        raise InputError(
            f"others can write to {folder}, and what is kept there is run or believed: empty it "
            f"and chmod go-w {folder}, or choose another {option}"
        )
