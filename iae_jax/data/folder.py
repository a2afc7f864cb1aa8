"""Image files in a folder, or in a zip of one, as a data set."""

import dataclasses
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from iae_jax.data import image_labels, label_files
from iae_jax.data.classes import Classes
from iae_jax.data.dataset import Dataset, Source
from iae_jax.data.file_set import open_files, text_of
from iae_jax.data.image_files import common_shape, decode, headers
from iae_jax.data.limits import Limits
from iae_jax.data.reading import Reading
from iae_jax.data.splits import SPLITS, choice, slices_of, spans, split_called
from iae_jax.errors import InputError
from iae_jax.files.home import expanded

# Of images, and of what may hold some, that are not read, which is said.
OTHERS = (
    ".7z", ".avif", ".bz2", ".dcm", ".gif", ".gz", ".heic", ".heif", ".jfif", ".jp2", ".mat",
    ".npy", ".npz", ".rar", ".svg", ".tar", ".tga", ".tgz", ".xz", ".zip",
)  # fmt: skip
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MANY = 100  # classes; that many may well have one image each
MAX_SIDE = 8192  # of a resized image


class FolderSource(Source):
    """Every image file in a folder and its subfolders, or in a zip.

    Files: those with a suffix of `SUFFIXES`; names that begin with "." or "__" are ignored, and so
    is a folder that contains everything else. Backslashes in the names of a zip are slashes. All
    images have one size (after EXIF rotation), unless `size` is set, and 8 bits per channel. If all
    are grey there is one channel; otherwise there are three, and grey images are repeated. An image
    with a transparent pixel, and a file with several images, are refused.

    Splits: if there is a folder `train` at the top, then `train`, `validation` (or `val`, `valid`)
    and `test` are the splits, and every image has to be in one of them; otherwise all images are
    `train`.

    Labels, the first of these: of the file `labels` (see `label_files.rows_of`); what the first
    group of `label_pattern`, a regular expression, matches in the path; `labels.csv` or
    `labels.json` in a folder that contains everything else, or in that of a split; the folders;
    none. Words, and the names of folders, are sorted (numbers as numbers); `class_names` has them.

    Order: sorted paths; for images with labels, and where a part of `train` stands for a split that
    is not there, the order of the hashes of their paths, so that a slice contains all classes,
    unless `shuffled` is false.
    """

    shape: tuple[int, int, int]

    def __init__(self, path: Path, split: str, reading: Reading, limits: Limits) -> None:
        if not 0 <= reading.size <= MAX_SIDE:
            raise InputError(f"data.size is from 0 to {MAX_SIDE}, not {reading.size}")
        self._path, self._reading, self._files = path, reading, open_files(path, limits)
        self._members = self._listed()
        names = self._names()
        self._paths = _without_common_folder(names)
        self._split_of = self._splits()
        # Of all images, so that slices and splits agree.
        classes, noted = self._classes()
        sizes = {name: 0 for name in SPLITS if name in {"train", *self._split_of.values()}}
        for name in names:
            sizes[self._split_of.get(name, "train")] += 1
        chosen = choice(split, sizes)
        if (classes.total or chosen.cut) and reading.shuffled:
            names.sort(key=lambda name: hashlib.sha256(os.fsencode(self._paths[name])).digest())
        parts: dict[str, list[str]] = {name: [] for name in sizes}
        for name in names:
            parts[self._split_of.get(name, "train")].append(name)
        slices = slices_of(chosen.split, sizes)
        mine = [name for key, where in slices for name in parts[key][where]]
        self._chosen_names, self._chosen = mine, [self._members[name] for name in mine]
        number = dict(zip(self._paths, classes.labels.tolist(), strict=True))
        self._labels = np.array([number[name] for name in mine], np.int32)
        self.classes, self.class_names = classes.total, classes.names
        self.slices = spans(slices, sizes)
        status = path.stat()
        version = (status.st_dev, status.st_ino, status.st_mtime_ns)
        members = tuple(self._members[name] for name in sorted(names))
        found = headers(path, version, members, tuple(dataclasses.asdict(limits).items()))
        self.shape, resized = common_shape(found, path, reading.size)
        lines = (noted, classes.note, self._doubt(classes, number), resized, self._unread())
        self.notes = tuple(line for line in (*lines, chosen.note) if line)
        del self._members, self._paths, self._split_of  # of all images

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x = np.empty((len(positions), *self.shape), np.uint8)
        for i, position in enumerate(positions):
            member = self._chosen[int(position)]
            x[i] = decode(self._files, member, self.shape, bool(self._reading.size))
        return Dataset(x, self._labels[np.asarray(positions, np.int64)])

    def labels(self) -> np.ndarray:
        return self._labels

    def _listed(self) -> dict[str, str]:
        """name, relative and with "/" -> that in the folder or zip, of all files."""
        archive = self._files.archive
        found = list(self._walked() if archive is None else archive.namelist())
        # Some programs for Windows write backslashes into a zip; elsewhere they are part of a name.
        names = [name.replace("\\", "/") if archive else name for name in found]
        for name, following in itertools.pairwise(sorted(names)):
            if name == following and name.lower().endswith(SUFFIXES):
                raise InputError(f"{self._path} has two files {name}: rename one of them")
        return dict(zip(names, found, strict=True))

    def names(self) -> list[str]:
        """Paths in the folder or zip, with "/"."""
        return self._chosen_names

    def _names(self) -> list[str]:
        """Those of image files, sorted."""
        names = sorted(
            name
            for name in self._members
            if name.lower().endswith(SUFFIXES)
            and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
        )
        if not names:
            raise InputError(
                f"there is no image in {self._path}: put files there that end in "
                f"{', '.join(SUFFIXES)}"
            )
        return names

    def _walked(self) -> Iterator[str]:
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

    def _unread(self) -> str:
        """A line about images of other formats, and archives inside of the set."""
        ends = Counter(PurePosixPath(name).suffix.lower() for name in self._members)
        found = [f"{ends[end]} that end in {end}" for end in OTHERS if ends[end]]
        return f"files are not read: {', '.join(found)}" if found else ""

    def _splits(self) -> dict[str, str]:
        """name -> split; empty if there is no folder `train`."""
        tops = {name: path.parts[0] for name, path in self._paths.items() if path.parts[1:]}
        called = {top: split_called(top) for top in tops.values()}
        there = [split for split in called.values() if split]
        if "train" not in there:
            if len(there) > 1 and None not in called.values():
                raise InputError(
                    f"{self._path} has folders {' and '.join(sorted(called))}, and no folder "
                    "train: call one so, or, if they are classes, by other names"
                )
            return {}
        for name in self._paths:
            if name not in tops or called[tops[name]] is None:
                raise InputError(
                    f"{name} in {self._path} is in none of the splits {', '.join(SPLITS)}: rename "
                    "its folder or move it into one of them"
                )
        if len(there) > len(set(there)):
            twice = [top for top, split in called.items() if there.count(str(split)) > 1]
            raise InputError(
                f"{self._path} has folders {' and '.join(sorted(twice))}, which is one split: "
                "leave one"
            )
        return {name: called[top] or "" for name, top in tops.items()}

    def _classes(self) -> tuple[Classes, str]:
        """Of all images, in the order of `_paths`, and a line about them, or ""."""
        reading = self._reading
        if reading.labels:
            text = text_of(expanded(reading.labels), self._files.limits)
            rows = label_files.rows_of(text, reading.labels)
            return image_labels.by_rows(self._paths, rows, reading.labels)
        if reading.label_pattern:
            return image_labels.by_pattern(self._paths, reading.label_pattern), ""
        if tables := self._tables():
            found: dict[str, str] = {}
            for name, member in tables.items():
                text = text_of(self._path, self._files.limits, self._files, member)
                for row, label in label_files.rows_of(text, name).items():
                    # A row names a file from the table's own folder on, or as `by_rows` says.
                    inside = (PurePosixPath(name).parent / row).as_posix()
                    row = inside if inside in self._paths else row
                    if found.setdefault(row, label) != label:
                        raise InputError(
                            f"{' and '.join(tables)} in {self._path} say of {row} {found[row]!r} "
                            f"and {label!r}: leave one"
                        )
            file = " and ".join(tables)
            classes, note = image_labels.by_rows(self._paths, found, file)
            return classes, "; ".join(filter(None, (f"labels are from {file}", note)))
        classes = image_labels.by_folder(self._paths, self._split_of, self._path)
        beside = [self._path.parent / name for name in label_files.NAMES]
        there = next((one for one in beside if one.is_file()), None)
        if there is None or classes.total:
            return classes, ""
        return classes, f"{there} is not read: --config.data.labels={there} would read it"

    def _tables(self) -> dict[str, str]:
        """Files of labels, by their name in the set: in a folder that contains everything else, or
        in a split's."""
        name, path = next(iter(self._paths.items()))
        common = PurePosixPath(*PurePosixPath(name).parts[: -len(path.parts)])
        tops = {path.parts[0] for name, path in self._paths.items() if name in self._split_of}
        places = [[*reversed(common.parents), common], *([common / top] for top in sorted(tops))]
        found: dict[str, str] = {}
        for folders in places:
            names = dict.fromkeys(
                (folder / name).as_posix() for folder in folders for name in label_files.NAMES
            )
            there = [name for name in names if name in self._members]
            if len(there) > 1:
                raise InputError(f"{self._path} has {' and '.join(there)}: leave one")
            found |= {name: self._members[name] for name in there}
        return found

    def _doubt(self, classes: Classes, number: dict[str, int]) -> str:
        """A line about classes that may be none: too many, or one that a split has and `train` has
        not, as of a typing error."""
        if (classes.total or 0) > max(MANY, len(number) // 2):
            return f"there are {classes.total} classes of {len(number)} images: are they classes?"
        trained = set[int]()
        others: dict[int, str] = {}
        for name, label in number.items():
            if self._split_of.get(name, "train") == "train":
                trained.add(label)
            elif label >= 0:
                others[label] = self._split_of[name]
        for label in sorted(others.keys() - trained):
            if trained - {-1}:
                called = classes.names[label] if classes.names else str(label)
                return f"the class {called} is in {others[label]} and not in train"
        return ""


def _without_common_folder(names: list[str]) -> dict[str, PurePosixPath]:
    """name -> its path without the folders that contain everything else (a zip often has one),
    down to a split's folder."""
    paths = {name: PurePosixPath(name) for name in names}
    while len({path.parts[0] for path in paths.values()}) == 1:
        if any(len(path.parts) < 2 or split_called(path.parts[0]) for path in paths.values()):
            break
        paths = {name: PurePosixPath(*path.parts[1:]) for name, path in paths.items()}
    return paths
