"""Npz files written row by row, so that memory does not grow with the number of rows."""

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from iae_jax.files.atomic import new_file


class NpzWriter:
    """Writes an npz file of arrays that grow by rows. A context manager: the file is there, whole,
    once the block has ended without an error, and otherwise as it was before.

    Until then the rows lie in unnamed files in the same folder, which needs room for them twice.
    The members are not compressed, as `numpy.savez` leaves them.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._opened = path, ExitStack()
        self._rows: dict[str, IO[bytes]] = {}
        self._first: dict[str, np.ndarray] = {}  # of each array: no row, but its type and shape
        self._counts: dict[str, int] = {}
        self._whole: dict[str, np.ndarray] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def append(self, rows: Mapping[str, Any]) -> None:
        """Adds rows [N, ...] to the arrays of these names; None is left out.

        Raises:
          ValueError: of an array, rows of another type or shape than before.
        """
        for name, values in rows.items():
            if values is None:
                continue
            values = np.ascontiguousarray(values)
            like = self._first.setdefault(name, values[:0])
            if (values.dtype, values.shape[1:]) != (like.dtype, like.shape[1:]):
                raise ValueError(f"rows of {name} are {values.dtype}{list(values.shape[1:])}")
            if name not in self._rows:
                rows_file = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
                self._rows[name] = self._opened.enter_context(rows_file)
            self._rows[name].write(values.tobytes())
            self._counts[name] = self._counts.get(name, 0) + len(values)

    def add(self, **arrays: Any) -> None:
        """Adds whole arrays; None is left out."""
        self._whole |= {k: np.asarray(v) for k, v in arrays.items() if v is not None}

    def reshape(self, name: str, shape: tuple[int, ...]) -> None:
        """The shape that the rows of an array have in the file."""
        self._shapes[name] = shape

    def __enter__(self) -> "NpzWriter":
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        with self._opened:
            if kind is None:
                self._write()

    def _write(self) -> None:
        with (
            new_file(self.path) as file,
            zipfile.ZipFile(file, "w", allowZip64=True) as archive,
        ):
            for name, like in self._first.items():
                shape = (self._counts[name], *like.shape[1:])
                header = np.lib.format.header_data_from_array_1_0(like)
                header |= {"shape": self._shapes.get(name, shape)}
                self._rows[name].seek(0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array_header_2_0(member, header)
                    shutil.copyfileobj(self._rows[name], member, 2**20)
            for name, array in self._whole.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
