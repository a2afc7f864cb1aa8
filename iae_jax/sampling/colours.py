"""Ink in a colour on white paper, and back: what an unpaired translation of digits has to find."""

import jax.numpy as jnp

from iae_jax.types import Array


def rgb(hue: Array) -> Array:
    """Of a hue in [0, 1) at full saturation: f32[...] -> f32[..., 3]."""
    places = jnp.array([0.0, 2 / 3, 1 / 3]) + hue[..., None]
    return jnp.clip(jnp.abs(6 * (places % 1) - 3) - 1, 0, 1)


def coloured(grey: Array, hue: Array) -> Array:
    """Ink f32[B, H, W, 1] in a colour on white paper: f32[B, H, W, 3]."""
    return 1 - grey * (1 - rgb(hue))[:, None, None, :]


def ink(colour: Array) -> Array:
    """How dark the darkest channel is, which is the ink of `coloured`: f32[B, H, W, 1]."""
    return 1 - jnp.min(colour, axis=-1, keepdims=True)


def saturation(colour: Array) -> Array:
    """How much of the ink is colour: 1 of `coloured`, 0 of grey ink, f32[B]."""
    coloured_ink = jnp.max(colour, axis=-1) - jnp.min(colour, axis=-1)
    whole = jnp.sum(ink(colour), axis=(1, 2, 3))
    return jnp.sum(coloured_ink, axis=(1, 2)) / jnp.maximum(whole, 1e-6)


def hue_of(colour: Array) -> Array:
    """The hue in [0, 1) of all that is not paper, of its angle in the plane of hues: f32[B]."""
    own = 1 - jnp.mean(1 - colour, axis=(1, 2))
    turns = 2 * jnp.pi * jnp.arange(3) / 3
    angle = jnp.arctan2(own @ jnp.sin(turns), own @ jnp.cos(turns))
    return (angle / (2 * jnp.pi)) % 1
