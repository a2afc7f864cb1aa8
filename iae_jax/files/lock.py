"""Locks between processes, held through an open file and released when it is closed."""

import errno
import sys
from pathlib import Path
from typing import TextIO

from iae_jax.errors import InputError
from iae_jax.files.own_file import own_file

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


def lock(path: Path, *, wait: bool, busy: str = "", option: str = "folder") -> TextIO:
    """Opens a file and locks it until it is closed or the process ends.

    Args:
      path: the file; it is created.
      wait: wait for another process, or refuse.
      busy: the message of the error if another process holds the lock.
      option: what to choose on another file system; ends the message if this one has no locks.

    Raises:
      InputError: another process holds the lock, the file is a link, or the system or the file
        system has no locks.
    """
    if fcntl is None:
        raise InputError(
            f"training and sweeps run on Linux and macOS, not on {sys.platform}: iae_jax.load and "
            "the modes that read a trained run need no locks"
        )
    try:
        file = open(path, "a+", opener=own_file)  # noqa: SIM115
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK):
            raise
        raise InputError(f"{path} is a link, and a lock is a file: remove it") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        file.close()
        raise InputError(busy or f"another process is at work in {path.parent}") from error
    except OSError as error:
        file.close()
        raise InputError(
            f"cannot lock a file in {path.parent} ({error.strerror}): choose a {option} on a file "
            "system that has locks"
        ) from error
    return file
