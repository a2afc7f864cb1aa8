"""Batches of an evaluation, against counting."""

import pytest

from iae_jax.metrics.stream import padded_batches


@pytest.mark.parametrize(("size", "batch"), [(23, 10), (20, 10), (3, 10), (1, 1)])
def test_every_example_is_in_one_batch(size, batch):
    seen = []
    for first, indices, count in padded_batches(size, batch):
        assert len(indices) == batch and first == len(seen) and indices.max() < size
        seen += list(indices[:count])
    assert seen == list(range(size))
