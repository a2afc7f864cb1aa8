"""The part of a config that says which data a run has, and what it means."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from iae_jax.data.sources import is_files
from iae_jax.data.splits import AUTOMATIC
from iae_jax.types import Section


@dataclass
class Data(Section):
    """The data set and its splits.

    name: digits, mnist, another set that TFDS has prepared, the path of a folder or zip of image
    files (images:PATH) or of an npz (npz:PATH), planar:NAME, or MODULE:NAME, a function (split) ->
    Source. directory: where TFDS keeps its sets ("" is its default). label_pattern: a regular
    expression whose group finds labels in the paths of image files. shuffled: False takes slices of
    files in their own order, for sets where neighbours are alike. train, validation, test: the
    splits, TFDS slicing strings, or "" for what the set has (see `splits.choice`; of digits the
    parts in DIGITS); choices are made on `validation`, `test` is only reported. labels_per_class:
    how many labels of each class of `train` may be read, -1 for all. labels_in_turn: a batch has as
    many of the images with labels as others, in turn; False draws them. draw: what alone decides
    which labels these are (-1: the run's seed). also: more sets in each batch, "NAME=SET" with SET
    as in `name`, shuffled independently, with the same splits. labels: a file of labels, CSV or
    JSON ("": one beside the images). size: image files are cropped and resized to size x size (0:
    they have one size). arrays: which array of an npz is which, as "images=x_train,labels=y_train".
    binarize: x is 0 or 1, with its value as the probability: drawn anew at each step of the
    training, and once where it is measured.
    """

    name: str = "digits"
    directory: str = ""
    label_pattern: str = ""
    shuffled: bool = True
    train: str = ""
    validation: str = ""
    test: str = ""
    labels_per_class: int = 0
    labels_in_turn: bool = False
    draw: int = -1
    also: tuple[str, ...] = ()
    labels: str = ""
    size: int = 0
    arrays: str = ""
    binarize: bool = False


DIGITS = {"train": "train[:1350]", "validation": "train[1350:]", "test": "test"}


def draw_of(data: Data, seed: int) -> int:
    """The draw of the labelled images of a run with this seed."""
    return seed if data.draw < 0 else data.draw


def split_of(data: Data, split: str) -> str:
    """A split as `open_source` takes it."""
    if given := str(getattr(data, split)):
        return given
    if data.name.partition(":")[0] == "digits":
        return DIGITS[split]
    # Beside a string of the user, a part that the set chose might overlap with that.
    chosen = not (data.train or data.validation or data.test)
    return AUTOMATIC + split if chosen else split


def with_splits(data: Data) -> Data:
    """The same with every split named that the set does not choose: as in configs of before a split
    could be "", so that runs and records of them have the same config."""
    named: dict[str, Any] = {split: split_of(data, split) for split in DIGITS}
    if any(split.startswith(AUTOMATIC) for split in named.values()):
        return data
    return dataclasses.replace(data, **named)


def forget_preset(data: Data, preset: str, given: Collection[str]) -> None:
    """Sets what a config says of its own data set to the defaults, where files are named in place
    of that set.

    Args:
      data: of the config, changed in place.
      preset: the name of the config's own set.
      given: the fields of `data` that the user has set.
    """
    if not is_files(data.name) or is_files(preset):
        return
    fresh = Data()
    for field in ("label_pattern", "shuffled", "train", "validation", "test"):
        if field not in given:
            setattr(data, field, getattr(fresh, field))
