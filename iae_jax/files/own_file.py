"""Files that are added to or cut where they lie, opened so that none of anybody else's is."""

import errno
import os


def own_file(path: str, flags: int) -> int:
    """Opens a file that has this name alone: the `opener` of `open` in every mode but "w", which
    would cut the file before it is looked at. Whoever has made its folder could have put a link to
    another one there.

    Raises:
      OSError: as `os.open`; also where it is a link, ELOOP, or has a second name, EMLINK.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), path)
    return descriptor
