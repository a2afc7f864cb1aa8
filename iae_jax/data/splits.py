"""Splits: TFDS's slicing strings ("train[:80%]", "train+test") for data sets of any origin, and the
parts of a set of which no string is given."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from iae_jax.data.dataset import Dataset
from iae_jax.errors import InputError, first_line

SPLITS = ("train", "validation", "test")
# What folders and arrays of splits are called, in any case.
_CALLED = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
AUTOMATIC = "auto:"  # in front of one of SPLITS


def split_called(name: str) -> str | None:
    """The split that a folder of this name is, if any."""
    return _CALLED.get(name.lower())


class Choice(NamedTuple):
    """split: a slicing string. cut: whether it is a part that stands for a split that is not there.
    note: a line that says so, or ""."""

    split: str
    cut: bool = False
    note: str = ""


def choice(split: str, sizes: Mapping[str, int]) -> Choice:
    """A slicing string as it is; of "auto:train", "auto:validation" or "auto:test" the one for what
    is there.

    A set with `train` alone is cut in 80, 10 and 10 %; without `validation` a tenth of `train` is
    that; without `test` half of `validation` is. An example is in one of them only.

    Args:
      sizes: the number of examples of each split there is.
    """
    if not split.startswith(AUTOMATIC):
        return Choice(split)
    wanted = split.removeprefix(AUTOMATIC)
    whole, held_out = sizes.get("train", 0), sizes.get("validation", 0)
    tenth = max(1, round(whole / 10))
    if "validation" in sizes and "test" in sizes:
        found = {}
    elif "validation" in sizes:
        half = held_out // 2
        found = {"validation": f"validation[:{half}]", "test": f"validation[{half}:]"}
    elif "test" in sizes:
        rest = whole - tenth
        found = {"train": f"train[:{rest}]", "validation": f"train[{rest}:]"}
    else:
        first, second = whole - 2 * tenth, whole - tenth
        found = {
            "train": f"train[:{first}]",
            "validation": f"train[{first}:{second}]",
            "test": f"train[{second}:]",
        }
    if "train" not in sizes or wanted not in found:
        return Choice(wanted)
    if whole < 3 or held_out == 1:
        raise InputError(
            f"{whole + held_out} images are too few to be cut into training, validation and test "
            "images: set data.train, data.validation and data.test, for example all to train"
        )
    part, absent = found[wanted], wanted not in sizes
    note = f"the data set has no split {wanted}: {part} is used" if absent else ""
    return Choice(part, True, note)


def slices_of(split: str, sizes: Mapping[str, int]) -> list[tuple[str, slice]]:
    """The parts that a slicing string selects: [(name of a split, slice of it)].

    Args:
      split: as "train", "train[:55000]", "train[-10%:]", "train+test".
      sizes: the number of examples of each split there is.

    Raises:
      InputError: the string cannot be read, is out of range, or selects nothing.
    """
    import tensorflow_datasets as tfds

    infos = {
        name: tfds.core.SplitInfo(
            name=name, shard_lengths=[size], num_bytes=0, filename_template=None
        )
        for name, size in sizes.items()
    }
    available = ", ".join(f"{name} ({size} examples)" for name, size in sizes.items())
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except Exception as error:  # ValueError, AssertionError, NotImplementedError
        why = first_line(error).rstrip(".")
        raise InputError(f"split {split!r}: {why}; there is {available}") from error
    slices = [(part.splitname, slice(part.from_, part.to)) for part in parts]
    if not any(len(range(sizes[name])[where]) for name, where in slices):
        raise InputError(f"split {split!r} selects no example; there is {available}")
    return slices


def spans(
    slices: list[tuple[str, slice]], sizes: Mapping[str, int]
) -> tuple[tuple[str, int, int], ...]:
    """`slices_of` as `Source.slices`."""
    found = ((name, range(sizes[name])[where]) for name, where in slices)
    return tuple((name, part.start, part.stop) for name, part in found)


def select(split: str, parts: Mapping[str, Dataset]) -> Dataset:
    """The examples that a slicing string selects from arrays, given by the name of their split.

    Raises:
      InputError: as `slices_of`.
    """
    slices = slices_of(split, {name: len(part.x) for name, part in parts.items()})
    return Dataset(
        np.concatenate([parts[name].x[where] for name, where in slices]),
        np.concatenate([parts[name].labels[where] for name, where in slices]),
    )
