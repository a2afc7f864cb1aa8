"""Where images come from: `open_source(name, split)` opens a set, `load(source)` decodes it.

    source = open_source("digits", "train[:1400]")
    image, label = source[3]                           # uint8[8, 8, 1], int
    images, labels = load(source)                      # uint8[1400, 8, 8, 1], int32[1400]

A set is prepared by TFDS, an npz file, or a folder of image files.
"""

from pathlib import Path

from iae_jax.data.dataset import Source
from iae_jax.data.folder import FolderSource
from iae_jax.data.npz import open_npz
from iae_jax.data.tfds_records import RecordSource
from iae_jax.errors import InputError, first_line


def open_source(
    name: str,
    split: str,
    data_dir: str | None = None,
    label_pattern: str = "",
    shuffled: bool = True,
) -> Source:
    """Opens one split of a data set.

    Args:
      name: `digits` (made on first use), `mnist` or any other image set that TFDS has
        prepared under `data_dir`; or `npz:PATH`, an npz file with `images` uint8[N, H, W, C]
        or uint8[N, H, W], optionally `labels` int[N], `test_images` and `test_labels`; or
        `images:PATH`, a folder of image files or a zip of one, see `FolderSource`.
      split: TFDS's slicing strings, for files too: `train`, `train[:55000]`,
        `train[-10%:]`, `train+test`.
      data_dir: where TFDS keeps prepared sets. None is TFDS's own default: the environment
        variable TFDS_DATA_DIR, else ~/tensorflow_datasets.
      label_pattern: a regular expression whose group finds the label in an image file's path,
        for `images:PATH` alone.
      shuffled: for `images:PATH` alone: False takes slices of images with labels in the order of
        their paths, so that neighbours that are alike are in one split.

    Raises:
      InputError: no such set or split, a split without images, files that are damaged or of
        another kind. The message says what to do.
    """
    kind, _, path = name.partition(":")
    if label_pattern and kind != "images":
        raise InputError(f"a label pattern is for images:PATH and the set is {name}: leave it out")
    if not shuffled and kind != "images":
        raise InputError(f"shuffled is for images:PATH and the set is {name}: leave it as it is")
    if kind in ("npz", "images") and not path:
        raise InputError(f"the set is {name!r}: give {kind}:PATH, the path of a file or folder")
    if kind == "npz":
        return open_npz(_own(path), split)
    if kind == "images":
        return FolderSource(_own(path), split, label_pattern, shuffled)
    return RecordSource(name, split, data_dir)


def _own(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~ of somebody who is not there
        raise InputError(f"{path} has no such home ({first_line(error)}): write it out") from error


def title(name: str) -> str:
    """What a set is called in records: its name, or that of its file or folder."""
    _, colon, path = name.partition(":")
    return Path(path).stem if colon else name
