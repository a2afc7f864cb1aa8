"""The images that a trained model reads: a split of its own data set, or any of its shape."""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from iae_jax.data import Dataset, Source, title
from iae_jax.data.classes import Classes
from iae_jax.data.reading import Reading
from iae_jax.data.sources import is_files, kind_of
from iae_jax.errors import InputError, first_line
from iae_jax.files.home import expanded
from iae_jax.runs.config import Config
from iae_jax.runs.console import log
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.feed import images_digest
from iae_jax.runs.loaded import Model
from iae_jax.runs.trained import check_own_images

ALL = "all"  # TFDS's name for all splits together
MAX_SHOWN = 10  # classes in a line
# Flags of the modes that read a run, which say how files are read.
READING_FLAGS = ("size", "arrays", "labels", "label_pattern")
NOTHING_SAID = Reading()


@dataclass(frozen=True)
class Images:
    """Images, opened and not read.

    positions: i64[N], which of the source's. names: [N], of their files, or their indices.
    label: of the set, for the names of files. where: which set it is, in words. shape: of one
    example as the model reads it. numbers: i32[K + 1], the run's number of each class of the
    source, -1 of one that the run has not, and, the last, of no label. class_names: of the run.
    """

    source: Source
    positions: np.ndarray
    names: np.ndarray
    label: str
    where: str
    shape: tuple[int, ...]
    numbers: np.ndarray
    class_names: tuple[str, ...]

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
        """x as the model reads it, and labels by the source's own numbers."""
        x, labels = self.source.read(self.positions)
        return Dataset(np.broadcast_to(x, (len(x), *self.shape)), labels)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the whole set's images, wherever they lie."""
        return images_digest(self.source)

    def called(self, labels: np.ndarray) -> np.ndarray:
        """What the source calls these labels of its own; "" for none."""
        return np.array([*_names(self.source.classes, self.source.class_names), ""])[labels]


def open_images(
    model: Model,
    split: str,
    where: str = "",
    select: Sequence[str] = (),
    reading: Reading = NOTHING_SAID,
) -> Images:
    """Opens images for a model.

    Args:
      split: of the run's own data set.
      where: other images instead, all that are there: images:PATH, npz:PATH, planar:NAME, a data
        set of TFDS, NAME or NAME:SPLIT, or MODULE:NAME, a function, see `open_source`.
      select: indices from 0, or names of files; none are all.
      reading: how files of other images are read.

    Raises:
      InputError: there are no such images, or the model reads others.
    """
    config = model.run.config
    label = _file_label(where) if where else split
    if where:
        source = _other(config, where, reading, model.shape)
    else:
        source = own_split(config, split, ", or name others by --images")
        check_own_images(model.run, split, source)
    _check_shape(model, source, where or split)
    names = source.names()
    positions = np.arange(len(source))
    if select:
        positions = np.array([_position(one, names, len(source)) for one in select])
    chosen = positions if names is None else np.array([names[int(i)] for i in positions])
    numbers, line = _numbering(model, source, own=not where)
    # The source's own numbers are not those that are written.
    own = Classes(np.empty(0), source.class_names).note if model.classes else ""
    notes = [note for note in source.notes if note != own] if where else []
    lines = [in_flags(note, where, model.shape) for note in notes]
    if source.shape != model.shape:
        lines.append("grey images are read as colours, with three channels alike")
    if not where and model.classes and source.classes is None:
        lines.append(f"these images have no labels, and the run has {model.classes} classes")
    for note in filter(None, (*lines, line)):
        log(note)
    return Images(
        source,
        positions,
        chosen.astype(str),
        label,
        where or f"{config.data.name} {split}",
        model.shape,
        numbers,
        model.class_names if model.classes else source.class_names,
    )


def own_split(config: Config, split: str, others: str = "") -> Source:
    """A split of a run's own data set, for whoever reads the run. others: what can be done without
    it, for the message.

    Raises:
      InputError: it is not there.
    """
    try:
        return open_split(config, split)
    except InputError as error:
        place = ", or say by --data where its files lie" if is_files(config.data.name) else ""
        raise InputError(
            f"the images of this run cannot be opened ({in_flags(first_line(error))}): start where "
            f"it was trained{place}{others}"
        ) from error


def in_flags(text: str, where: str = "", shape: Sequence[int] = ()) -> str:
    """What is said of a data set in the flags of a training, in those of the modes that read a run.
    where: the images that --images names, if it does. shape: of the model's."""
    text = text.replace("config.run.limits.", "limits=")
    if not where:  # how the run's own are read is in its config
        text = re.sub(r"(--config\.)?\bdata\.directory\b", "--directory", text)
        return re.sub(r"--config\.(data\.)", r"\1", text)
    text = text.replace("data.size=64 or another side", f"data.size={shape[0]}")
    text = re.sub(r"(--config\.)?\bdata\.name\b", "--images", text)
    own = "|".join((*READING_FLAGS, "directory"))
    return re.sub(rf"(--config\.)?\bdata\.({own})\b", r"--\2", text)


