"""Images as files of a folder, or of a zip of one."""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from iae_jax.data.dataset import Dataset, Source, slices_of
from iae_jax.types import InputError, first_line

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "validation", "test")
GREY, COLOUR = ("1", "L", "LA"), ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV")

# Of a camera that was held sideways, as EXIF numbers it.
SIDEWAYS = (5, 6, 7, 8)
# What Pillow and zipfile raise for files that are damaged, encrypted, or compressed in a way that
# they do not know. (An image that Pillow does not know is an OSError.)
DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)
MOST_CLASSES = 1_000_000


def _below(names: list[str]) -> dict[str, PurePosixPath]:
    """name -> its path below the folder that holds all others, if there is one (and it is no
    split): what a zip of a folder has."""
    paths = {name: PurePosixPath(name) for name in names}
    while len({path.parts[0] for path in paths.values()}) == 1:
        if any(len(path.parts) < 2 or path.parts[0] in SPLITS for path in paths.values()):
            break
        paths = {name: PurePosixPath(*path.parts[1:]) for name, path in paths.items()}
    return paths


class FolderSource(Source):
    """Every image file below a folder or in a zip, in the order of the sorted paths; where folders
    are classes, of the paths' hashes, so that a slice has images of all of them.

    Other files, and what begins with "." or "__", are passed over, and so is a folder that holds
    all others. Folders `train`, `validation` and `test` at the top are splits of those names;
    without a `train` there, everything is `train`. All images have one size, upright. If all are
    grey they have one channel, else three, and grey ones are repeated. A transparent pixel has no
    colour, so that an image with one is refused.

    A label is the number that `label_pattern`, a regular expression, finds in the path (its first
    group); without one, images of the first folder by name are of class 0, and so on, and images
    that lie in no folder have no labels.
    """

    def __init__(self, path: Path, split: str, label_pattern: str = "") -> None:
        self._path = path
        self._zip = self._open_zip()
        names = self._names()
        below = _below(names)
        tops = {name: below[name].parts[0] for name in names if len(below[name].parts) > 1}
        splits = set(tops.values()) & set(SPLITS)
        if "train" not in splits:
            splits = set()
        # Over all images, so that slices and splits agree.
        labels = self._labels_of(below, splits, label_pattern)
        if labels and not label_pattern:
            names.sort(key=lambda name: hashlib.sha256(str(below[name]).encode()).digest())
        parts: dict[str, list[str]] = {}
        for name in names:
            top = tops.get(name, "")
            parts.setdefault(top if top in splits else "train", []).append(name)
        chosen = [
            name
            for key, where in slices_of(split, {key: len(own) for key, own in parts.items()})
            for name in parts[key][where]
        ]
        self.classes = max(labels.values()) + 1 if labels else None
        self.shape = self._common_shape(names)
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

    def _open_zip(self) -> zipfile.ZipFile | None:
        if self._path.is_dir():
            return None
        if not self._path.exists():
            raise InputError(f"no folder or zip {self._path}: check the path after images:")
        try:
            return zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(
                f"{self._path} is neither a folder nor a zip that can be read "
                f"({first_line(error)}): give one of images"
            ) from error

    def _names(self) -> list[str]:
        """Paths of all image files, with "/" between their parts."""
        if self._zip is None:
            found = [
                path.relative_to(self._path).as_posix()
                for path in self._path.rglob("*")
                if path.is_file()
            ]
        else:
            found = self._zip.namelist()
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
        return names

    def _labels_of(
        self, below: dict[str, PurePosixPath], splits: set[str], pattern: str
    ) -> dict[str, int]:
        """name -> label; empty if there are none."""
        if pattern:
            return {name: self._matched(name, pattern) for name in below}
        folders = {
            name: PurePosixPath(*[
                part for i, part in enumerate(path.parts[:-1]) if i or part not in splits
            ]).as_posix()
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
            if found and found.group(1).isdecimal() and int(found.group(1)) < MOST_CLASSES:
                return int(found.group(1))
        except (re.error, IndexError) as error:
            raise InputError(
                f"the label pattern {pattern!r} is no regular expression with a group ({error}): "
                r"write one such as _(\d+)\."
            ) from error
        raise InputError(
            f"the label pattern {pattern!r} finds no number below {MOST_CLASSES} in {name}: change "
            "it"
        )

    def _bytes(self, name: str) -> bytes:
        if self._zip is None:
            return (self._path / name).read_bytes()
        return self._zip.read(name)

    def _open(self, name: str) -> Any:
        from PIL import Image

        # A folder's file is opened by its path, of which only the header is read yet.
        return Image.open(io.BytesIO(self._bytes(name)) if self._zip else self._path / name)

    def _common_shape(self, names: list[str]) -> tuple[int, int, int]:
        """(H, W, C) of all images, by their headers. Errors: InputError that names a file."""
        from PIL import ExifTags, Image

        first, colour = None, False
        for name in names:
            try:
                with self._open(name) as image:
                    size, mode = image.size, image.mode
                    # Of the header: to ask a PNG for what stands behind its pixels reads them.
                    if "exif" in image.info:
                        turned = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
                        size = size[::-1] if turned else size
            except (*DAMAGE, Image.DecompressionBombError) as error:
                raise self._damaged(name, error) from error
            if mode not in GREY + COLOUR:
                raise InputError(
                    f"{name} in {self._path} has pixels of kind {mode}: convert it to 8 bits a "
                    "channel"
                )
            first = first or (name, size)
            if size != first[1]:
                raise InputError(
                    f"{name} in {self._path} is {size[0]}x{size[1]} and {first[0]} is "
                    f"{first[1][0]}x{first[1][1]}: crop and resize all images to one size"
                )
            colour = colour or mode not in GREY
        assert first is not None
        return (first[1][1], first[1][0], 3 if colour else 1)

    def _decode(self, name: str) -> np.ndarray:
        from PIL import Image, ImageOps

        try:
            with self._open(name) as image:
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
        except InputError:
            raise
        except (*DAMAGE, Image.DecompressionBombError) as error:
            raise self._damaged(name, error) from error
        return pixels.reshape(self.shape)

    def _damaged(self, name: str, error: Exception) -> InputError:
        return InputError(
            f"{name} in {self._path} cannot be read as an image ({first_line(error)}): mend or "
            "remove it"
        )
