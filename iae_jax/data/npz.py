"""Images in an npz or npy file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.data.archive import ArchiveFile, check_plain
from iae_jax.data.array_header import Header, header_of
from iae_jax.data.classes import Classes, of_arrays
from iae_jax.data.dataset import ArraySource, Dataset, Source
from iae_jax.data.limits import Limits
from iae_jax.data.pixels import as_pixels
from iae_jax.data.reading import Reading
from iae_jax.data.splits import SPLITS, choice, select, slices_of, spans
from iae_jax.errors import InputError, first_line
from iae_jax.files.home import expanded

# What arrays an npz file may have, by the split they are of.
IMAGES = {"train": "images", "validation": "validation_images", "test": "test_images"}
LABELS = {"train": "labels", "validation": "validation_labels", "test": "test_labels"}
KEYS = (*IMAGES.values(), *LABELS.values())
_SHOWN = 20  # arrays in a line


def open_npz(path: Path, split: str, reading: Reading, limits: Limits) -> Source:
    """One split of an npz file, whose arrays are called `KEYS` or as `reading.arrays` says; or of
    an npy file, which is `images` alone. Where a part of a split stands for one that is not there,
    images are taken in a random order that is always the same, unless `shuffled` is false.

    Raises:
      InputError: no such file, a damaged one, or other or larger arrays.
    """
    arrays, unread = _arrays(path, reading.arrays, limits)
    if reading.labels:
        arrays["labels"] = _label_file(expanded(reading.labels), limits)
    for name in SPLITS:
        if LABELS[name] in arrays and IMAGES[name] not in arrays:
            raise InputError(f"{path} has {LABELS[name]} and no {IMAGES[name]}: add these")
    there = [name for name in SPLITS if IMAGES[name] in arrays]
    try:
        images, notes = as_pixels({IMAGES[name]: arrays[IMAGES[name]] for name in there})
        classes = _classes(arrays, {name: len(images[IMAGES[name]]) for name in there})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    shapes = {name: images[IMAGES[name]].shape[1:] for name in there}
    for name, shape in shapes.items():
        if shape != shapes["train"]:
            raise InputError(
                f"{path}: images are {shapes['train']} but {IMAGES[name]} are {shape}; "
                "give both the same height, width and channels"
            )
    sizes = {name: len(images[IMAGES[name]]) for name in there}
    ends = np.cumsum(list(sizes.values()))
    parts = {
        name: Dataset(images[IMAGES[name]], classes.labels[end - sizes[name] : end])
        for name, end in zip(there, ends, strict=True)
    }
    chosen = choice(split, sizes)
    if chosen.cut and reading.shuffled:
        for name, part in parts.items():
            order = np.random.default_rng(0).permutation(sizes[name])
            parts[name] = Dataset(part.x[order], part.labels[order])
    # From the whole file, so that all slices of it have the same number of classes.
    source = ArraySource(select(chosen.split, parts), classes.total)
    source.class_names = classes.names
    source.slices = spans(slices_of(chosen.split, sizes), sizes)
    lines = (unread, *notes, classes.note, _missing(source, parts), chosen.note)
    source.notes = tuple(line for line in lines if line)
    return source


def _missing(source: Source, parts: Mapping[str, Dataset]) -> str:
    """A line about a slice that has not all classes, as of a file in their order."""
    whole = np.unique(np.concatenate([part.labels for part in parts.values()]))
    found, every = np.unique(source.labels()), int((whole >= 0).sum())
    count = int((found >= 0).sum())
    if 0 < count < every and 10 * every <= len(source):
        return f"{source.split} has {count} of {every} classes: is the file in their order?"
    return ""


def _arrays(path: Path, named: str, limits: Limits) -> tuple[dict[str, np.ndarray], str]:
    """What is read of a file, by today's names, and a line about what is not, or "". named: as
    `Reading.arrays`."""
    try:
        with ArchiveFile(path, limits) as file:
            if file.peek(4)[:2] == b"PK":
                # A pickle inside a file can run any code, so object arrays are refused.
                with np.load(file, allow_pickle=False) as arrays:
                    file.listed = True
                    return _asked_arrays(path, arrays, named, limits)
        if named:
            raise InputError(f"{path} is one array: leave data.arrays empty")
        return {"images": _npy(path, limits)}, ""
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path in data.name") from None
    except InputError:
        raise
    except Exception as error:  # a damaged header can cause any error, MemoryError too
        raise _unreadable(path, error) from error


def _asked_arrays(
    path: Path, file: Any, named: str, limits: Limits
) -> tuple[dict[str, np.ndarray], str]:
    """Those of an npz. Of the others nothing is unpacked but, for a message, their headers."""
    others: list[str] = []
    asked = _asked(named) if named else {}
    missing = [name for name in asked.values() if name not in file.files]
    if missing or (not named and "images" not in file.files):
        which = ", ".join(map(repr, missing)) or "'images'"
        raise InputError(
            f"{path} has no array {which}, only {_listing(path, file)}: say which is which, as "
            f"by --config.data.arrays={_guess(file.files)}"
        )
    if not named:
        asked = {name: name for name in KEYS if name in file.files}
        others = sorted(set(file.files) - set(KEYS))
        for key in others:
            if key.endswith(("images", "labels")):
                raise InputError(
                    f"{path}: an array {key!r} would not be read: name it one of "
                    f"{', '.join(KEYS)}, or say which is which by "
                    f"--config.data.arrays={_guess(file.files)}"
                )
    unread = f"arrays that are not read: {_shown(others)}" if others else ""
    total = 0
    for name in dict.fromkeys(asked.values()):
        total += _header(path, file, name).nbytes
        limits.check_bytes("megabytes", total, f"{path}: with {name} the arrays have")
    return {role: _array(path, file, name) for role, name in asked.items()}, unread


def _npy(path: Path, limits: Limits) -> np.ndarray:
    """The array of an npy file."""
    with path.open("rb") as file:
        header = header_of(file, path.stat().st_size)
    limits.check_bytes("megabytes", header.nbytes, f"{path} has")
    found: np.ndarray = np.load(path, allow_pickle=False)
    return found


def _header(path: Path, file: Any, name: str) -> Header:
    """What an array of an npz says that it is."""
    names = file.zip.namelist()
    info = file.zip.getinfo(name if name in names else f"{name}.npy")  # as numpy finds it
    check_plain(info, path)
    try:
        with file.zip.open(info) as opened:
            return header_of(opened, info.file_size)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _array(path: Path, file: Any, name: str) -> np.ndarray:
    try:
        found: np.ndarray = file[name]
    except Exception as error:  # as above
        if "Object arrays" in str(error):
            how = (
                "labels.astype(str)"
                if "label" in name
                else "images of one size, numpy.stack(images)"
            )
            raise InputError(
                f"{path}: {name} holds Python objects and only plain arrays are read, because "
                f"objects can run any code: write it again as {how}"
            ) from error
        raise _unreadable(path, error) from error
    return found


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is truncated or is no npz file of plain arrays ({first_line(error)}); "
        "write it again with numpy.savez"
    )


def _label_file(path: Path, limits: Limits) -> np.ndarray:
    if path.suffix != ".npy":
        raise InputError(f"data.labels of an array of images is an npy file, not {path}")
    try:
        return _npy(path, limits)
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path in data.labels") from None
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(
            f"{path} is no npy file of a plain array ({first_line(error)}); write it again with "
            "numpy.save, words as labels.astype(str)"
        ) from error


def _asked(named: str) -> dict[str, str]:
    """ "images=x_train,labels=y_train" -> {"images": "x_train", "labels": "y_train"}."""
    found: dict[str, str] = {}
    for one in named.split(","):
        role, equals, name = (word.strip() for word in one.partition("="))
        if role not in KEYS or not equals or not name or role in found:
            raise InputError(
                f"data.arrays is {KEYS[0]}=NAME and any of {', '.join(KEYS[1:])}, with commas "
                f"between, not {named!r}"
            )
        found[role] = name
    if "images" not in found:
        raise InputError(f"data.arrays is {named!r}: say too which array is images")
    return found


def _listing(path: Path, file: Any) -> str:
    """The arrays of a file with their types and shapes."""
    said = []
    for name in file.files[:_SHOWN]:
        try:
            found = _header(path, file, name)
            plain = f"{name} {found.dtype}{list(found.shape)}"
            said.append(f"{name} (no plain array)" if found.dtype.hasobject else plain)
        except InputError:
            said.append(f"{name} (no plain array)")
    return ", ".join([*said, *(["..."] if file.files[_SHOWN:] else [])])


def _shown(names: list[str]) -> str:
    return ", ".join([*names[:_SHOWN], *(["..."] if names[_SHOWN:] else [])])


def _guess(names: list[str]) -> str:
    """What `data.arrays` could be for arrays of these names."""
    found: dict[str, str] = {}
    for name in names:
        words = re.split("[^a-z]+", name.lower())
        part = next((p for p in ("test", "val") if any(w.startswith(p) for w in words)), "train")
        split = "validation" if part == "val" else part
        if set(words) & {"y", "label", "labels", "target", "targets", "class", "classes"}:
            found.setdefault(LABELS[split], name)
        elif set(words) & {"x", "image", "images", "img", "imgs", "data", "arr", "pixels"}:
            found.setdefault(IMAGES[split], name)
    if "images" not in found:
        return "images=NAME,labels=NAME"
    return ",".join(f"{role}={found[role]}" for role in KEYS if role in found)


def _classes(arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> Classes:
    """The labels of all splits, one after the other, by one numbering; -1 where there are none."""
    given = {}
    for name, size in sizes.items():
        if (labels := arrays.get(LABELS[name])) is not None:
            if labels.shape[:1] != (size,):
                raise InputError(
                    f"{LABELS[name]} is {labels.dtype}{list(labels.shape)}; make it one label per "
                    f"image, int[{size}]"
                )
            given[name] = labels
    if not given:
        return Classes(np.full(sum(sizes.values()), -1, np.int32))
    found = of_arrays({LABELS[name]: labels for name, labels in given.items()})
    ends = dict(zip(given, np.cumsum([len(one) for one in given.values()]), strict=True))
    every = [
        found.labels[ends[name] - size : ends[name]] if name in given else np.full(size, -1)
        for name, size in sizes.items()
    ]
    return found._replace(labels=np.concatenate(every).astype(np.int32))
