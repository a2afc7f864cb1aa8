"""Histograms of oriented gradients: features of images for sets without labels, that nothing was
trained for.

Of each cell of a coarse grid, how much the image changes in each direction (Dalal & Triggs 2005, of
whichever colour changes most, without their normalization of blocks), and the mean colour: enough
to distinguish poses, outlines and lighting. Distances in these features compare only with each
other, not with those in Inception's.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.types import Array

VERSION = 2  # changes with what the constants below do not determine
CELLS, DIRECTIONS = 4, 8  # along each side; of half a turn
MIN_SIDE = 2 * CELLS  # of an image
# Scales that give each feature a variance near 1 on photographs.
OF_CHANGES, OF_COLOURS = 32.0, 4.0


class Hog(NamedTuple):
    """An `Extractor`. apply: jitted, images f32[B, H, W, C] in [0, 1] -> (None, features
    f32[B, 16 * (8 + C)]). extractor: its name in records, with a hash of the constants."""

    apply: Callable[[Array], tuple[None, Array]]
    extractor: str
    classes: int = 0


def has_hog(shape: tuple[int, ...]) -> bool:
    """Whether one x of this shape is an image, large enough to have cells."""
    return len(shape) == 3 and min(shape[:2]) >= MIN_SIDE


def hog(shape: tuple[int, ...]) -> Hog:
    """The extractor of images [H, W, C]. Raises: InputError if they are too small, or no images."""
    if not has_hog(shape):
        raise InputError(f"hog reads images with sides of at least {MIN_SIDE} pixels, not {shape}")
    made_of = repr((VERSION, CELLS, DIRECTIONS, OF_CHANGES, OF_COLOURS))
    return Hog(_apply, f"hog/{hashlib.sha256(made_of.encode()).hexdigest()[:8]}")


@jax.jit
def _apply(x: Array) -> tuple[None, Array]:
    around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    down = (around[:, 2:, 1:-1] - around[:, :-2, 1:-1]) / 2
    right = (around[:, 1:-1, 2:] - around[:, 1:-1, :-2]) / 2
    most = jnp.argmax(jnp.hypot(down, right), axis=-1, keepdims=True)
    down, right = (jnp.take_along_axis(one, most, axis=-1)[..., 0] for one in (down, right))
    # Half a turn: which of the two sides is the brighter one does not matter. A change between two
    # directions is divided by nearness, so that features are continuous.
    at = jnp.mod(jnp.arctan2(down, right) / jnp.pi, 1.0) * DIRECTIONS
    apart = jnp.abs(at[..., None] - jnp.arange(DIRECTIONS))
    shares = jnp.maximum(0.0, 1 - jnp.minimum(apart, DIRECTIONS - apart))
    changes = jnp.hypot(down, right)[..., None] * shares
    cells = jnp.concatenate([OF_CHANGES * changes, OF_COLOURS * x], axis=-1)
    rows, columns = _means(x.shape[1]), _means(x.shape[2])
    # The default precision of some accelerators is lower.
    found = jnp.einsum("ih,jw,bhwf->bijf", rows, columns, cells, precision="highest")
    return None, found.reshape(x.shape[0], -1)


def _means(side: int) -> Array:
    """The matrix that averages over cells; a pixel can lie in two. f32[CELLS, side]."""
    size, pixels = side / CELLS, jnp.arange(side)
    first = size * jnp.arange(CELLS)[:, None]
    within = jnp.minimum(first + size, pixels + 1) - jnp.maximum(first, pixels)
    return jnp.clip(within, 0.0, 1.0) / size
