"""Image files in a folder, or in a zip of one, as a data set."""

import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from iae_jax.data.dataset import MAX_CLASSES, Dataset, Source
from iae_jax.data.image_files import common_shape, decode, open_zip
from iae_jax.data.splits import slices_of
from iae_jax.errors import InputError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "validation", "test")


class FolderSource(Source):
    """Every image file in a folder and its subfolders, or in a zip.

    Files: those with a suffix of `SUFFIXES`; names that begin with "." or "__" are ignored, and so
    is a folder that contains everything else. All images have one size (after EXIF rotation) and 8
    bits per channel. If all are grey there is one channel; otherwise there are three, and grey
    images are repeated. An image with a transparent pixel, and a file with several images, are
    refused.

    Splits: if there is a folder `train` at the top, then `train`, `validation` and `test` are the
    splits, and every image has to be in one of them; otherwise all images are `train`.

    Labels: the number that the first group of `label_pattern`, a regular expression, matches in
    the path. Without a pattern the folders, sorted, are the classes; if there are no folders there
    are no labels.

    Order: sorted paths; for images with labels the order of the hashes of their paths, so that a
    slice contains all classes, unless `shuffled` is false.
    """

    shape: tuple[int, int, int]

    def __init__(
        self, path: Path, split: str, label_pattern: str = "", shuffled: bool = True
    ) -> None:
        self._path, self._zip = path, open_zip(path)
        names = self._names()
        paths = _without_common_folder(names)
        splits = self._splits(paths)
        # Of all images, so that slices and splits agree.
        labels = self._labels_of(paths, set(splits.values()), label_pattern)
        if labels and shuffled:
            names.sort(key=lambda name: hashlib.sha256(os.fsencode(paths[name])).digest())
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(splits.get(name, "train"), []).append(name)
        slices = slices_of(split, {key: len(part) for key, part in parts.items()})
        self._chosen = [name for key, where in slices for name in parts[key][where]]
        self._labels = np.array([labels.get(name, -1) for name in self._chosen], np.int32)
        self.classes = max(labels.values()) + 1 if labels else None
        status = path.stat()
        version = (status.st_dev, status.st_ino, status.st_mtime_ns)
        self.shape = common_shape(path, version, tuple(sorted(names)))

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x = np.empty((len(positions), *self.shape), np.uint8)
        for i, position in enumerate(positions):
            x[i] = decode(self._path, self._zip, self._chosen[int(position)], self.shape)
        return Dataset(x, self._labels[np.asarray(positions, np.int64)])

    def labels(self) -> np.ndarray:
        return self._labels

    def names(self) -> list[str]:
        """Paths in the folder or zip, with "/"."""
        return self._chosen

    def _names(self) -> list[str]:
        """Sorted paths of all image files, relative and with "/"."""
        found = self._files() if self._zip is None else self._zip.namelist()
        names = sorted(
            name
            for name in found
            if name.lower().endswith(SUFFIXES)
            and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
        )
        if not names:
            raise InputError(
                f"there is no image in {self._path}: put files there that end in "
                f"{', '.join(SUFFIXES)}"
            )
        for name, following in itertools.pairwise(names):
            if name == following:
                raise InputError(f"{self._path} has two files {name}: rename one of them")
        return names

    def _files(self) -> Iterator[str]:
        """All files of the folder. Links are followed, except to a folder that contains them."""
        # folder -> the real paths of the folders on the way to it
        on_the_way = {str(self._path): {os.path.realpath(self._path) + os.sep}}
        for folder, subfolders, files in os.walk(
            self._path, followlinks=True, onerror=self._unreadable
        ):
            above = on_the_way.pop(folder)
            for name in list(subfolders):
                inner = os.path.join(folder, name)
                real = os.path.realpath(inner) + os.sep
                if os.path.islink(inner) and any(one.startswith(real) for one in above):
                    subfolders.remove(name)
                on_the_way[inner] = {*above, real}
            for path in (Path(folder, name) for name in files):
                # A broken link is refused later, by name; reading a pipe would block for ever.
                if path.is_file() or path.is_symlink():
                    yield path.relative_to(self._path).as_posix()

    def _unreadable(self, error: OSError) -> None:
        raise InputError(
            f"{error.filename} in {self._path} cannot be read ({error.strerror}): change its "
            "permissions or remove it"
        )

    def _splits(self, paths: dict[str, PurePosixPath]) -> dict[str, str]:
        """name -> split; empty if there is no folder `train`."""
        tops = {name: path.parts[0] if path.parts[1:] else "" for name, path in paths.items()}
        if "train" in tops.values():
            if other := next((name for name, top in tops.items() if top not in SPLITS), None):
                raise InputError(
                    f"{other} in {self._path} is in none of the splits {', '.join(SPLITS)}: rename "
                    "its folder or move it into one of them"
                )
            return tops
        if other := next((top for top in tops.values() if top.lower() == "train"), None):
            raise InputError(f"{self._path} has a folder {other}: rename it to train")
        return {}

    def _labels_of(
        self, paths: dict[str, PurePosixPath], splits: set[str], pattern: str
    ) -> dict[str, int]:
        """name -> label; empty if there are no labels."""
        if pattern:
            return {name: self._matched(str(path), pattern) for name, path in paths.items()}
        folders = {
            name: PurePosixPath(
                *[part for i, part in enumerate(path.parts[:-1]) if i or part not in splits]
            ).as_posix()
            for name, path in paths.items()
        }
        classes = sorted(set(folders.values()))
        if classes == ["."]:
            return {}
        if "." in classes:
            raise InputError(
                f"{self._path} has images in folders, which are classes, and others beside these "
                "folders: put all or none into folders"
            )
        return {name: classes.index(folder) for name, folder in folders.items()}

    def _matched(self, name: str, pattern: str) -> int:
        try:
            found = re.search(pattern, name)
            number = (found.group(1) if found else None) or ""
            # int() refuses numbers with thousands of digits.
            if number.isdecimal() and len(number) < 20 and int(number) < MAX_CLASSES:
                return int(number)
        except (re.error, IndexError) as error:
            raise InputError(
                f"the label pattern {pattern!r} is no regular expression with a group ({error}): "
                r"write one such as _(\d+)\."
            ) from error
        raise InputError(
            f"the label pattern {pattern!r} matches no number below {MAX_CLASSES} in {name}: "
            "change it"
        )


def _without_common_folder(names: list[str]) -> dict[str, PurePosixPath]:
    """name -> its path without the folders that contain everything else (a zip often has one),
    down to a split's folder."""
    paths = {name: PurePosixPath(name) for name in names}
    while len({path.parts[0] for path in paths.values()}) == 1:
        if any(len(path.parts) < 2 or path.parts[0] in SPLITS for path in paths.values()):
            break
        paths = {name: PurePosixPath(*path.parts[1:]) for name, path in paths.items()}
    return paths
