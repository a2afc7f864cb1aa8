"""Fashion-MNIST as a TFDS data set, built without TensorFlow from files in MNIST's format."""

from typing import Any

import tensorflow_datasets as tfds

from iae_jax.data.builders.mnist import Mnist

_FASHION = tfds.image_classification.FashionMNIST


class FashionMnist(Mnist, skip_registration=True):  # type: ignore[call-arg]
    """TFDS's `fashion_mnist/3.0.1`: 60,000 train and 10,000 test articles, 28x28x1."""

    name = "fashion_mnist"
    VERSION = _FASHION.VERSION
    url_infos = _FASHION.url_infos

    def _info(self) -> Any:
        return _FASHION._info(self)
