"""Images of 0 and 1, drawn with the values of others as probabilities."""

import zlib
from collections.abc import Sequence

import jax
import numpy as np

from iae_jax.data.dataset import Anew, Dataset, Source
from iae_jax.errors import InputError
from iae_jax.types import Array


class Binarized(Source):
    """Images as a Bernoulli likelihood has them: a pixel is 1 with its intensity as probability.

    Each training step draws the pixels of its images anew, so that no image is twice the same and
    codes of held-out images are distributed as those of the others are. `read` draws the pixels of
    an image once, by its place in the whole set.

    Raises:
      InputError: values are not in [0, 1].
    """

    dtype = np.dtype(np.float32)

    def __init__(self, grey: Source) -> None:
        if grey.values != "unit" or grey.sample is not None or grey.anew is not None:
            raise InputError("data.binarize is of images with values in [0, 1]: leave it out")
        self.grey = grey
        self.shape, self.classes, self.class_names = grey.shape, grey.classes, grey.class_names
        self.slices, self.notes = grey.slices, grey.notes
        self.anew = Anew(grey, pixels)

    def __len__(self) -> int:
        return len(self.grey)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x, labels = self.grey.read(positions)
        uniform = [np.random.default_rng(self._seed(int(i))).random(self.shape) for i in positions]
        unit = x / 255 if x.dtype == np.uint8 else x
        return Dataset((np.reshape(uniform, x.shape) < unit).astype(np.float32), labels)

    def _seed(self, position: int) -> tuple[int, int]:
        """Another one for each example of the whole set, as far as its splits are known."""
        for name, first, last in self.slices:
            if position < last - first:
                return zlib.crc32(name.encode()), first + position
            position -= last - first
        return 0, position

    def labels(self) -> np.ndarray:
        return self.grey.labels()

    def names(self) -> Sequence[str] | None:
        return self.grey.names()


def pixels(keys: Array, x: Array) -> Array:
    """0 or 1 for each value of x [B, ...], which is the probability of 1. keys: [B]."""
    uniform = jax.vmap(lambda key: jax.random.uniform(key, x.shape[1:]))(keys)
    return (uniform < x).astype(x.dtype)
