"""Features of images that nothing was trained for: where a set has no labels, and so no judge.

Of each cell of a coarse grid, how much the image changes in each direction (histograms of oriented
gradients, Dalal & Triggs 2005, of whichever colour changes most, without their normalization of
blocks), and the mean colour: enough to tell poses, outlines and lighting apart. Not Inception's
features; distances in them compare with each other alone.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.types import Array

VERSION = 2  # of what the constants below do not say
CELLS, DIRECTIONS = 4, 8  # along each side; of half a turn
SMALLEST_SIDE = 2 * CELLS  # of an image
# Scales that give each feature a variance near 1 on photographs.
OF_CHANGES, OF_COLOURS = 32.0, 4.0


class Descriptor(NamedTuple):
    """apply: jitted, images f32[B, H, W, C] in [0, 1] -> (None, as it sees no label, features
    f32[B, 16 * (8 + C)]). extractor: its name in records, with a hash of what it is made of."""

    apply: Callable[[Array], tuple[None, Array]]
    extractor: str


def descriptor(shape: tuple[int, ...]) -> Descriptor:
    """Of images [H, W, C]. Errors: InputError for sides that cells cannot be made of."""
    if len(shape) != 3 or min(shape[:2]) < SMALLEST_SIDE:
        raise InputError(f"a descriptor is of images of at least {SMALLEST_SIDE} pixels: {shape}")
    made_of = repr((VERSION, CELLS, DIRECTIONS, OF_CHANGES, OF_COLOURS))
    return Descriptor(_apply, f"descriptor/{hashlib.sha256(made_of.encode()).hexdigest()[:8]}")


@jax.jit
def _apply(x: Array) -> tuple[None, Array]:
    around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    down = (around[:, 2:, 1:-1] - around[:, :-2, 1:-1]) / 2
    right = (around[:, 1:-1, 2:] - around[:, 1:-1, :-2]) / 2
    most = jnp.argmax(jnp.hypot(down, right), axis=-1, keepdims=True)
    down, right = (jnp.take_along_axis(one, most, axis=-1)[..., 0] for one in (down, right))
    # Half a turn: which of the two sides is the brighter one does not matter. Between two
    # directions, a change is shared by nearness, so that features do not jump.
    at = jnp.mod(jnp.arctan2(down, right) / jnp.pi, 1.0) * DIRECTIONS
    apart = jnp.abs(at[..., None] - jnp.arange(DIRECTIONS))
    shares = jnp.maximum(0.0, 1 - jnp.minimum(apart, DIRECTIONS - apart))
    changes = jnp.hypot(down, right)[..., None] * shares
    cells = jnp.concatenate([OF_CHANGES * changes, OF_COLOURS * x], axis=-1)
    rows, columns = _means(x.shape[1]), _means(x.shape[2])
    # Some accelerators multiply in fewer digits unless told.
    found = jnp.einsum("ih,jw,bhwf->bijf", rows, columns, cells, precision="highest")
    return None, found.reshape(x.shape[0], -1)


def _means(side: int) -> Array:
    """A product with this averages over cells; a pixel can lie in two. f32[CELLS, side]."""
    size, pixels = side / CELLS, jnp.arange(side)
    first = size * jnp.arange(CELLS)[:, None]
    within = jnp.minimum(first + size, pixels + 1) - jnp.maximum(first, pixels)
    return jnp.clip(within, 0.0, 1.0) / size
