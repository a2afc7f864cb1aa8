"""Images as files of a folder, or of a zip of one."""

import hashlib
import itertools
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from iae_jax.data.dataset import MOST_CLASSES, Dataset, Source, slices_of
from iae_jax.errors import InputError, first_line

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Of Pillow's formats those alone: others call programs (EPS), and a name may lie.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SPLITS = ("train", "validation", "test")
GREY, COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")

# Of a camera that was held sideways, as EXIF numbers it.
SIDEWAYS = (5, 6, 7, 8)
MOST_BYTES = 2**28  # of a zip's file, unpacked


def _below(names: list[str]) -> dict[str, PurePosixPath]:
    """name -> its path below the folder that holds all others, if there is one (and it is no
    split): what a zip of a folder has."""
    paths = {name: PurePosixPath(name) for name in names}
    while len({path.parts[0] for path in paths.values()}) == 1:
        if any(len(path.parts) < 2 or path.parts[0] in SPLITS for path in paths.values()):
            break
        paths = {name: PurePosixPath(*path.parts[1:]) for name, path in paths.items()}
    return paths


def _deep(tile: Any) -> bool:
    """Whether a part of an image, as Pillow's header describes it, has 16 bits a channel."""
    codec, *_, arguments = tile
    most = arguments[-1] if codec.startswith("ppm") and isinstance(arguments, tuple) else 0
    return ";16" in str(arguments) or (isinstance(most, int) and most > 255)


class FolderSource(Source):
    """Every image file below a folder or in a zip, in the order of the sorted paths; where images
    have labels, of the paths' hashes, so that a slice has images of all classes, unless `shuffled`
    is false.

    Other files, and what begins with "." or "__", are passed over, and so is a folder that holds
    all others. If there is a folder `train` at the top, it and `validation` and `test` are splits
    of those names, and nothing may be beside them; without it, everything is `train`. All images
    have one size, upright, and 8 bits a channel. If all are grey they have one channel, else three,
    and grey ones are repeated. A transparent pixel has no colour, so that an image with one is
    refused, and so is a file of several images.

    A label is the number that `label_pattern`, a regular expression, finds in the path (its first
    group); without one, images of the first folder by name are of class 0, and so on, and images
    that lie in no folder have no labels.
    """

    def __init__(
        self, path: Path, split: str, label_pattern: str = "", shuffled: bool = True
    ) -> None:
        self._path = path
        self._zip = _zip_of(path)
        names = self._names()
        below = _below(names)
        splits = self._splits(below)
        # Over all images, so that slices and splits agree.
        labels = self._labels_of(below, set(splits.values()), label_pattern)
        if labels and shuffled:
            names.sort(key=lambda name: hashlib.sha256(os.fsencode(below[name])).digest())
        parts: dict[str, list[str]] = {}
        for name in names:
            parts.setdefault(splits.get(name, "train"), []).append(name)
        chosen = [
            name
            for key, where in slices_of(split, {key: len(own) for key, own in parts.items()})
            for name in parts[key][where]
        ]
        self.classes = max(labels.values()) + 1 if labels else None
        found = path.stat()
        version = (found.st_dev, found.st_ino, found.st_mtime_ns)
        self.shape = _common_shape(path, version, tuple(sorted(names)))
        self._chosen = chosen
        self._labels = np.array([labels.get(name, -1) for name in chosen], np.int32)

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        images = np.empty((len(positions), *self.shape), np.uint8)
        for i, position in enumerate(positions):
            images[i] = self._decode(self._chosen[int(position)])
        return Dataset(images, self._labels[np.asarray(positions, np.int64)])

    def labels(self) -> np.ndarray:
        return self._labels

    def _names(self) -> list[str]:
        """Paths of all image files, with "/" between their parts."""
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
                raise InputError(f"{self._path} has two files {name}: name them differently")
        return names

    def _files(self) -> Iterator[str]:
        """Of the folder, through links, but not round in circles."""
        around = {str(self._path): {os.path.realpath(self._path) + os.sep}}
        for folder, below, files in os.walk(self._path, followlinks=True, onerror=self._unread):
            way = around.pop(folder)
            for name in list(below):
                inner = os.path.join(folder, name)
                real = os.path.realpath(inner) + os.sep
                if os.path.islink(inner) and any(one.startswith(real) for one in way):
                    below.remove(name)
                around[inner] = {*way, real}
            for path in (Path(folder, name) for name in files):
                # A link to nothing is refused later, by name; a pipe would never end.
                if path.is_file() or path.is_symlink():
                    yield path.relative_to(self._path).as_posix()

    def _unread(self, error: OSError) -> None:
        raise InputError(
            f"{error.filename} in {self._path} cannot be read ({error.strerror}): allow it or "
            "remove it"
        )

    def _splits(self, below: dict[str, PurePosixPath]) -> dict[str, str]:
        """name -> split; empty if there are none. Errors: InputError for what may be one."""
        tops = {name: path.parts[0] if path.parts[1:] else "" for name, path in below.items()}
        if "train" in tops.values():
            if other := next((name for name, top in tops.items() if top not in SPLITS), None):
                raise InputError(
                    f"{other} in {self._path} is in none of the splits {', '.join(SPLITS)}: rename "
                    "its folder or move it into one of theirs"
                )
            return tops
        if other := next((top for top in tops.values() if top.lower() == "train"), None):
            raise InputError(f"{self._path} has a folder {other}: name the split train")
        return {}

    def _labels_of(
        self, below: dict[str, PurePosixPath], splits: set[str], pattern: str
    ) -> dict[str, int]:
        """name -> label; empty if there are none."""
        if pattern:
            return {name: self._matched(str(path), pattern) for name, path in below.items()}
        folders = {
            name: PurePosixPath(
                *[part for i, part in enumerate(path.parts[:-1]) if i or part not in splits]
            ).as_posix()
            for name, path in below.items()
        }
        classes = sorted(set(folders.values()))
        if classes == ["."]:
            return {}
        if "." in classes:
            raise InputError(
                f"{self._path} has images in folders, which are classes, and beside them: put all "
                "or none into folders"
            )
        return {name: classes.index(folder) for name, folder in folders.items()}

    def _matched(self, name: str, pattern: str) -> int:
        try:
            found = re.search(pattern, name)
            number = (found.group(1) if found else None) or ""
            # Of very many digits Python makes no number.
            if number.isdecimal() and len(number) < 20 and int(number) < MOST_CLASSES:
                return int(number)
        except (re.error, IndexError) as error:
            raise InputError(
                f"the label pattern {pattern!r} is no regular expression with a group ({error}): "
                r"write one such as _(\d+)\."
            ) from error
        raise InputError(
            f"the label pattern {pattern!r} finds no number below {MOST_CLASSES} in {name}: change "
            "it"
        )

    def _decode(self, name: str) -> np.ndarray:
        from PIL import ImageOps

        try:
            with _opened(self._path, self._zip, name) as image:
                if "exif" in image.info:
                    ImageOps.exif_transpose(image, in_place=True)
                if image.has_transparency_data:
                    image = image.convert("RGBA")
                    if image.getchannel("A").getextrema()[0] < 255:
                        raise InputError(
                            f"{name} in {self._path} has transparent pixels: flatten it onto a "
                            "background"
                        )
                pixels = np.asarray(image.convert("L" if self.shape[-1] == 1 else "RGB"))
            if pixels.shape[:2] != self.shape[:2]:
                raise ValueError(f"it was {self.shape[1]}x{self.shape[0]} when it was opened")
        except InputError:
            raise
        except Exception as error:  # as above
            raise _damaged(self._path, name, error) from error
        return pixels.reshape(self.shape)


