"""Distributions one can draw: mixtures of round Gaussians in the plane, with their density."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.types import Array


class Mixture(NamedTuple):
    """Equally likely round Gaussians. centres: f32[K, 2]. deviation: of each, along each axis."""

    centres: np.ndarray
    deviation: float

    def sample(self, key: Array, count: int) -> tuple[Array, Array]:
        """(x f32[count, 2], mode i32[count]); the key is consumed."""
        which, where = jax.random.split(key)
        mode = jax.random.randint(which, (count,), 0, len(self.centres))
        return jnp.asarray(self.centres)[mode] + self.deviation * jax.random.normal(
            where, (count, 2)
        ), mode

    def log_density(self, x: Array) -> Array:
        """log p(x) in nats: f32[..., 2] -> f32[...]."""
        squares = jnp.sum(jnp.square(x[..., None, :] - self.centres), axis=-1)
        each = -0.5 * squares / self.deviation**2 - jnp.log(2 * jnp.pi * self.deviation**2)
        return jax.nn.logsumexp(each, axis=-1) - jnp.log(len(self.centres))

    def scaled(self, factor: float) -> "Mixture":
        """The distribution of factor * x."""
        return Mixture(self.centres * np.float32(factor), self.deviation * factor)


def ring(modes: int = 8, radius: float = 1.0, deviation: float = 0.01) -> Mixture:
    """Modes on a circle (Metz et al. 2017's set, in the protocol of PacGAN, section 4.1)."""
    angle = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return Mixture(centres.astype(np.float32), deviation)


def grid(side: int = 5, step: float = 2.0, deviation: float = 0.05) -> Mixture:
    """Modes on a square grid around the origin (PacGAN, section 4.1)."""
    line = step * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return Mixture(centres.astype(np.float32), deviation)
