"""Images of 0 and 1, drawn with the values of others as probabilities."""

from collections.abc import Sequence
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data.dataset import Dataset, Source, load
from iae_jax.errors import InputError
from iae_jax.types import Array


class Binarized(Source):
    """Images as a Bernoulli likelihood has them: a pixel is 1 with its intensity as probability.

    `sample` draws images with replacement and each image's pixels anew, so that no image is twice
    the same in training, and codes of held-out images are distributed as those of the others are.
    `read` draws the pixels of an image once, by its position.

    Raises:
      InputError: values are not in [0, 1].
    """

    dtype = np.dtype(np.float32)

    def __init__(self, grey: Source) -> None:
        if grey.values != "unit" or grey.sample is not None:
            raise InputError("data.binarize is of images with values in [0, 1]: leave it out")
        self.grey = grey
        self.shape, self.classes, self.class_names = grey.shape, grey.classes, grey.class_names
        self.slices, self.notes = grey.slices, grey.notes
        self.sample = self._sample

    @cached_property
    def _images(self) -> np.ndarray:
        return load(self.grey).x

    def _sample(self, key: Array, count: int) -> Array:
        where, how = jax.random.split(key)
        which = jax.random.randint(where, (count,), 0, len(self))
        unit = jnp.asarray(self._images)[which]
        unit = unit.astype(jnp.float32) / 255 if unit.dtype == jnp.uint8 else unit
        return (jax.random.uniform(how, unit.shape) < unit).astype(unit.dtype)

    def __len__(self) -> int:
        return len(self.grey)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x, labels = self.grey.read(positions)
        uniform = [np.random.default_rng(int(place)).random(self.shape) for place in positions]
        unit = x / 255 if x.dtype == np.uint8 else x
        return Dataset((np.reshape(uniform, x.shape) < unit).astype(np.float32), labels)

    def labels(self) -> np.ndarray:
        return self.grey.labels()

    def names(self) -> Sequence[str] | None:
        return self.grey.names()
