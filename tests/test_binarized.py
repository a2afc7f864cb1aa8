"""Images of 0 and 1: drawn once where they are measured, and anew at each step."""

import jax
import numpy as np
import pytest

from iae_jax.data import ArraySource, Dataset, load
from iae_jax.data.binarized import Binarized
from iae_jax.errors import InputError
from iae_jax.runs.config import Config
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.feed import Feed

# Of each image a share of its own, in three places each with another value.
SHARES = np.array([0.1, 0.5, 0.8])


def images(dtype):
    x = np.tile(SHARES, (4, 50, 20, 1)).astype(np.float32)
    return (255 * x).round().astype(np.uint8) if dtype == np.uint8 else x


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_image_is_drawn_once(dtype):
    """Oracle: the shares; 4 standard errors of 4,000 draws."""
    source = Binarized(ArraySource(Dataset(images(dtype), np.arange(4)), 4))
    found = load(source)
    assert found.x.dtype == np.float32 and set(np.unique(found.x)) == {0, 1}
    shares = (found.x > 0).mean(axis=(0, 1, 2))
    np.testing.assert_array_less(np.abs(shares - SHARES), 4 * np.sqrt(0.25 / 4000))
    assert (found.x[0] != found.x[1]).any()
    again = source.read([3, 1])
    np.testing.assert_array_equal(again.x, found.x[[3, 1]])
    np.testing.assert_array_equal(again.labels, [3, 1])
    assert source.shape == (50, 20, 3) and source.classes == 4 and len(source) == 4


def test_vectors_are_not_binarized():
    source = ArraySource(Dataset(np.ones((4, 2), np.float32), np.full(4, -1)), None, "real")
    with pytest.raises(InputError, match="data.binarize is of images with values in"):
        Binarized(source)


def test_a_step_draws_anew_and_a_measure_does_not(data_directory):
    config = Config(batch_size=3)
    config.data.directory, config.data.binarize = data_directory, True
    source = Feed(config).x
    first, other = (source.sample(jax.random.key(seed), 400) for seed in (1, 2))
    assert first.shape == (400, 8, 8, 1) and set(np.unique(first)) == {0, 1}
    assert (first != other).any()
    grey = load(source.grey).x / 255
    # Means of pixels over all images: 4 standard errors, and a pixel that is never on.
    error = np.abs(np.asarray(first).mean(axis=0) - grey.mean(axis=0))
    assert (error <= 4 * np.sqrt(0.25 / 400)).all() and 0 < grey.mean(axis=0).max() < 1
    for split in ("train", "validation"):
        assert set(np.unique(load(open_split(config, split)).x)) == {0, 1}
    config.data.binarize = False
    assert len(np.unique(load(open_split(config, "validation")).x)) > 2