def _zip_of(path: Path) -> zipfile.ZipFile | None:
    if path.is_dir():
        return None
    if not path.exists():
        raise InputError(f"no folder or zip {path}: check the path after images:")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{path} is neither a folder nor a zip that can be read "
            f"({first_line(error)}): give one of images"
        ) from error


def _opened(path: Path, archive: zipfile.ZipFile | None, name: str) -> Any:
    from PIL import Image

    if archive is None:
        return Image.open(path / name, formats=FORMATS)
    if archive.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    # No more than a header is unpacked until pixels are asked for.
    return Image.open(archive.open(name), formats=FORMATS)


@lru_cache(maxsize=4)
def _common_shape(
    path: Path, version: tuple[int, int, int], names: tuple[str, ...]
) -> tuple[int, int, int]:
    """(H, W, C) of all images, by their headers, which a run that opens several splits reads once,
    unless the path or its names are others. Errors: InputError that names a file."""
    from PIL import ExifTags

    archive, first, colour = _zip_of(path), None, False
    for name in names:
        try:
            with _opened(path, archive, name) as image:
                size, mode = image.size, image.mode
                if getattr(image, "is_animated", False):
                    raise ValueError("it has several images")
                if mode in GREY + COLOUR and any(map(_deep, image.tile)):
                    mode += ";16"  # of which Pillow would keep 8
                # Of the header: to ask a PNG for what stands behind its pixels reads them.
                if "exif" in image.info:
                    turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
                    size = size[::-1] if turned else size
        except Exception as error:  # of Pillow and zipfile, whose kinds no list has all of
            raise _damaged(path, name, error) from error
        if mode not in GREY + COLOUR:
            raise InputError(
                f"{name} in {path} has pixels of kind {mode}: convert it to 8 bits a channel"
            )
        first = first or (name, size)
        if size != first[1]:
            raise InputError(
                f"{name} in {path} is {size[0]}x{size[1]} and {first[0]} is "
                f"{first[1][0]}x{first[1][1]}: crop and resize all images to one size"
            )
        colour = colour or mode not in GREY
    assert first is not None
    return (first[1][1], first[1][0], 3 if colour else 1)


def _damaged(path: Path, name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} in {path} cannot be read as an image ({first_line(error)}): mend or remove it"
    )
