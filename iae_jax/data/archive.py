"""A zip, or the zip that an npz is, of somebody else: what it says of itself is checked before it
is believed."""

import io
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from iae_jax.data.limits import MEGABYTE, Limits
from iae_jax.errors import InputError

# Others unpack to any size from a few bytes, before their declared size is looked at.
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK = 2**16  # bytes that are unpacked at once
_ENTRY = b"PK\x01\x02"  # each in the list of entries begins so
_ENTRY_BYTES = 1024  # in that list, on the average: far more than they are


class ArchiveFile(io.BufferedReader):
    """The file of a zip, which `zipfile` has to read its list of entries from in one piece: one
    that is too long is refused before it is parsed.

    Raises: InputError from `read`, before `listed` is set.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(io.FileIO(path))
        self._path, self._limits, self.listed = path, limits, False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.listed:
            return super().read(size)
        if (size or 0) > self._limits.entries * _ENTRY_BYTES + MEGABYTE:
            raise self._too_many((size or 0) // 46)  # bytes of the shortest
        data = super().read(size)
        if (count := data.count(_ENTRY)) > self._limits.entries:
            raise self._too_many(count)
        return data

    def _too_many(self, count: int) -> InputError:
        return self._limits.above("entries", count, f"{self._path} has {count} entries")


class _Member(io.RawIOBase):
    """A member of a zip, unpacked piece by piece: `zipfile` unpacks as much as is asked for before
    it cuts that to what the member declares."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(min(len(buffer), CHUNK))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        self._file.close()
        super().close()


class Archive(zipfile.ZipFile):
    """A zip of files, read within limits. Names of its files have "/", or what Windows has.

    Raises:
      InputError: it has too many entries, too much in all, or names that lead out of it.
      zipfile.BadZipFile, OSError: it is none, or cannot be read.
    """

    _file: ArchiveFile | None = None  # `close` is called where even `__init__` has failed

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits, self._path = limits, path
        self._file = ArchiveFile(path, limits)
        super().__init__(self._file)
        self._file.listed = True
        for name in self.namelist():
            plain = name.replace("\\", "/")
            if ".." in plain.split("/") or _absolute(plain):
                raise InputError(
                    f"{path} has a file {name}, which is a place outside of it: pack it again with "
                    "names that begin in it"
                )
        total = sum(info.file_size for info in self.infolist())
        limits.check_bytes("megabytes", total, f"{path} unpacks to")

    def member(self, name: str) -> io.BufferedReader:
        """One of its files, of which no more is unpacked than it declares.

        Raises:
          InputError: it declares too much, or is packed in an unusual way.
        """
        info = self.getinfo(name)
        check_plain(info, self._path)
        self._limits.check_bytes("file_megabytes", info.file_size, f"{name} in {self._path} has")
        return io.BufferedReader(_Member(self.open(info)), CHUNK)

    def close(self) -> None:
        super().close()
        if self._file is not None:
            self._file.close()


def check_plain(info: zipfile.ZipInfo, path: Path) -> None:
    """Raises: InputError for a member that is neither stored nor deflated."""
    if info.compress_type not in PLAIN:
        raise InputError(
            f"{info.filename} in {path} is packed by method {info.compress_type}, and only stored "
            "and deflated files are read: pack it again"
        )


def _absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()
