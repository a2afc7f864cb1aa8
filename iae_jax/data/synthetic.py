"""Synthetic data sets: examples computed from a distribution instead of stored."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data.dataset import VALUES, Dataset, Source
from iae_jax.data.splits import SPLITS, choice, slices_of
from iae_jax.errors import InputError
from iae_jax.types import Array

SPLIT_SIZE = 10_000  # of the fixed examples
CHUNK = 1024  # examples computed at once

Sample = Callable[[Array, int], tuple[Array, Array | None]]


class SyntheticSource(Source):
    """Examples of a distribution.

    `sample` draws fresh ones, for training. `read` and `labels` are for evaluation: 10,000 fixed
    examples in each of `train`, `validation` and `test`. Example i of a split depends on the
    split's name and on i alone, and is computed on the CPU, so that it is the same everywhere.

    Args:
      split: a slicing string, as "test" or "train[:1000]".
      sample: (key, count) -> (x float32[count, *shape], labels int32[count]), pure JAX; None in
        place of labels if there are no classes.
      shape: of one example.
      classes: the number of classes, or None.
      values: see `Source`.

    Raises:
      InputError: no such split, or `sample` returns something else.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self,
        split: str,
        sample: Sample,
        shape: tuple[int, ...],
        classes: int | None,
        values: str = "real",
    ) -> None:
        if values not in VALUES:
            raise InputError(f"values is {values!r}: choose one of {', '.join(VALUES)}")
        _check(sample, shape, classes)
        self.shape, self.classes, self.values = shape, classes, values
        self.sample = lambda key, count: sample(key, count)[0]
        sizes = dict.fromkeys(SPLITS, SPLIT_SIZE)
        slices = [
            (name, np.arange(SPLIT_SIZE)[where])
            for name, where in slices_of(choice(split, sizes).split, sizes)
        ]
        self._index = np.concatenate([index for _, index in slices]).astype(np.uint32)
        self._split = np.concatenate(
            [np.full(len(index), zlib.crc32(name.encode()), np.uint32) for name, index in slices]
        )

        def example(split: Array, index: Array) -> tuple[Array, Array]:
            # The generator is named: of another one, vmap can make one key's numbers depend on
            # the other keys.
            key = jax.random.key(0, impl="threefry2x32")
            x, labels = sample(jax.random.fold_in(jax.random.fold_in(key, split), index), 1)
            return x[0], jnp.int32(-1) if labels is None else labels[0]

        self._examples = jax.jit(jax.vmap(example))

    def __len__(self) -> int:
        return len(self._index)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        where = np.asarray(positions, np.int64)
        x, labels = np.empty((len(where), *self.shape), np.float32), np.empty(len(where), np.int32)
        with _on_cpu():
            for start in range(0, len(where), CHUNK):
                part = where[start : start + CHUNK]
                padded = np.resize(part, CHUNK)  # one shape, so that it compiles once
                found = self._examples(self._split[padded], self._index[padded])
                x[start : start + CHUNK] = found[0][: len(part)]
                labels[start : start + CHUNK] = found[1][: len(part)]
        return Dataset(x, labels)

    def labels(self) -> np.ndarray:
        return self.read(np.arange(len(self))).labels


def _check(sample: Sample, shape: tuple[int, ...], classes: int | None) -> None:
    x, labels = jax.eval_shape(lambda key: sample(key, 2), jax.random.key(0))
    if x.shape != (2, *shape) or x.dtype != jnp.float32:
        raise InputError(
            f"a synthetic data set samples x {x.dtype}{list(x.shape)} for a count of 2: make it "
            f"float32{[2, *shape]}"
        )
    if (labels is None) != (classes is None) or (
        labels is not None and (labels.shape, labels.dtype) != ((2,), jnp.int32)
    ):
        raise InputError(
            "a synthetic data set with classes samples int32[count] labels, and one without "
            "(classes=None) None"
        )


def _on_cpu() -> AbstractContextManager[object]:
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS names another one alone
        return nullcontext()
