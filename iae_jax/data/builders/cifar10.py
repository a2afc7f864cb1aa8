"""CIFAR-10 as a TFDS data set, built without TensorFlow."""

import os
import tarfile
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.builders.download import Examples, downloaded
from iae_jax.data.codec import encode_png

_CIFAR = tfds.image_classification.Cifar10


class Cifar10(_CIFAR, skip_registration=True):  # type: ignore[call-arg, misc, valid-type]
    """TFDS's `cifar10/3.0.2`: 50,000 train and 10,000 test images, 32x32x3."""

    name = "cifar10"
    VERSION = _CIFAR.VERSION
    url_infos = _CIFAR.url_infos

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        info = self._cifar_info
        (path,) = downloaded(self, dl_manager, (os.path.basename(info.url),)).values()
        with tarfile.open(path) as archive:
            names = archive.extractfile(info.prefix + info.label_files[0])
            assert names is not None  # it is a file
            self.info.features["label"].names = names.read().decode().split()
        return {
            "train": self._generate_examples("train_", path, info.train_files),
            "test": self._generate_examples("test_", path, info.test_files),
        }

    def _generate_examples(self, prefix: str, path: Any, files: list[str]) -> Examples:
        index = 0
        with tarfile.open(path) as archive:
            for name in files:
                file = archive.extractfile(self._cifar_info.prefix + name)
                assert file is not None
                # A label, then a red, a green and a blue plane.
                rows = np.frombuffer(file.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
                for row in rows:
                    image = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                    yield (
                        index,
                        {
                            "id": f"{prefix}{index:05d}",
                            "image": encode_png(image),
                            "label": int(row[0]),
                        },
                    )
                    index += 1
