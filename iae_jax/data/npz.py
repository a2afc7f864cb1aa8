"""Images in an npz file."""

from pathlib import Path

import numpy as np

from iae_jax.data.dataset import MAX_CLASSES, ArraySource, Dataset, Source
from iae_jax.data.splits import select
from iae_jax.errors import InputError, first_line

KEYS = ("images", "labels", "test_images", "test_labels")


def open_npz(path: Path, split: str) -> Source:
    """One split of an npz file; the arrays that it may have are `KEYS`.

    Raises:
      InputError: no such file, a damaged one, or other arrays.
    """
    try:
        # A pickle inside a file can run any code, so object arrays are refused.
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path after npz:") from None
    except Exception as error:  # a damaged header can cause any error, MemoryError too
        raise InputError(
            f"{path} is truncated or is no npz file of plain arrays ({first_line(error)}); "
            "write it again with numpy.savez"
        ) from error

    for key in sorted(arrays.keys() - KEYS):
        if key.endswith(("images", "labels")):
            raise InputError(
                f"{path}: an array {key!r} would not be read: name it one of {', '.join(KEYS)}; "
                "for validation images, slice `train`"
            )
    if "test_labels" in arrays and "test_images" not in arrays:
        raise InputError(f"{path} has test_labels and no test_images: add these")
    parts = {"train": _part(path, arrays, "images", "labels")}
    if "test_images" in arrays:
        parts["test"] = _part(path, arrays, "test_images", "test_labels")
        shapes = [part.x.shape[1:] for part in parts.values()]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path}: images are {shapes[0]} but test_images are {shapes[1]}; "
                "give both the same height, width and channels"
            )
    # From the whole file, so that all slices of it have the same number of classes.
    classes = 1 + max(int(part.labels.max()) for part in parts.values())
    return ArraySource(select(split, parts), classes or None)


def _part(path: Path, arrays: dict[str, np.ndarray], images_key: str, labels_key: str) -> Dataset:
    if images_key not in arrays:
        raise InputError(f"{path} has no array {images_key!r}, only {sorted(arrays)}; add it")
    images = arrays[images_key]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.size == 0:
        raise InputError(
            f"{path}: {images_key} is {images.dtype}{list(images.shape)}; "
            "make it uint8[N, H, W, C] or uint8[N, H, W], 0 to 255"
        )
    labels = arrays.get(labels_key, np.full(len(images), -1))
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {labels_key} is {labels.dtype}{list(labels.shape)}; "
            f"make it one integer per image, int[{len(images)}]"
        )
    if labels.min() < -1 or labels.max() >= MAX_CLASSES:
        raise InputError(
            f"{path}: {labels_key} must be 0, 1, 2, ... below {MAX_CLASSES}, or -1 for no label"
        )
    return Dataset(images, labels.astype(np.int32))
