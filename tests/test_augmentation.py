"""Affine changes of images and of their colours, against scipy, centroids, areas and numpy."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from iae_jax.errors import InputError
from iae_jax.sampling import augmentation
from iae_jax.sampling.augmentation import (
    NUMBERS,
    Affine,
)

BOUNDS = Affine(rotation=20.0, scale=0.3, shear=0.4, shift=3.0)
SHAPE = (13, 17, 2)
STEP = jnp.int32(0)


def affine(bounds):
    """(x, numbers) -> the changed x."""
    change = augmentation.affine(bounds, SHAPE)
    return lambda x, noise: change.apply(jnp.asarray(x), jnp.asarray(noise, jnp.float32), STEP)


def numbers_of(bounds):
    return augmentation.affine(bounds, SHAPE).noise


def image():
    """f32[1, 13, 17, 2]: nothing about it is symmetric, and its edge is empty."""
    x = np.zeros((1, 13, 17, 2), np.float32)
    x[0, 4:9, 5:12] = np.random.default_rng(0).random((5, 7, 2))
    return x


def changed(*noise):
    return np.asarray(affine(BOUNDS)(image(), [noise]))


def test_no_change_at_zero():
    np.testing.assert_allclose(changed(*[0.0] * NUMBERS), image(), atol=1e-6)


@pytest.mark.parametrize("edge", ["zero", "nearest"])
def test_it_is_scipys_affine_transform(edge):
    """What is seen beyond the edge is 0, or the nearest pixel of an image that reaches it."""
    x = image() if edge == "zero" else np.random.default_rng(3).random((1, 13, 17, 2))
    noise = np.array([0.7, -0.6, 0.5, -0.8, 0.4, -0.9])
    angle = np.deg2rad(20.0 * noise[0])
    # A pixel is read from where its row and column (in this order) are mapped to.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tall, wide = np.exp(-0.3 * noise[2:4])
    read = np.array([[tall, 0.0], [0.4 * 0.6, wide]]) @ turn
    centre, shift = np.array([6.0, 8.0]), 3.0 * noise[4:6]
    layers = [
        scipy.ndimage.affine_transform(
            x[0, ..., c],
            read,
            centre - read @ (centre + shift),
            order=1,
            mode={"zero": "constant", "nearest": "nearest"}[edge],
        )
        for c in range(2)
    ]
    expected = np.stack(layers, axis=-1)
    change = affine(dataclasses.replace(BOUNDS, edge=edge))
    found = change(x.astype(np.float32), [noise])[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def centroid(x):
    weights = x[0].sum(-1)
    rows, columns = np.indices(weights.shape)
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


def test_each_number_does_what_its_bound_says():
    before = centroid(image())
    down = centroid(changed(0, 0, 0, 0, 1.0, 0)) - before
    np.testing.assert_allclose(down, [3.0, 0.0], atol=1e-4)
    right = centroid(changed(0, 0, 0, 0, 0, 0.5)) - before
    np.testing.assert_allclose(right, [0.0, 1.5], atol=1e-4)
    # Its area grows by the scale of either side.
    for number in (2, 3):
        noise = np.zeros(NUMBERS)
        noise[number] = 1.0
        assert changed(*noise).sum() == pytest.approx(np.exp(0.3) * image().sum(), rel=0.05)
    assert not np.allclose(changed(1.0, 0, 0, 0, 0, 0), image(), atol=0.1)
    assert changed(1.0, 0, 0, 0, 0, 0).sum() == pytest.approx(image().sum(), rel=0.05)


def test_each_image_has_a_change_of_its_own():
    x, noise = np.repeat(image(), 3, axis=0), np.random.default_rng(1).uniform(-1, 1, (3, NUMBERS))
    together = affine(BOUNDS)(x, noise)
    for i in range(3):
        alone = affine(BOUNDS)(x[i : i + 1], noise[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)


@pytest.mark.parametrize("name", ["rotation", "scale", "shear", "shift", "cutout", "noise"])
@pytest.mark.parametrize("bound", [-1.0, float("nan"), float("inf")])
def test_bounds_are_refused(name, bound):
    with pytest.raises(InputError, match=f"{name} of an augmentation"):
        affine(Affine(**{name: bound}))


def test_an_edge_is_zero_or_nearest():
    with pytest.raises(InputError, match="zero or nearest, not 'mirror'"):
        affine(Affine(edge="mirror"))


def test_colours_change_by_numbers_of_their_own():
    """Oracle: numpy, on top of the change without colours; pixel noise has the numbers behind."""
    rng = np.random.default_rng(4)
    noise = rng.uniform(-1, 1, (2, NUMBERS + 3 + 13 * 17 * 2)).astype(np.float32)
    x = rng.random((2, *SHAPE)).astype(np.float32)
    bounds = dataclasses.replace(BOUNDS, brightness=0.2, saturation=0.5, contrast=0.3, noise=0.1)
    assert numbers_of(bounds) == noise.shape[1]
    expected = np.array(affine(BOUNDS)(x, noise[:, :6]))
    for one, (b, s, c) in zip(expected, noise[:, 6:9], strict=True):
        one += 0.2 * b
        one[...] = one.mean(-1, keepdims=True) + (1 + 0.5 * s) * (one - one.mean(-1, keepdims=True))
        one[...] = one.mean() + (1 + 0.3 * c) * (one - one.mean())
    expected += 0.1 * noise[:, 9:].reshape(x.shape)
    np.testing.assert_allclose(affine(bounds)(x, noise), expected, atol=1e-5)
    assert numbers_of(Affine(saturation=0.5)) == NUMBERS + 3 and numbers_of(Affine()) == NUMBERS


def test_a_square_is_cut_out_between_colours_and_noise():
    """Oracle: a loop over pixels, on top of the change without the square."""
    rng = np.random.default_rng(5)
    noise = rng.uniform(-1, 1, (3, NUMBERS + 3 + 2 + 13 * 17 * 2)).astype(np.float32)
    noise[0, 9:11] = 1, -1  # at a corner, where a quarter of the square is seen
    x = rng.random((3, *SHAPE)).astype(np.float32)
    coloured = dataclasses.replace(BOUNDS, brightness=0.5)
    bounds = dataclasses.replace(coloured, cutout=0.4, noise=0.1)
    assert numbers_of(bounds) == noise.shape[1]
    expected = np.array(affine(coloured)(x, noise[:, :9]))
    cut = np.zeros(3)
    for one, (down, right), i in zip(expected, noise[:, 9:11], range(3), strict=True):
        for r in range(13):
            for c in range(17):
                high = abs(r - 12 * (down + 1) / 2) < 0.4 * 13 / 2
                if high and abs(c - 16 * (right + 1) / 2) < 0.4 * 17 / 2:
                    one[r, c] = 0
                    cut[i] += 1
    assert cut[0] == 3 * 4 and 5 * 6 <= cut.max() <= 6 * 7
    expected += 0.1 * noise[:, 11:].reshape(x.shape)
    np.testing.assert_allclose(affine(bounds)(x, noise), expected, atol=1e-5)


def test_noise_is_added_to_each_value_after_the_change():
    """Oracle: numpy, on top of the change without noise."""
    noise = np.random.default_rng(1).uniform(-1, 1, (2, NUMBERS + 13 * 17 * 2)).astype(np.float32)
    x = np.concatenate([image(), image()[:, ::-1]])
    noisy = dataclasses.replace(BOUNDS, noise=0.25)
    assert numbers_of(noisy) == noise.shape[1] and numbers_of(BOUNDS) == NUMBERS
    added = 0.25 * noise[:, NUMBERS:].reshape(x.shape)
    moved = np.asarray(affine(BOUNDS)(x, noise[:, :NUMBERS]))
    np.testing.assert_allclose(affine(noisy)(x, noise), moved + added, atol=1e-6)
