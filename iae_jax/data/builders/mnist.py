"""MNIST as a TFDS data set, built without TensorFlow.

TFDS can read `mnist/3.0.1` without TensorFlow but not build it. `Mnist` keeps what a reader sees
of TFDS's own builder (name, version, features, description) and replaces the two steps that need
TensorFlow; `tfds.data_source("mnist")` opens the result.
"""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.codec import encode_png

_STOCK = tfds.image_classification.MNIST
_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


class Mnist(_STOCK, skip_registration=True):  # type: ignore[call-arg, misc, valid-type]
    """TFDS's `mnist/3.0.1`: 60,000 train and 10,000 test digits, 28x28x1."""

    name = "mnist"
    # TFDS's table of sizes and SHA-256, which the download manager checks every file against.
    # A subclass outside TFDS does not inherit it.
    url_infos = _STOCK.url_infos

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        # Not download_and_extract: TFDS's gzip extractor opens files with TensorFlow. One after
        # the other: if one of several at once fails, the others are still being written.
        paths = {info.filename: dl_manager.download(url) for url, info in self.url_infos.items()}
        return {
            split: self._generate_examples(paths[images], paths[labels])
            for split, (images, labels) in _FILES.items()
        }

    def _generate_examples(
        self, images: os.PathLike[str], labels: os.PathLike[str]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        pairs = zip(read_idx(images), read_idx(labels), strict=True)
        for index, (image, label) in enumerate(pairs):
            # TFDS would encode an array with TensorFlow; it stores bytes as they are.
            yield index, {"image": encode_png(image[:, :, None]), "label": int(label)}


def read_idx(path: os.PathLike[str]) -> np.ndarray:
    """A gzipped IDX file of bytes -> uint8[...], the shape from its header.

    The header is 0, 0, 8 (unsigned bytes), the rank, then each dimension as a big-endian
    32-bit integer.
    """
    data = gzip.decompress(Path(path).read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">u4", count=rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
