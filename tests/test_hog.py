"""Histograms of oriented gradients against loops over pixels, and on what they must distinguish."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.metrics.hog import has_hog, hog


def looped(x):
    """f32[H, W, C] -> f64[4, 4, 8 + C], pixel by pixel."""
    height, width, channels = x.shape
    x = x.astype(np.float64)
    found = np.zeros((4, 4, 8 + channels))
    for r in range(height):
        for c in range(width):
            down, right = max(
                (
                    (
                        (x[min(r + 1, height - 1), c, k] - x[max(r - 1, 0), c, k]) / 2,
                        (x[r, min(c + 1, width - 1), k] - x[r, max(c - 1, 0), k]) / 2,
                    )
                    for k in range(channels)
                ),
                key=lambda change: math.hypot(*change),
            )
            bins = np.zeros(8)
            at = (math.atan2(down, right) % math.pi) / math.pi * 8
            low = int(at)
            bins[low % 8] += (1 - (at - low)) * math.hypot(down, right)
            bins[(low + 1) % 8] += (at - low) * math.hypot(down, right)
            values = np.concatenate([32 * bins, 4 * x[r, c]])
            # Each pixel is 40x40 points, of which every one lies in one cell.
            for i in range(4):
                for j in range(4):
                    points = [
                        np.count_nonzero(np.floor((p + (np.arange(40) + 0.5) / 40) * 4 / n) == k)
                        for p, n, k in ((r, height, i), (c, width, j))
                    ]
                    found[i, j] += points[0] * points[1] / 1600 * values
    return found * 16 / (height * width)


@pytest.mark.parametrize("shape", [(8, 12, 3), (10, 9, 1)])
def test_it_is_what_loops_over_pixels_find(shape):
    x = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    logits, features = hog(shape).apply(jnp.asarray(x))
    assert logits is None
    expected = np.stack([looped(one).ravel() for one in x])
    np.testing.assert_allclose(features, expected, rtol=2e-3, atol=1e-4)


def test_it_distinguishes_directions_and_places():
    rows, columns = np.indices((32, 32)) / 32
    stripes = np.sin(40 * rows) / 2 + 0.5, np.sin(40 * columns) / 2 + 0.5
    x = np.stack(stripes)[..., None].astype(np.float32)
    features = np.asarray(hog((32, 32, 1)).apply(jnp.asarray(x))[1])
    features = features.reshape(2, 4, 4, 9)
    # Brightness of the first changes downwards, of the second to the right.
    assert features[0, ..., :8].mean((0, 1)).argmax() == 4
    assert features[1, ..., :8].mean((0, 1)).argmax() == 0


def test_an_edge_between_colours_of_one_brightness_is_seen():
    x = np.zeros((1, 16, 16, 3), np.float32)
    x[:, :, :8, 0], x[:, :, 8:, 1] = 0.6, 0.6
    features = np.asarray(hog((16, 16, 3)).apply(jnp.asarray(x))[1]).reshape(4, 4, 11)
    # To the right, in the columns of cells that the edge lies between: half of 0.6 in 2 of 4 pixels
    # of each row, of which each of the two columns has one.
    np.testing.assert_allclose(features[:, 1:3, 0], 32 * 0.3 / 4, rtol=1e-5)
    assert not features[:, [0, 3], :8].any() and not features[..., 1:8].any()


def test_what_is_too_small_is_refused():
    for shape in ((7, 32, 1), (32,)):
        assert not has_hog(shape)
        with pytest.raises(InputError, match="at least 8 pixels"):
            hog(shape)
