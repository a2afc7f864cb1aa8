"""Images that TensorFlow Datasets (TFDS) has prepared as array_record files, read without
TensorFlow."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from iae_jax.data.codec import decode_image
from iae_jax.data.dataset import Dataset, Source
from iae_jax.data.splits import choice, slices_of, spans
from iae_jax.errors import InputError, first_line


class RecordSource(Source):
    """One split of a data set that TFDS has prepared.

    Args:
      name: as in TFDS's catalog.
      split: a slicing string.
      data_dir: where TFDS keeps prepared data sets; None is its own default.

    Raises:
      InputError: no such data set or split, another file format, damaged files.
    """

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
                f"{name} needs a feature `image` of type uint8 and one fixed size, and has "
                f"{list(features)}; make an npz file of it and use npz:PATH"
            )
        self.shape = image.shape
        labelled = isinstance(label, tfds.features.ClassLabel)
        self.classes = label.num_classes if label and labelled else None

        if labelled and label is not None and label.names:
            self.class_names = tuple(label.names)

        splits = builder.info.splits
        sizes = {key: splits[key].num_examples for key in splits}
        chosen = choice(split, sizes)
        split, self.notes = chosen.split, (chosen.note,) if chosen.note else ()
        self.slices = spans(slices_of(split, sizes), sizes)
        self._directory = builder.data_dir
        self._check_files(splits[split].file_instructions)
        self._records = builder.as_data_source(
            split, decoders={"image": tfds.decode.SkipDecoding()}
        )

    def __len__(self) -> int:
        return len(self._records)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x = np.empty((len(positions), *self.shape), np.uint8)
        labels = np.full(len(positions), -1, np.int32)
        try:
            for start in range(0, len(positions), 1000):  # bounds the undecoded bytes in memory
                chunk = [int(position) for position in positions[start : start + 1000]]
                for i, record in enumerate(self._records.__getitems__(chunk), start):
                    x[i] = decode_image(record["image"], self.shape)
                    if self.classes:
                        labels[i] = record["label"]
        except Exception as error:  # each of array_record, protobuf, TFDS and Pillow has its own
            raise self._damaged(error) from error
        return Dataset(x, labels)

    def labels(self) -> np.ndarray:
        labels = np.full(len(self), -1, np.int32)
        if self.classes:
            try:
                for start in range(0, len(self), 1000):
                    chunk = list(range(start, min(start + 1000, len(self))))
                    found = self._records.__getitems__(chunk)
                    labels[start : start + 1000] = [record["label"] for record in found]
            except Exception as error:  # as above
                raise self._damaged(error) from error
        return labels

    def _open_builder(self) -> Any:
        import tensorflow_datasets as tfds

        from iae_jax.data.prepare import is_prepared, prepare

        if self._name == "digits":
            prepare("digits", self._data_dir)
        try:
            builder = tfds.builder(self._name, data_dir=self._data_dir)
        except tfds.core.DatasetNotFoundError:
            raise InputError(self._how_to_prepare()) from None
        except Exception as error:  # TFDS documents no others
            if os.path.exists(self._name):
                raise InputError(self._how_to_prepare()) from None
            raise InputError(
                f"TFDS cannot open {self._name!r} ({first_line(error)}); if it is prepared, its "
                "directory is damaged: move it away and prepare the data set again"
            ) from error
        if not is_prepared(builder):
            raise InputError(self._how_to_prepare())
        return builder

    def _check_files(self, instructions: list[Any]) -> None:
        """Refuses truncated files at once: array_record reads some of them as empty records."""
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
            f"{self._directory} is damaged ({first_line(why)}); move that directory away, then "
            f"run: {self._prepare_command()}"
        )

    def _how_to_prepare(self) -> str:
        where = self._data_dir or "TFDS's default directory"
        if os.path.isfile(self._name):
            return (
                f"no data set {self._name!r} in {where}, and the file of that name is none that is "
                "read: make it a folder of images, a .zip of one, or .npz"
            )
        if os.path.isdir(self._name):
            return (
                f"no data set {self._name!r} in {where}: for the folder of that name write "
                f"--config.data.name={self._name}/"
            )
        return (
            f"no data set {self._name!r} in {where}: check data.name and data.directory, or "
            f"run: {self._prepare_command()}"
        )

    def _prepare_command(self) -> str:
        from iae_jax.data.prepare import NAMES

        flag = f" --data_dir {self._data_dir}" if self._data_dir else ""
        if self._name in NAMES:
            return f"python -m iae_jax.data.prepare {self._name}{flag}"
        return f"pip install 'iae_jax[prepare]'; python -m iae_jax.data.prepare {self._name}{flag}"
