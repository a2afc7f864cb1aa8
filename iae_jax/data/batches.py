"""Which images make a batch: a pure function of (seed, step), so that a resumed run continues.

The examples are shuffled anew every epoch and the epochs are strung together; batch `step` is
the `step`-th piece of that endless string, so a batch may contain the end of one epoch and the
beginning of the next, and no image is ever dropped.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from iae_jax.data.dataset import Dataset, Source
from iae_jax.devices.multihost import cores
from iae_jax.errors import InputError

Process = tuple[int, int]  # (which process this is, of how many)


def indices(
    size: int, seed: int, step: int, batch_size: int, process: Process = (0, 1)
) -> np.ndarray:
    """The positions of one batch's images in the data set.

    Args:
      size: the number of images in the set.
      seed: >= 0; another seed is another order.
      step: >= 0; any step costs the same, about 20 microseconds per image.
      batch_size: images per global batch, over all processes.
      process: (p, P): process p of P takes the p-th contiguous piece of every global batch.

    Returns:
      int64[batch_size // P], each in [0, size).

    Raises:
      InputError: batch_size is not divisible by P, or a number is out of range.
    """
    piece = _piece(batch_size, process)
    if step < 0:
        raise InputError(f"step is {step}; it must be 0 or more")
    positions: np.ndarray = _order(size, seed, batch_size)[step]
    return positions[piece]


def stream(
    source: Source,
    seed: int,
    start_step: int,
    batch_size: int,
    ahead: int,
    process: Process = (0, 1),
) -> Iterator[Dataset]:
    """Endless batches of a set that is too large to be kept in memory, read ahead by threads.

    Images and labels equal `load(source)` at `indices(...)`, bit for bit, from `start_step` on.

    Args:
      source, seed, batch_size, process: as for `indices`.
      start_step: the first step to deliver.
      ahead: how many batches may be read before they are asked for, kept in memory.

    Returns:
      an iterator of Dataset(images: uint8[batch_size // P, H, W, C],
      labels: int32[batch_size // P]).

    Raises:
      InputError: as `indices` at once; while iterating, if the source is damaged.
    """
    import grain

    piece = _piece(batch_size, process)
    if start_step < 0 or ahead < 1:
        raise InputError(
            f"start_step is {start_step} and ahead {ahead}; they must be at least 0 and 1"
        )
    threads = cores()
    steps = _order(len(source), seed, batch_size)[start_step:]
    batches = steps.map(lambda positions: source.read(positions[piece])).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(threads, ahead))
    )
    return iter(batches)


@functools.lru_cache(maxsize=8)
def _order(size: int, seed: int, batch_size: int) -> Any:
    """A Grain data set whose item `step` is the global batch's positions, int64[batch_size]."""
    import grain

    if size < 1 or seed < 0:
        raise InputError(f"size is {size} and seed {seed}; they must be at least 1 and 0")
    examples = grain.MapDataset.range(size).seed(seed).shuffle()
    return examples.repeat(reseed_each_epoch=True).batch(batch_size)


def _piece(batch_size: int, process: Process) -> slice:
    p, processes = process
    if not 0 <= p < processes:
        raise InputError(f"process {p} of {processes} does not exist: count from 0")
    if batch_size < 1 or batch_size % processes:
        raise InputError(
            f"batch_size {batch_size} cannot be divided among {processes} processes; "
            f"choose a multiple of {processes}"
        )
    local = batch_size // processes
    return slice(p * local, (p + 1) * local)
