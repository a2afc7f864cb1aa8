"""Labels as people write them (numbers, words, one-hot rows, a column) as the classes 0, 1, 2,
..."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from iae_jax.data.dataset import MAX_CLASSES
from iae_jax.errors import InputError

_NUMBER = re.compile(r"(-1|\d{1,9})(\.0*)?", re.ASCII)
_SHOWN = 10  # names in a note


class Classes(NamedTuple):
    """labels: int32[N], -1 for none. names: of the classes by their number; () if the labels were
    these numbers already. total: the number of classes, None without any label."""

    labels: np.ndarray
    names: tuple[str, ...] = ()
    total: int | None = None

    @property
    def note(self) -> str:
        """What each class is, as a line; "" if the labels were numbers from 0."""
        if not self.names or self.names == tuple(map(str, range(len(self.names)))):
            return ""
        shown = [f"{number} {name}" for number, name in enumerate(self.names[:_SHOWN])]
        more = f", ... ({len(self.names)})" if len(self.names) > _SHOWN else ""
        return f"classes: {', '.join(shown)}{more}"


def in_order(names: Iterable[str]) -> list[str]:
    """Names of classes sorted: as numbers if all are, so that 2 comes before 10; else as texts."""
    found = set(names)
    if all(name.isdecimal() and len(name) < 20 for name in found):
        return sorted(found, key=lambda name: (int(name), name))
    return sorted(found)


def of_names(names: Sequence[str]) -> Classes:
    """Every different name, in order, is a class; "" is no label."""
    there = in_order(name for name in names if name)
    number = {name: i for i, name in enumerate(there)} | {"": -1}
    labels = np.array([number[name] for name in names], np.int32)
    if len(there) > MAX_CLASSES:
        raise InputError(f"labels are {len(there)} different words: at most {MAX_CLASSES}")
    return Classes(labels, tuple(there), len(there) or None)


def of_words(words: Sequence[str], what: str) -> Classes:
    """Numbers, if all words are (and then as `of_numbers`), else names; "" is no label. what: for
    messages."""
    words = [word.strip() for word in words]
    if all(not word or _NUMBER.fullmatch(word) for word in words):
        return of_numbers(np.array([int(float(word or -1)) for word in words]), what)
    return of_names(words)


def of_numbers(numbers: np.ndarray, what: str) -> Classes:
    """Whole numbers are the classes, and -1 is no label; 1, 2, ..., K without 0 become 0 to K-1,
    with the numbers as names.

    Raises:
      InputError: below -1, or MAX_CLASSES and more.
    """
    if numbers.min() < -1 or numbers.max() >= MAX_CLASSES:
        raise InputError(
            f"{what} must be 0, 1, 2, ... below {MAX_CLASSES}, or -1 for no label, and are from "
            f"{numbers.min()} to {numbers.max()}: number the classes from 0, or write words"
        )
    there = np.unique(numbers[numbers >= 0])
    if len(there) > 1 and np.array_equal(there, np.arange(1, len(there) + 1)):
        names = tuple(map(str, there.tolist()))
        return Classes(np.maximum(numbers - 1, -1).astype(np.int32), names, len(names))
    count = int(there[-1]) + 1 if len(there) else None
    return Classes(numbers.astype(np.int32), (), count)


def of_arrays(arrays: dict[str, np.ndarray]) -> Classes:
    """The labels of several arrays, one after the other, by one numbering.

    Args:
      arrays: name -> [N], [N, 1] or one-hot [N, K], of whole numbers, bool or text.

    Raises:
      InputError: what is none of these. The message has the array's name.
    """
    columns = {name: _column(found, name) for name, found in arrays.items()}
    names, joined = " and ".join(columns), list(columns.values())
    texts = [column.dtype.kind == "U" for column in joined]
    if all(texts):
        classes = of_words([str(word) for column in joined for word in column], names)
    elif any(texts):
        raise InputError(f"of {names} one is text and one numbers: write all of them alike")
    else:
        classes = of_numbers(np.concatenate(joined), names)
    # Columns of one-hot rows are classes, though no example may have one.
    wide = [found.shape[1] for found in arrays.values() if found.ndim == 2 and found.shape[1] > 1]
    if wide and not any(texts):
        numbers = np.concatenate(joined).astype(np.int32)
        classes = Classes(numbers, (), max(*wide, int(np.max(numbers)) + 1))
    return classes


def _column(found: np.ndarray, name: str) -> np.ndarray:
    """int64[N], or text U[N]."""
    kind, shape = found.dtype.kind, f"{found.dtype}{list(found.shape)}"
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 2 and kind in "iufb":
        ones = found == 1
        if not ((found == 0) | ones).all() or not (ones.sum(axis=1) == 1).all():
            raise InputError(
                f"{name} is {shape}, and its rows are not one-hot: make it one class per image, "
                f"int[{len(found)}]"
            )
        return ones.argmax(axis=1)
    if found.ndim == 1 and kind in "SU":
        try:
            return np.char.decode(found, "utf-8") if kind == "S" else found
        except UnicodeDecodeError as error:
            raise InputError(f"{name} has bytes that are no UTF-8: write text") from error
    if found.ndim == 1 and kind in "iub":
        return found.astype(np.int64)
    if found.ndim == 1 and kind == "f":
        found = np.where(np.isnan(found), -1, found)
        if np.isfinite(found).all() and (found == np.rint(found)).all():
            return np.clip(found, -(2**31), 2**31).astype(np.int64)
    raise InputError(
        f"{name} is {shape}; make it one whole number or word per image, int[{len(found)}]"
    )
