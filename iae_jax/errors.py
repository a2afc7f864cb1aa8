"""Errors that a user can mend, and the exit codes of the commands that meet them."""

import errno
from collections.abc import Collection
from difflib import get_close_matches

EXIT_USER = 2  # what the user gave cannot work
EXIT_TRANSIENT = 75  # may work later without a change: EX_TEMPFAIL of sysexits.h

# Of OSError: a full disk, a storage that does not answer.
_TRANSIENT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)

MAX_LINE = 500  # characters of another library's message that are repeated in ours


class InputError(ValueError):
    """What the user gave cannot work; the message is one line that says what to do."""


class TransientError(InputError):
    """May be over by itself, so that the same command can succeed later: a store that does not
    answer, a full disk, processes that are late."""


def may_pass(error: BaseException) -> bool:
    """Whether the same command can succeed later without a change."""
    number = error.errno if isinstance(error, OSError) else None
    return isinstance(error, TransientError) or number in _TRANSIENT


def first_line(error: object) -> str:
    """The first line of an error's message, or its class name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MAX_LINE]


def meant(word: str, known: Collection[str]) -> str:
    """Follows an unknown word in a message: the known one that is nearest, if any is near."""
    near = get_close_matches(word, known, n=1)
    return f" (do you mean {near[0]}?)" if near else ""
