"""The header of an npy file, or of a member of an npz, read without its array."""

import math
from typing import IO, NamedTuple

import numpy as np

MAX_HEADER = 10_000  # characters, as numpy has it


class Header(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def header_of(file: IO[bytes], size: int) -> Header:
    """What the array of a file says that it is.

    Args:
      file: at its beginning.
      size: of the file in bytes.

    Raises:
      ValueError: it is no npy file of plain numbers or text, or too short for that array.
    """
    version = np.lib.format.read_magic(file)
    # numpy reads a header of any length, four gigabytes even, before it looks at the length.
    start = file.read(2 if version == (1, 0) else 4)
    if (length := int.from_bytes(start, "little")) > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes")
    file.seek(0)
    np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # of fields with names
        raise ValueError("it is no array of numbers or text")
    header = Header(dtype, shape)
    if not dtype.hasobject and header.nbytes > size:
        raise ValueError(f"its array {dtype}{list(shape)} has more bytes than it")
    return header