def _other(config: Config, where: str, reading: Reading, shape: tuple[int, ...]) -> Source:
    name, split, kind = where, ALL, kind_of(where)
    if _is_function(where):
        split = "test"
    elif kind not in ("images", "npz", "planar"):
        version, part = r":(\d[\w.]*|\*[.*]*)", r"\w+(\[[^\]]*\])?"
        pattern = rf"(?P<name>[\w./-]+({version})?)(:(?P<split>{part}(\+{part})*))?"
        found = re.fullmatch(pattern, where)
        if found is None:
            raise InputError(
                "--images is images:PATH, npz:PATH, planar:NAME, MODULE:NAME of a module that is "
                f"there, or NAME or NAME:SPLIT of TFDS, not {where!r}"
            )
        name, split = found["name"], found["split"] or ALL
    # Of the run's, unless it is said: how such files are read, and where data sets of TFDS are, if
    # this machine has that folder. No image is left out, so that the order may be the files'.
    own = config.data
    here = "://" in own.directory or expanded(own.directory).is_dir()
    data = replace(
        own,
        name=name,
        train=split,
        shuffled=kind not in ("images", "npz"),
        directory=own.directory if here else "",
        label_pattern=reading.label_pattern,
        labels=reading.labels,
        size=reading.size or (own.size if kind == "images" else 0),
        arrays=reading.arrays or own.arrays,
    )
    try:
        try:
            return open_split(replace(config, data=data), "train")
        except InputError:
            if reading.arrays or not data.arrays:
                raise
            # It has no arrays of the names that the run's have.
            return open_split(replace(config, data=replace(data, arrays="")), "train")
    except InputError as error:
        raise type(error)(in_flags(str(error), where, shape)) from error


def _is_function(where: str) -> bool:
    """Whether MODULE:NAME names something that there is; else it is NAME:SPLIT of TFDS."""
    module, colon, rest = where.partition(":")
    try:
        found = bool(colon) and importlib.util.find_spec(module) is not None
        return found and hasattr(importlib.import_module(module), rest.partition("(")[0])
    except (ImportError, ValueError):  # no module's name
        return False


def _check_shape(model: Model, source: Source, which: str) -> None:
    shape, wanted = tuple(source.shape), model.shape
    grey = len(wanted) == 3 and wanted[2] == 3 and shape == (*wanted[:2], 1)
    if source.values == model.values and (shape == wanted or grey):
        return
    how = "give images of that shape"
    if source.names() is not None and shape[:2] != wanted[:2] and wanted[0] == wanted[1]:
        how += f", or --size={wanted[0]}, which crops and resizes them"
    raise InputError(
        f"{which} has {source.values} values {list(shape)} and this model reads {model.values} "
        f"values {list(wanted)}: {how}"
    )


def _names(classes: int | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """What classes are called: by their number where there is no name."""
    return names or tuple(map(str, range(classes or 0)))


def _numbering(model: Model, source: Source, own: bool) -> tuple[np.ndarray, str]:
    """`Images.numbers`, and a line about labels that are not read as they are, or "".

    own: whether it is the run's own data set.
    """
    found = _names(source.classes, source.class_names)
    numbers = np.append(np.arange(len(found)), -1).astype(np.int32)
    if not model.classes or (own and not model.class_names):  # the run has no names to go by
        return numbers, ""
    known = _names(model.classes, model.class_names)
    place = {name: number for number, name in enumerate(known)}
    if all(place.get(name) == number for number, name in enumerate(found)):
        return numbers, ""
    lines: list[str] = []
    there = [number for number in np.unique(source.labels()).tolist() if number >= 0]
    if not source.class_names and not any(found[number] in place for number in there):
        place = {str(number): number for number in range(len(known))}
        lines = [f"labels are numbers, of the run's classes {', '.join(known[:MAX_SHOWN])}"]
    numbers[:-1] = [place.get(name, -1) for name in found]
    if unknown := [found[number] for number in there if numbers[number] < 0]:
        shown = ", ".join(unknown[:MAX_SHOWN]) + (", ..." if unknown[MAX_SHOWN:] else "")
        lines.append(f"classes that the run does not know have the label -1: {shown}")
    return numbers, "; ".join(lines)


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
    # A flag's list has lost the spaces around each name.
    found = [i for i, name in enumerate(names) if PurePosixPath(name).name.strip() == text]
    if len(found) != 1:
        several = f"{len(found)} files are called" if found else "there is no image"
        raise InputError(f"{several} {text}: write a path as {names[found[0] if found else 0]}")
    return found[0]
