"""The files of a folder, or of a zip of one, opened by name and read within limits."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from iae_jax.data.archive import Archive
from iae_jax.data.limits import MEGABYTE, Limits
from iae_jax.errors import InputError, first_line


class FileSet(NamedTuple):
    """path: of a folder, or of a zip, whose `archive` it is."""

    path: Path
    archive: Archive | None
    limits: Limits

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """One file.

        Raises:
          InputError: it is too large.
          OSError, or what zipfile raises: it cannot be read.
        """
        if self.archive is not None:
            with self.archive.member(name) as file:
                yield file
            return
        with plain_file(self.path / name, self.limits, f"{name} in {self.path}") as file:
            yield file


@contextmanager
def plain_file(path: Path, limits: Limits, called: str) -> Iterator[IO[bytes]]:
    """A file on the disk. Raises: InputError if it is too large, OSError."""
    with path.open("rb") as file:
        limits.check_bytes("file_megabytes", path.stat().st_size, f"{called} has")
        yield file


def open_files(path: Path, limits: Limits) -> FileSet:
    """A folder or zip.

    Raises:
      InputError: it is neither, or as `Archive`.
    """
    if path.is_dir():
        return FileSet(path, None, limits)
    if not path.exists():
        raise InputError(f"no folder or zip {path}: check the path in data.name")
    try:
        return FileSet(path, Archive(path, limits), limits)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{path} is neither a folder nor a readable zip ({first_line(error)}): give the path "
            "of a folder or zip of images"
        ) from error


def text_of(path: Path, limits: Limits, files: FileSet | None = None, member: str = "") -> str:
    """The text of a file, or of a member of a set. Raises: InputError if it cannot be read."""
    called = f"{member} in {path}" if files else str(path)
    try:
        with files.opened(member) if files else plain_file(path, limits, called) as file:
            data = bytearray()
            while piece := file.read(MEGABYTE):  # a device has no size, and no end
                data += piece
                limits.check_bytes("file_megabytes", len(data), f"{called} has")
            return data.decode("utf-8-sig")
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{called} is no text in UTF-8: save it as such") from error
    except Exception as error:  # zipfile documents no complete list
        why = getattr(error, "strerror", None) or first_line(error)
        raise InputError(
            f"{called} cannot be read ({why}): check the path in data.labels"
        ) from error
