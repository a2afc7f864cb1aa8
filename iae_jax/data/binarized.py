"""Images of 0 and 1, drawn once with their values as probabilities."""

from collections.abc import Sequence

import numpy as np

from iae_jax.data.dataset import Dataset, Source
from iae_jax.errors import InputError

SEED = 20180524  # of the draws, alike for every run


class Binarized(Source):
    """Another source's images, each drawn by a seed and by its position. In training they are drawn
    anew at each step instead (`Game.binarize`).

    Raises:
      InputError: values are not in [0, 1].
    """

    def __init__(self, source: Source) -> None:
        if source.values != "unit" or source.sample is not None:
            raise InputError("data.binarize is of images with values in [0, 1]: leave it out")
        self._source = source
        self.shape, self.classes, self.class_names = (
            source.shape,
            source.classes,
            source.class_names,
        )
        self.slices, self.notes = source.slices, source.notes

    def __len__(self) -> int:
        return len(self._source)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x, labels = self._source.read(positions)
        shares = x / np.float32(255) if x.dtype == np.uint8 else x
        drawn = np.empty(x.shape, np.uint8)
        for place, position in enumerate(np.asarray(positions).tolist()):
            uniform = np.random.default_rng((SEED, position)).random(self.shape, np.float32)
            drawn[place] = 255 * (uniform < shares[place])
        return Dataset(drawn, labels)

    def labels(self) -> np.ndarray:
        return self._source.labels()

    def names(self) -> Sequence[str] | None:
        return self._source.names()
