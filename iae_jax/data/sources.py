"""Where data come from: `open_source(name, split)` opens a data set, `load(source)` decodes it.

    source = open_source("digits", "train[:1400]")
    image, label = source[3]                           # uint8[8, 8, 1], int
    x, labels = load(source)                           # uint8[1400, 8, 8, 1], int32[1400]

A data set is prepared by TFDS, a file or folder of the user, or computed by a function.
"""

from pathlib import Path

from iae_jax.data.dataset import Source
from iae_jax.data.folder import FolderSource
from iae_jax.data.npz import open_npz
from iae_jax.data.planar import open_planar
from iae_jax.data.tfds_records import RecordSource
from iae_jax.errors import InputError, first_line
from iae_jax.kinds import made


def open_source(
    name: str,
    split: str,
    data_dir: str | None = None,
    label_pattern: str = "",
    shuffled: bool = True,
) -> Source:
    """Opens one split of a data set.

    Args:
      name: one of
        `digits` (prepared on first use), `mnist` or any other image data set that TFDS has
          prepared in `data_dir`;
        `npz:PATH`, an npz file with `images` uint8[N, H, W, C] or uint8[N, H, W], optionally
          `labels` int[N], `test_images` and `test_labels`;
        `images:PATH`, a folder of image files or a zip of one, see `FolderSource`;
        `planar:ring`, `planar:grid(side=3)`, ...: points of the plane, see `planar`;
        `MODULE:NAME` or `MODULE:NAME(field=value, ...)`, a function of any module that can be
          imported, called with the split; it returns a `Source`.
      split: a TFDS slicing string, for all of these: `train`, `train[:55000]`, `train[-10%:]`,
        `train+test`.
      data_dir: where TFDS keeps prepared data sets. None is TFDS's default: the environment
        variable TFDS_DATA_DIR, else ~/tensorflow_datasets.
      label_pattern: for `images:PATH`, a regular expression whose group matches the label in the
        path of an image.
      shuffled: for `images:PATH`; False keeps images with labels in the order of their paths, so
        that neighbours, which may be alike, are in one split.

    Raises:
      InputError: no such data set or split, a split without examples, damaged files or files of
        another kind. The message says what to do.
    """
    kind, path = _parts(name)
    if label_pattern and kind != "images":
        raise InputError(
            f"label_pattern is for images:PATH and the data set is {name}: leave it empty"
        )
    if not shuffled and kind != "images":
        raise InputError(f"shuffled is for images:PATH and the data set is {name}: leave it true")
    if kind in ("npz", "images") and not path:
        raise InputError(
            f"the data set is {name!r}: give {kind}:PATH, the path of a file or folder"
        )
    if kind == "npz":
        return open_npz(_expanded(path), split)
    if kind == "images":
        return FolderSource(_expanded(path), split, label_pattern, shuffled)
    if kind == "planar":
        return open_planar(path, split)
    if kind:
        source = made(name, {}, "data.name", split)
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


def _parts(name: str) -> tuple[str, str]:
    """(what stands before the first colon, the rest); ("", name) for a data set of TFDS."""
    before, colon, after = name.partition(":")
    if colon and before in ("npz", "images", "planar"):
        return before, after
    version = after[:1].isdigit() or after.startswith("*")  # mnist:3.0.1, mnist:*.*.*
    if version or ":" not in name.partition("(")[0]:
        return "", name
    return before, after


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~ of an unknown user
        raise InputError(
            f"{path} has no such home ({first_line(error)}): write the path in full"
        ) from error
