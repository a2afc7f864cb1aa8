"""The handwritten digits that scikit-learn ships, as a TFDS data set without a download.

1797 digits, 8x8 pixels, 17 grey levels. They are ordered by writer, so a split by position is a
split by writer: nobody wrote both training and test digits.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.codec import encode_png

TRAIN_SIZE = 1500


class Digits(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """`digits/1.0.0`: the first 1500 images are train, the last 297 are test."""

    name = "digits"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            # scikit-learn's order, so that a split by position is one by writer.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        # 0 to 16 -> 0 to 255: levels are 16 apart, so that rounding merges none of them.
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        return {
            "train": self._generate_examples(images[:TRAIN_SIZE], digits.target[:TRAIN_SIZE]),
            "test": self._generate_examples(images[TRAIN_SIZE:], digits.target[TRAIN_SIZE:]),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": encode_png(image), "label": int(label)}
