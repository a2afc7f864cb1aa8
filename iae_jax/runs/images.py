"""The images that a trained model reads: a split of its own data set, or any of its shape."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from iae_jax.data import Dataset, Source, title
from iae_jax.data.sources import is_files
from iae_jax.errors import InputError, first_line
from iae_jax.runs.build import open_split
from iae_jax.runs.config import Config
from iae_jax.runs.console import log
from iae_jax.runs.loaded import Model

ALL = "all"  # TFDS's name for all splits together


@dataclass(frozen=True)
class Images:
    """Images, opened and not read.

    positions: i64[N], which of the source's. names: [N], of their files, or their indices.
    label: of the set, for the names of files.
    """

    source: Source
    positions: np.ndarray
    names: np.ndarray
    label: str

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, first: int, count: int) -> "Images":
        """`count` of them from the place `first` on, or as many as there are."""
        rows = slice(first, first + count)
        return replace(self, positions=self.positions[rows], names=self.names[rows])

    def parts(self, size: int) -> Iterator[tuple[int, "Images"]]:
        """(first, images) of all, `size` at a time."""
        for first in range(0, len(self), size):
            yield first, self.part(first, size)

    def read(self) -> Dataset:
        return self.source.read(self.positions)


def open_images(model: Model, split: str, where: str = "", select: Sequence[str] = ()) -> Images:
    """Opens images for a model.

    Args:
      split: of the run's own data set.
      where: other images instead, all that are there: images:PATH, npz:PATH, planar:NAME, or a data
        set of TFDS, NAME or NAME:SPLIT.
      select: indices from 0, or names of files; none are all.

    Raises:
      InputError: there are no such images, or the model reads others.
    """
    config = model.run.config
    label = _file_label(where) if where else split
    try:
        source = _other(config, where) if where else open_split(config, split)
    except InputError as error:
        if where:
            raise
        raise InputError(
            f"the images of this run cannot be opened ({first_line(error)}): start where it was "
            "trained, or name others by --images"
        ) from error
    if tuple(source.shape) != model.shape or source.values != model.values:
        raise InputError(
            f"{where or split} has {source.values} values {list(source.shape)} and this model "
            f"reads {model.values} values {list(model.shape)}: give images of that shape"
        )
    names = source.names()
    positions = np.arange(len(source))
    if select:
        positions = np.array([_position(one, names, len(source)) for one in select])
    chosen = positions if names is None else np.array([names[int(i)] for i in positions])
    if where:
        for note in source.notes:
            log(note)
    return Images(source, positions, chosen.astype(str), label)


def _other(config: Config, where: str) -> Source:
    name, split = where, ALL
    if not (is_files(where) or where.startswith("planar:")):
        version, part = r":(\d[\w.]*|\*[.*]*)", r"\w+(\[[^\]]*\])?"
        pattern = rf"(?P<name>[\w./-]+({version})?)(:(?P<split>{part}(\+{part})*))?"
        found = re.fullmatch(pattern, where)
        if found is None:
            raise InputError(
                f"--images is images:PATH, npz:PATH, planar:NAME, or NAME or NAME:SPLIT of TFDS, "
                f"not {where!r}"
            )
        name, split = found["name"], found["split"] or ALL
    # Of the run's: how images are brought to one size, and where its data sets are, if this machine
    # has that folder. No image is left out, so that the order may be that of the files.
    own = config.data
    here = "://" in own.directory or Path(own.directory).is_dir()
    data = replace(
        own,
        name=name,
        train=split,
        label_pattern="",
        labels="",
        shuffled=not is_files(where) or where.startswith("npz:"),
        directory=own.directory if here else "",
    )
    return open_split(replace(config, data=data), "train")


def _file_label(where: str) -> str:
    """npz:a/set.npz -> set, mnist:test[:9] -> mnist_test_9; never the name of a split."""
    text = re.sub(r"[^\w.-]+", "_", title(where)).strip("_") or "images"
    return f"images_{text}" if text in ("train", "validation", "test") else text


def _position(text: str, names: Sequence[str] | None, count: int) -> int:
    """The place of one image, by its index or its file's name."""
    if re.fullmatch("[0-9]{1,18}", text):
        if int(text) >= count:
            raise InputError(f"there are {count} images, numbered from 0: none is {text}")
        return int(text)
    if names is None:
        raise InputError(f"these images have no names: select by index, from 0, not {text!r}")
    if text in names:
        return names.index(text)
    found = [i for i, name in enumerate(names) if PurePosixPath(name).name == text]
    if len(found) != 1:
        several = f"{len(found)} files are called" if found else "there is no image"
        raise InputError(f"{several} {text}: write a path as {names[found[0] if found else 0]}")
    return found[0]
