"""The handwritten digits that scikit-learn ships, as a TFDS data set: no download.

1797 real digits, 8x8 pixels, 17 gray levels. They are ordered by writer, so the split by
position is a split by writer: the 297 test digits come from people who wrote none of the
train digits.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.codec import encode_png

_TRAIN = 1500


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
            # Examples stay in scikit-learn's order, so `train[:5]` means the same five
            # images everywhere.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        # 0..16 -> 0..255; the levels are 16 apart, so rounding merges none of them.
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
        return {
            "train": self._generate_examples(images[:_TRAIN], digits.target[:_TRAIN]),
            "test": self._generate_examples(images[_TRAIN:], digits.target[_TRAIN:]),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": encode_png(image), "label": int(label)}
