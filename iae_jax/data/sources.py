"""Where images come from: `open_source(name, split)` opens a set, `load(source)` decodes it.

    source = open_source("digits", "train[:1400]")
    image, label = source[3]                           # uint8[8, 8, 1], int
    images, labels = load(source)                      # uint8[1400, 8, 8, 1], int32[1400]

A set is either prepared by TFDS (record files, read without TensorFlow) or an npz file.
"""

import abc
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from iae_jax.data.codec import decode_image
from iae_jax.types import InputError


class Dataset(NamedTuple):
    """Decoded images and their labels.

    images: uint8[N, H, W, C].
    labels: int32[N]; -1 where there is none.
    """

    images: np.ndarray
    labels: np.ndarray


class Source(abc.ABC):
    """Random access to the images of one split.

    shape: (H, W, C) of every image.
    classes: the number of classes, or None if the set has no labels.
    """

    shape: tuple[int, int, int]
    classes: int | None

    @abc.abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abc.abstractmethod
    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        """The images at ``positions: int[N]``, in that order; much faster than one by one."""

    def __getitem__(self, position: int) -> tuple[np.ndarray, int]:
        """One image, uint8[H, W, C], and its label. IndexError beyond the end."""
        images, labels = self.read([range(len(self))[position]])
        return images[0], int(labels[0])

    @property
    def nbytes(self) -> int:
        """Size of all images once decoded, in bytes: does the set fit on the device?"""
        height, width, channels = self.shape
        return len(self) * height * width * channels


def open_source(name: str, split: str, data_dir: str | None = None) -> Source:
    """Opens one split of a data set.

    Args:
      name: `digits` (made on first use), `mnist` or any other image set that TFDS has
        prepared under `data_dir`, or `npz:PATH`: an npz file with `images` uint8[N, H, W, C]
        or uint8[N, H, W], optionally `labels` int[N], `test_images` and `test_labels`.
      split: TFDS's slicing strings, for npz files too: `train`, `train[:55000]`,
        `train[-10%:]`, `train+test`.
      data_dir: where TFDS keeps prepared sets. None is TFDS's own default: the environment
        variable TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Raises:
      InputError: no such set or split, a split without images, an npz file or a prepared set
        that is damaged or of another kind. The message says what to do.
    """
    if name.startswith("npz:"):
        return _open_npz(Path(name.removeprefix("npz:")).expanduser(), split)
    return _RecordSource(name, split, data_dir)


def load(source: Source) -> Dataset:
    """All images of a source, decoded: `source.nbytes` of memory, ~7,000 MNIST images/s."""
    return source.read(np.arange(len(source)))


class _ArraySource(Source):
    """Images that are already in memory."""

    def __init__(self, data: Dataset, classes: int | None) -> None:
        self.data = data
        self.shape = data.images.shape[1:]
        self.classes = classes

    def __len__(self) -> int:
        return len(self.data.images)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        return Dataset(self.data.images[positions], self.data.labels[positions])


def _open_npz(path: Path, split: str) -> Source:
    try:
        # A pickle inside a file may run any code, so object arrays are refused.
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path after npz:") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is truncated or is no npz file of plain arrays ({_line(error)}); "
            "write it again with numpy.savez"
        ) from error

    parts = {"train": _npz_part(path, arrays, "images", "labels")}
    if "test_images" in arrays:
        parts["test"] = _npz_part(path, arrays, "test_images", "test_labels")
        shapes = [part.images.shape[1:] for part in parts.values()]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"{path}: images are {shapes[0]} but test_images are {shapes[1]}; "
                "give both the same height, width and channels"
            )
    slices = _slices(split, {key: len(part.images) for key, part in parts.items()})
    data = Dataset(
        np.concatenate([parts[key].images[where] for key, where in slices]),
        np.concatenate([parts[key].labels[where] for key, where in slices]),
    )
    # Over the whole file, so that slices of one file agree.
    classes = 1 + max(int(part.labels.max()) for part in parts.values())
    return _ArraySource(data, classes or None)


def _npz_part(
    path: Path, arrays: dict[str, np.ndarray], images_key: str, labels_key: str
) -> Dataset:
    if images_key not in arrays:
        raise InputError(f"{path} has no array {images_key!r}, only {sorted(arrays)}; add it")
    images = arrays[images_key]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.size == 0:
        raise InputError(
            f"{path}: {images_key} is {images.dtype}{list(images.shape)}; "
            "make it uint8[N, H, W, C] or uint8[N, H, W], 0..255"
        )
    labels = arrays.get(labels_key, np.full(len(images), -1))
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {labels_key} is {labels.dtype}{list(labels.shape)}; "
            f"make it one integer per image, int[{len(images)}]"
        )
    if labels.min() < -1 or labels.max() >= 2**31 - 1:
        raise InputError(f"{path}: {labels_key} must be 0, 1, 2, ..., or -1 for no label")
    return Dataset(images, labels.astype(np.int32))


