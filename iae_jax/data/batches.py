"""Batches: which examples, as a pure function of (seed, step), so that a resumed run continues.

The examples are shuffled anew in every epoch and the epochs are concatenated; batch `step` is the
`step`-th slice of that endless sequence. A batch can therefore span two epochs, and no example is
ever dropped.
"""

import functools
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from iae_jax.data.dataset import Dataset, Source
from iae_jax.devices.multihost import cores
from iae_jax.errors import InputError

Process = tuple[int, int]  # (index of this process, number of processes)


def indices(
    size: int,
    seed: int,
    step: int,
    batch_size: int,
    process: Process = (0, 1),
    name: str = "",
) -> np.ndarray:
    """The positions of one batch's examples in the data set.

    Args:
      size: the number of examples in the data set.
      seed: at least 0; another seed gives another order.
      step: at least 0; every step costs the same, about 20 microseconds per example.
      batch_size: examples per global batch, over all processes.
      process: (p, P): process p of P takes the p-th contiguous slice of every global batch.
      name: "" for the data set that a run trains on. Each further data set of a batch has a name,
        and an order that is independent of the others.

    Returns:
      int64[batch_size // P], each in [0, size).

    Raises:
      InputError: batch_size is not divisible by P, or a number is out of range.
    """
    local = _local_slice(batch_size, process)
    if step < 0:
        raise InputError(f"step is {step}; it must be 0 or more")
    positions: np.ndarray = _order(size, seed, batch_size, name)[step]
    return positions[local]


def stream(
    source: Source,
    seed: int,
    start_step: int,
    batch_size: int,
    ahead: int,
    process: Process = (0, 1),
    name: str = "",
) -> Iterator[Dataset]:
    """Endless batches of a data set that is too large for memory, read ahead by threads.

    They equal `load(source)` at `indices(...)`, bit for bit, from `start_step` on.

    Args:
      source: the data set.
      seed, batch_size, process, name: as for `indices`.
      start_step: the first step.
      ahead: the number of batches that are read before they are asked for and kept in memory.

    Returns:
      An iterator of Dataset(x[batch_size // P, ...], labels int32[batch_size // P]).

    Raises:
      InputError: as `indices`, at once; during iteration, if the source is damaged.
    """
    import grain

    local = _local_slice(batch_size, process)
    if start_step < 0 or ahead < 1:
        raise InputError(
            f"start_step is {start_step} and ahead {ahead}; they must be at least 0 and 1"
        )
    threads = cores()
    steps = _order(len(source), seed, batch_size, name)[start_step:]
    batches = steps.map(lambda positions: source.read(positions[local])).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(threads, ahead))
    )
    return iter(batches)


@functools.lru_cache(maxsize=8)
def _order(size: int, seed: int, batch_size: int, name: str = "") -> Any:
    """A Grain data set whose item `step` is the global batch's positions, int64[batch_size]."""
    import grain

    if size < 1 or seed < 0:
        raise InputError(f"size is {size} and seed {seed}; they must be at least 1 and 0")
    if name:  # a seed of its own, from both numbers
        mixed = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
        seed = int(mixed.generate_state(1)[0])
    examples = grain.MapDataset.range(size).seed(seed).shuffle()
    return examples.repeat(reseed_each_epoch=True).batch(batch_size)


def _local_slice(batch_size: int, process: Process) -> slice:
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
