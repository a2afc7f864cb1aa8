"""Splits: TFDS's slicing strings ("train[:80%]", "train+test") for data sets of any origin."""

from collections.abc import Mapping

import numpy as np

from iae_jax.data.dataset import Dataset
from iae_jax.errors import InputError, first_line


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
