"""A data set: random access to the examples of one split (`Source`), and all of them decoded
(`Dataset`)."""

import abc
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from iae_jax.errors import InputError
from iae_jax.types import Array

MAX_CLASSES = 100_000  # of a user's own files: the feature classifier has a logit for each
VALUES = ("unit", "real")


class Dataset(NamedTuple):
    """Decoded examples and their labels.

    x: uint8[N, ...], where 0 to 255 stand for 0 to 1, or float32[N, ...].
    labels: int32[N]; -1 for an example without a label.
    """

    x: np.ndarray
    labels: np.ndarray


class Source(abc.ABC):
    """Random access to the examples of one split.

    shape: of one example, of any rank: (H, W, C) for images, (D,) for vectors.
    classes: the number of classes, or None if the data set has no labels.
    values: "unit": x is uint8, or float32 in [0, 1]; "real": x is any float32.
    dtype: of x, uint8 or float32.
    class_names: of the classes by their number; () if they are not known.
    slices: which examples of the whole set they are, as (name of a split, first, behind the last);
        () if that is not known.
    notes: lines about what was done to read the set, for whoever trains on it.
    sample: (key, count) -> x float32[count, *shape], fresh examples for each training batch, pure
        JAX; None if the stored examples are all there are.
    anew: what training reads in place of the stored examples; None for these.
    """

    shape: tuple[int, ...]
    classes: int | None
    values: str = "unit"
    dtype: np.dtype = np.dtype(np.uint8)
    class_names: tuple[str, ...] = ()
    slices: tuple[tuple[str, int, int], ...] = ()
    notes: tuple[str, ...] = ()
    sample: Callable[[Array, int], Array] | None = None
    anew: "Anew | None" = None

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of examples."""

    @abc.abstractmethod
    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        """The examples at `positions`, int[N], in that order; much faster than one by one."""

    @abc.abstractmethod
    def labels(self) -> np.ndarray:
        """int32[N], the labels of all examples, without decoding x."""

    @property
    def split(self) -> str:
        """The slices as a slicing string; "" if they are not known."""
        return "+".join(f"{name}[{first}:{last}]" for name, first, last in self.slices)

    def names(self) -> Sequence[str] | None:
        """What the examples are called, such as the names of their files; None if by their index
        alone."""
        return None

    def __getitem__(self, position: int) -> tuple[np.ndarray, int]:
        """One example and its label. Raises IndexError beyond the end."""
        x, labels = self.read([range(len(self))[position]])
        return x[0], int(labels[0])

    @property
    def nbytes(self) -> int:
        """Size of all decoded examples in bytes: does the data set fit on the device?"""
        return len(self) * math.prod(self.shape) * self.dtype.itemsize


class Anew(NamedTuple):
    """Examples that are drawn anew whenever a step reads them.

    source: what they are drawn from, as many as the set has.
    draw: (keys [B], x float32[B, ...] of the source) -> x float32[B, ...]; pure JAX.
    """

    source: Source
    draw: Callable[[Array, Array], Array]


def common(one: Source, other: Source) -> int:
    """How many examples of the same set are in both sources, as far as it is known."""
    return sum(
        len(range(max(first, start), min(last, stop)))
        for name, first, last in one.slices
        for again, start, stop in other.slices
        if name == again
    )


def load(source: Source) -> Dataset:
    """All examples, decoded: `source.nbytes` of memory, about 7,000 MNIST images a second."""
    return source.read(np.arange(len(source)))


class ArraySource(Source):
    """Arrays in memory, for example a user's own.

    Args:
      data: x, uint8 or any float [N, ...], and labels, int[N].
      classes: the number of classes; None if there are no labels.
      values: see `Source`.

    Raises:
      InputError: an array of another type or size, or a number out of its range.
    """

    def __init__(self, data: Dataset, classes: int | None, values: str = "unit") -> None:
        x, labels = np.asarray(data.x), np.asarray(data.labels)
        if values not in VALUES:
            raise InputError(f"values is {values!r}: choose one of {', '.join(VALUES)}")
        if x.dtype != np.uint8 or values == "real":
            x = _floats(x, values)
        if x.ndim < 2 or x.size == 0:
            raise InputError(f"x is {x.dtype}{list(x.shape)}: make it [N, ...], none of them 0")
        if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
            raise InputError(
                f"labels are {labels.dtype}{list(labels.shape)}: give one integer per example, "
                f"int[{len(x)}], -1 for no label"
            )
        if labels.min() < -1 or labels.max() >= (classes or 0):
            raise InputError(
                f"labels are from {labels.min()} to {labels.max()} and classes is {classes}: "
                "number the classes from 0, with -1 for no label"
            )
        self._data = Dataset(x, labels.astype(np.int32, copy=False))
        self.shape, self.dtype = x.shape[1:], x.dtype
        self.classes, self.values = classes, values

    def __len__(self) -> int:
        return len(self._data.x)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        where = np.asarray(positions, np.int64)
        return Dataset(self._data.x[where], self._data.labels[where])

    def labels(self) -> np.ndarray:
        return self._data.labels


def _floats(x: np.ndarray, values: str) -> np.ndarray:
    if x.dtype.kind != "f":
        wanted = "float32" if values == "real" else "uint8, or float32 in [0, 1]"
        raise InputError(f"x is {x.dtype} and values is {values!r}: make x {wanted}")
    x = x.astype(np.float32, copy=False)
    if not np.isfinite(x).all():
        raise InputError("x has values that are not finite: remove these examples")
    if values == "unit" and x.size and (x.min() < 0 or x.max() > 1):
        raise InputError(
            f"x is from {x.min():g} to {x.max():g}: scale it to [0, 1] or set values='real'"
        )
    return x
