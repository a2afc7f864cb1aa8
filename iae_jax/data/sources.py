"""Where data come from: `open_source(name, split)` opens a data set, `load(source)` decodes it.

    source = open_source("digits", "train[:1400]")
    image, label = source[3]                           # uint8[8, 8, 1], int
    x, labels = load(source)                           # uint8[1400, 8, 8, 1], int32[1400]

A data set is prepared by TFDS, a file or folder of the user, or computed by a function.
"""

from pathlib import Path

from iae_jax.data.dataset import Source
from iae_jax.data.folder import FolderSource
from iae_jax.data.limits import Limits
from iae_jax.data.npz import open_npz
from iae_jax.data.planar import open_planar
from iae_jax.data.reading import Reading, check_reading
from iae_jax.data.splits import AUTOMATIC
from iae_jax.data.tfds_records import RecordSource
from iae_jax.errors import InputError
from iae_jax.files.home import expanded
from iae_jax.kinds import made

ARRAYS, PACKED = (".npz", ".npy"), (".zip",)  # ends of a path that is given without a kind


def open_source(
    name: str,
    split: str,
    data_dir: str | None = None,
    label_pattern: str = "",
    shuffled: bool = True,
    labels: str = "",
    size: int = 0,
    arrays: str = "",
) -> Source:
    """Opens one split of a data set.

    Args:
      name: `digits` (prepared on first use), `mnist` or any other image data set that TFDS has
        prepared in `data_dir`; or `npz:PATH`, an npz file with `images` [N, H, W, C] or [N, H, W]
        of whole numbers from 0 to 255 (or floats, masks: see `pixels`), optionally `labels`,
        `test_images` and so on, see `open_npz`, or an npy file of images alone; or `images:PATH`, a
        folder of image files or a zip of one, see `FolderSource`; or a path without these words, if
        it is there (`photos/`, `./set.npz`); or `planar:ring`, `planar:grid(side=3)`, ...: points
        of the plane, see `planar`; or `MODULE:NAME` or `MODULE:NAME(field=value, ...)`, a function
        of any module that can be imported, called with the split, which returns a `Source`.
      split: a TFDS slicing string, for all of these: `train`, `train[:55000]`, `train[-10%:]`,
        `train+test`; or `auto:train`, `auto:validation`, `auto:test`: that split, or a part of
        another one where it is not there (`splits.choice`).
      data_dir: where TFDS keeps prepared data sets. None is TFDS's default: the environment
        variable TFDS_DATA_DIR, else ~/tensorflow_datasets.
      label_pattern, shuffled, labels, size, arrays: of files, see `Reading`. What is too large is
        refused: `open_within` has other limits.

    Raises:
      InputError: no such data set or split, a split without examples, damaged files or files of
        another kind. The message says what to do.
    """
    reading = Reading(label_pattern, shuffled, labels, size, arrays)
    return open_within(Limits(), name, split, data_dir, reading)


def open_within(
    limits: Limits, name: str, split: str, data_dir: str | None, reading: Reading
) -> Source:
    """As `open_source`, with limits of one's own."""
    kind, path = _parts(name)
    if not kind and reading != Reading() and Path(name).is_dir():
        raise InputError(f"{name} is a folder here: write --config.data.name={name}/")
    check_reading(reading, kind, name)
    if kind in ("npz", "images") and not path:
        raise InputError(
            f"the data set is {name!r}: give {kind}:PATH, the path of a file or folder"
        )
    other = "images" if kind == "npz" else "npz"
    packed = path.lower().endswith(PACKED) or (kind == "npz" and Path(path).is_dir())
    if (kind == "npz" and packed) or (kind == "images" and path.lower().endswith(ARRAYS)):
        raise InputError(f"{name} is not of that kind: write --config.data.name={other}:{path}")
    if kind == "npz":
        return open_npz(expanded(path), split, reading, limits)
    if kind == "images":
        return FolderSource(expanded(path), split, reading, limits)
    if kind == "planar":
        return open_planar(path, split)
    if kind:
        source = made(name, {}, "data.name", split.removeprefix(AUTOMATIC))
        if not isinstance(source, Source):
            raise InputError(
                f"{name} returns a {type(source).__name__}: return an iae_jax.data.Source, for "
                "example an ArraySource"
            )
        return source
    return RecordSource(name, split, data_dir)


def title(name: str) -> str:
    """What records call a data set: its name, but the file's or folder's name alone of a path."""
    kind, path = _parts(name)
    return Path(path).stem if kind in ("npz", "images") else name


def kind_of(name: str) -> str:
    """npz, images or planar; "" for a data set of TFDS; a module's name for a function of it."""
    return _parts(name)[0]


def is_files(name: str) -> bool:
    """Whether a data set is a file or folder of the user."""
    return kind_of(name) in ("npz", "images")


def without_place(name: str) -> str:
    """A data set's name, without where it lies if it is, or looks like, a file or folder: what it
    is then, its images say."""
    plain = ":" not in name.partition("(")[0]
    placed = is_files(name) or (plain and ("/" in name or name.endswith((*ARRAYS, *PACKED))))
    return "(files)" if placed else name


def _parts(name: str) -> tuple[str, str]:
    """(what stands before the first colon, the rest); ("", name) for a data set of TFDS; ("images",
    path) or ("npz", path) for a path."""
    before, colon, after = name.partition(":")
    if colon and before in ("npz", "images", "planar"):
        return before, after
    if _is_path(name):
        return ("npz" if name.lower().endswith(ARRAYS) else "images"), name
    version = after[:1].isdigit() or after.startswith("*")  # mnist:3.0.1, mnist:*.*.*
    if version or ":" not in name.partition("(")[0]:
        return "", name
    return before, after


def _is_path(name: str) -> bool:
    """Whether a name without a kind is a path: it says so itself, or looks like one and is there.
    "emnist/digits" of TFDS is none, nor is a folder that TFDS has prepared."""
    if name.startswith(("./", "../", "~", "/")) or Path(name).is_absolute():
        return True
    if ":" in name:
        return False
    if name.endswith("/") or name.lower().endswith((*ARRAYS, *PACKED)):
        return True
    path = Path(name)
    try:
        return "/" in name and path.exists() and not any(path.glob("*/dataset_info.json"))
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False
