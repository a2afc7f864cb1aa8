"""What a set of images is: random access to one split (`Source`), and all of it decoded."""

import abc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iae_jax.errors import InputError, first_line

MOST_CLASSES = 100_000  # of files of one's own: a judge has a logit for each


class Dataset(NamedTuple):
    """Decoded images and their labels.

    images: uint8[N, H, W, C].
    labels: int32[N]; -1 where there is none.
    """

    images: np.ndarray
    labels: np.ndarray


class Source(abc.ABC):
    """Random access to the images of one split.

    shape: (H, W, C) of every image.
    classes: the number of classes, or None if the set has no labels.
    """

    shape: tuple[int, int, int]
    classes: int | None

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abc.abstractmethod
    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        """The images at ``positions: int[N]``, in that order; much faster than one by one."""

    @abc.abstractmethod
    def labels(self) -> np.ndarray:
        """int32[N], as those of `read`; decodes no image."""

    def __getitem__(self, position: int) -> tuple[np.ndarray, int]:
        """One image, uint8[H, W, C], and its label. IndexError beyond the end."""
        images, labels = self.read([range(len(self))[position]])
        return images[0], int(labels[0])

    @property
    def nbytes(self) -> int:
        """Size of all images once decoded, in bytes: does the set fit on the device?"""
        height, width, channels = self.shape
        return len(self) * height * width * channels


def load(source: Source) -> Dataset:
    """All images of a source, decoded: `source.nbytes` of memory, ~7,000 MNIST images/s."""
    return source.read(np.arange(len(source)))


class ArraySource(Source):
    """Images that are already in memory."""

    def __init__(self, data: Dataset, classes: int | None) -> None:
        self.data = data
        self.shape = data.images.shape[1:]
        self.classes = classes

    def __len__(self) -> int:
        return len(self.data.images)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        return Dataset(self.data.images[positions], self.data.labels[positions])

    def labels(self) -> np.ndarray:
        return self.data.labels


def slices_of(split: str, sizes: dict[str, int]) -> list[tuple[str, slice]]:
    """TFDS's slicing string -> where its images are: [(name of a split, slice of it)].

    Raises:
      InputError: it cannot be read, is out of range, or selects nothing.
    """
    import tensorflow_datasets as tfds

    infos = {
        key: tfds.core.SplitInfo(
            name=key, shard_lengths=[size], num_bytes=0, filename_template=None
        )
        for key, size in sizes.items()
    }
    have = ", ".join(f"{key} ({size} images)" for key, size in sizes.items())
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except Exception as error:  # ValueError, AssertionError, NotImplementedError
        why = first_line(error).rstrip(".")
        raise InputError(f"split {split!r}: {why}; there is {have}") from error
    slices = [(part.splitname, slice(part.from_, part.to)) for part in parts]
    if not any(len(range(sizes[key])[where]) for key, where in slices):
        raise InputError(f"split {split!r} selects no image; there is {have}")
    return slices