class _RecordSource(Source):
    """A set that TFDS has prepared as array_record files."""

    def __init__(self, name: str, split: str, data_dir: str | None) -> None:
        import tensorflow_datasets as tfds

        self._name, self._data_dir = name, data_dir
        builder = self._open_builder()
        if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
            raise InputError(
                f"{builder.data_dir} is stored as {builder.info.file_format.value}, which has no "
                "random access; prepare it with file_format=array_record"
            )
        features = dict(builder.info.features.items())
        image, label = features.get("image"), features.get("label")
        if (
            not isinstance(image, tfds.features.Image)
            or image.np_dtype != np.uint8
            or None in image.shape
        ):
            raise InputError(
                f"{name} has no feature `image` of type uint8 and one size for all, but "
                f"{list(features)}; make an npz file of it and use npz:PATH"
            )
        self.shape = image.shape
        labelled = isinstance(label, tfds.features.ClassLabel)
        self.classes = label.num_classes if label and labelled else None

        splits = builder.info.splits
        _slices(split, {key: splits[key].num_examples for key in splits})
        self._directory = builder.data_dir
        self._check_files(splits[split].file_instructions)
        self._records = builder.as_data_source(
            split, decoders={"image": tfds.decode.SkipDecoding()}
        )

    def __len__(self) -> int:
        return len(self._records)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        images = np.empty((len(positions), *self.shape), np.uint8)
        labels = np.full(len(positions), -1, np.int32)
        try:
            for start in range(0, len(positions), 1000):  # bounds the undecoded bytes in memory
                chunk = [int(position) for position in positions[start : start + 1000]]
                for i, record in enumerate(self._records.__getitems__(chunk), start):
                    images[i] = decode_image(record["image"], self.shape)
                    if self.classes:
                        labels[i] = record["label"]
        except Exception as error:  # array_record, protobuf, TFDS, Pillow: each has its own kinds
            raise self._damaged(error) from error
        return Dataset(images, labels)

    def _open_builder(self) -> Any:
        import tensorflow_datasets as tfds

        from iae_jax.data.prepare import is_prepared, prepare

        if self._name == "digits":
            prepare("digits", self._data_dir)
        try:
            builder = tfds.builder(self._name, data_dir=self._data_dir)
        except tfds.core.DatasetNotFoundError:
            raise InputError(self._how_to_prepare()) from None
        except Exception as error:  # TFDS documents no other kind
            raise InputError(
                f"TFDS cannot open {self._name!r} ({_line(error)}); if it is prepared, its "
                "directory is damaged: delete that and prepare it again"
            ) from error
        if not is_prepared(builder):
            raise InputError(self._how_to_prepare())
        return builder

    def _check_files(self, instructions: list[Any]) -> None:
        """Refuses truncated files now: array_record reads some of them as empty records."""
        from array_record.python.array_record_module import ArrayRecordReader

        for file in instructions:
            try:
                reader = ArrayRecordReader(file.filename)
                count = reader.num_records()
                reader.close()
            except Exception as error:
                raise self._damaged(error) from error
            if count != file.examples_in_shard:
                raise self._damaged(f"{count} records, not {file.examples_in_shard}")

    def _damaged(self, why: object) -> InputError:
        return InputError(
            f"{self._directory} is damaged ({_line(why)}); delete that directory, then "
            f"run: {self._prepare_command()}"
        )

    def _how_to_prepare(self) -> str:
        where = self._data_dir or "TFDS's default directory"
        return (
            f"no data set {self._name!r} in {where}: check the name and data_dir, or "
            f"run: {self._prepare_command()}"
        )

    def _prepare_command(self) -> str:
        from iae_jax.data.prepare import NAMES

        flag = f" --data_dir {self._data_dir}" if self._data_dir else ""
        if self._name in NAMES:
            return f"python -m iae_jax.data.prepare {self._name}{flag}"
        return f"tfds build {self._name} --file_format array_record{flag} (needs TensorFlow)"


def _slices(split: str, sizes: dict[str, int]) -> list[tuple[str, slice]]:
    """TFDS's slicing string -> where its images are: [(name of a split, slice of it)].

    Raises:
      InputError: it cannot be read, is out of range, or selects nothing.
    """
    import tensorflow_datasets as tfds

    infos = {
        key: tfds.core.SplitInfo(
            name=key, shard_lengths=[size], num_bytes=0, filename_template=None
        )
        for key, size in sizes.items()
    }
    have = ", ".join(f"{key} ({size} images)" for key, size in sizes.items())
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except Exception as error:  # ValueError, AssertionError, NotImplementedError
        raise InputError(f"split {split!r}: {_line(error).rstrip('.')}; there is {have}") from error
    slices = [(part.splitname, slice(part.from_, part.to)) for part in parts]
    if not any(len(range(sizes[key])[where]) for key, where in slices):
        raise InputError(f"split {split!r} selects no image; there is {have}")
    return slices


def _line(error: object) -> str:
    """The first line of a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
