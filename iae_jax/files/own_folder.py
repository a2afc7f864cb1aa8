"""A folder that this user alone can write to, for what is run or believed when it is read again."""

import os
import stat
from pathlib import Path

from iae_jax.errors import InputError

PRIVATE, OTHERS_WRITE = 0o700, 0o022


def own_folder(folder: Path, option: str) -> None:
    """Makes a folder that is not there, also those above it, and checks one that is.

    Args:
      folder: the folder; a link to one is followed.
      option: what could choose another one, for the message.

    Raises:
      InputError: it belongs to another user, others can write to it, anybody can put another one in
        its place, or it cannot be made.
    """
    try:
        for one in (*reversed(folder.parents), folder):
            if not one.is_dir():
                one.mkdir(mode=PRIVATE, exist_ok=True)
        found = folder.stat()
        # Where a link to it lies, too.
        above = (*folder.absolute().parents, *folder.resolve().parents)
        modes = {parent: parent.stat().st_mode for parent in above}
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
    for parent, mode in modes.items():
        # In a sticky folder, as /tmp is, each moves only what is theirs.
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise InputError(
                f"anybody can put another folder in the place of {folder}, and what is kept there "
                f"is run or believed: chmod o-w {parent}, or choose another {option}"
            )
