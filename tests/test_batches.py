"""Batches as a pure function of seed and step. Oracles: permutations, arrays in memory."""

import numpy as np
import pytest

from iae_jax.data import ArraySource, Dataset, batches, indices, load, open_source, stream
from iae_jax.errors import InputError

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (23, 5, 4, 3), dtype=np.uint8)  # no two sizes are equal
LABELS = RNG.permutation(23) % 6


def arrays(count=23):
    return ArraySource(Dataset(IMAGES[:count], LABELS[:count]), 6)


def run(size, seed, batch_size, steps):
    return np.concatenate([indices(size, seed, step, batch_size) for step in range(steps)])


@pytest.mark.parametrize(("size", "batch_size"), [(23, 5), (23, 50), (24, 6), (1, 2)])
def test_every_epoch_is_another_permutation_and_nothing_is_dropped(size, batch_size):
    steps = -(-3 * size // batch_size)
    positions = run(size, 3, batch_size, steps)
    assert positions.dtype == np.int64 and len(positions) == steps * batch_size
    epochs = positions[: 3 * size].reshape(3, size)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(size), (3, 1)))
    if size > 1:
        assert len({tuple(epoch) for epoch in epochs} | {tuple(range(size))}) == 4


def test_the_order_is_that_of_recorded_runs():
    """Literal positions of the first edition: another order would end resumed runs elsewhere."""
    recorded = {
        0: [[1, 2, 4, 5], [9, 7, 10, 6], [0, 3, 8, 9]],
        3: [[4, 6, 9, 7], [5, 3, 1, 8], [10, 0, 2, 8]],
    }
    for seed, steps in recorded.items():
        for step, positions in enumerate(steps):
            assert indices(11, seed, step, 4).tolist() == positions
            assert indices(11, seed, step, 4, (0, 1), "").tolist() == positions


def test_each_named_data_set_has_an_order_of_its_own():
    size, names = 400, ("", "y", "photographs")
    orders = {}
    for name in names:
        for seed in (0, 1):
            steps = [indices(size, seed, step, 50, name=name) for step in range(16)]
            epochs = np.concatenate(steps).reshape(2, size)
            np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(size), (2, 1)))
            orders[name, seed] = epochs.ravel()
            local = [indices(size, seed, 7, 50, (p, 2), name) for p in (0, 1)]
            np.testing.assert_array_equal(np.concatenate(local), steps[7])
    found = list(orders.values())
    for i, one in enumerate(found):
        for other in found[:i]:
            # Of independent orders one position in `size` agrees, 2 of 800 (Poisson).
            assert np.sum(one == other) < 12
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.15  # 4 standard errors


def test_batches_depend_on_seed_and_step_only():
    forwards = [indices(101, 5, step, 8) for step in range(30)]
    batches._order.cache_clear()
    for step in (29, 3, 17, 0):
        np.testing.assert_array_equal(indices(101, 5, step, 8), forwards[step])
    np.testing.assert_array_equal(np.concatenate(forwards), run(101, 5, 12, 20))
    assert (run(101, 6, 8, 30) != np.concatenate(forwards)).any()
    assert indices(101, 5, 10**12, 8).shape == (8,)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_take_contiguous_pieces_of_the_global_batch(processes):
    for step in (0, 7):
        pieces = [indices(37, 1, step, 12, (p, processes)) for p in range(processes)]
        assert {len(piece) for piece in pieces} == {12 // processes}
        np.testing.assert_array_equal(np.concatenate(pieces), indices(37, 1, step, 12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0, 0, 6, (0, 4)), "multiple of 4"),
        ((10, 0, 0, 0), "batch_size 0"),
        ((10, 0, 0, 4, (2, 2)), "process 2 of 2"),
        ((10, 0, 0, 4, (-1, 2)), "process -1"),
        ((10, 0, 0, 4, (0, 0)), "process 0 of 0"),
        ((10, 0, -1, 4), "step is -1"),
        ((10, -2, 0, 4), "seed -2"),
        ((0, 0, 0, 4), "size is 0"),
    ],
)
def test_bad_batches_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        indices(*arguments)


def test_bad_streams_are_refused():
    for start, batch_size, ahead, process in [
        (-1, 4, 2, (0, 1)),
        (0, 4, 0, (0, 1)),
        (0, 5, 2, (0, 2)),
    ]:
        with pytest.raises(InputError):
            stream(arrays(), 0, start, batch_size, ahead, process)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["", "y"])
@pytest.mark.parametrize("process", [(0, 1), (1, 2)])
def test_streamed_examples_equal_the_resident_ones(tmp_path, process, name):
    for source in (open_source("digits", "train[:50]", str(tmp_path)), arrays()):
        x, labels = load(source)
        found = stream(source, 4, 3, 6, 5, process, name)
        for step in range(3, 23):  # 20 steps of 6: across epoch borders
            batch = next(found)
            want = indices(len(source), 4, step, 6, process, name)
            np.testing.assert_array_equal(batch.x, x[want])
            np.testing.assert_array_equal(batch.labels, labels[want])
        assert batch.x.shape == (6 // process[1], *source.shape)
        assert batch.x.dtype == np.uint8 and batch.labels.dtype == np.int32
