"""Files that are added to or cut where they lie, opened so that none of anybody else's is."""

import errno
import os
import stat


def own_file(path: str, flags: int) -> int:
    """Opens a file that has this name alone: the `opener` of `open` in every mode but "w", which
    would cut the file before it is looked at. Whoever has made its folder could have put a link to
    another one there.

    Raises:
      OSError: as `os.open`; also where it is a link, ELOOP, has a second name, EMLINK, or is a pipe
        or a device, ENXIO.
    """
    # A pipe without a reader would be waited for.
    own = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | own, 0o666)
    found = os.fstat(descriptor)
    for wrong, number in (
        (not stat.S_ISREG(found.st_mode), errno.ENXIO),
        (found.st_nlink > 1, errno.EMLINK),
    ):
        if wrong:
            os.close(descriptor)
            raise OSError(number, os.strerror(number), path)
    return descriptor
