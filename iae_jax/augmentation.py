"""Random affine changes of images: what a category should not depend on.

Pure functions of x and of numbers that are drawn before, as all of a step's randomness is.
"""

import math
from dataclasses import asdict, dataclass

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from iae_jax.types import Array, Augment, InputError

NUMBERS = 6  # rotation, shear, two scales, two shifts


@dataclass
class Affine:
    """Bounds, each either way. rotation: degrees. scale: of the logarithm of either side's.
    shear: sideways pixels for each pixel down. shift: pixels, of either side."""

    rotation: float = 15.0
    scale: float = 0.2
    shear: float = 0.2
    shift: float = 2.0


def affine(bounds: Affine) -> Augment:
    """x f32[B, H, W, C] -> the same shape, each image with a change of its own about its centre,
    linear between pixels and 0 outside. Its noise, f32[B, 6] in [-1, 1], is uniform within the
    bounds. Errors: InputError for a bound that is negative or not finite."""
    for name, bound in asdict(bounds).items():
        if not 0 <= bound < math.inf:
            raise InputError(f"{name} of an augmentation is at least 0 and finite, not {bound}")

    def one(x: Array, noise: Array) -> Array:
        height, width, channels = x.shape
        angle = noise[0] * jnp.deg2rad(bounds.rotation)
        turn = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
        tall, wide = jnp.exp(bounds.scale * noise[2:4])
        # Rows and columns of where the new image is read from: content grows as this shrinks.
        zeros = jnp.zeros(())
        shape = jnp.array([[1 / tall, zeros], [-bounds.shear * noise[1], 1 / wide]])
        centre = jnp.array([(height - 1) / 2, (width - 1) / 2])
        rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
        grid = jnp.stack([rows.ravel(), columns.ravel()])
        moved = centre + bounds.shift * noise[4:6]
        source = shape @ turn @ (grid - moved[:, None]) + centre[:, None]
        read = [map_coordinates(x[..., c], [*source], 1, mode="constant") for c in range(channels)]
        return jnp.stack(read, axis=-1).reshape(x.shape)

    def apply(x: Array, noise: Array) -> Array:
        return jax.vmap(one)(x, noise)

    return Augment(apply, NUMBERS)
