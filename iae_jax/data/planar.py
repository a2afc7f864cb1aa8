"""Synthetic data sets of the plane: mixtures of round Gaussians, with their density."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data.synthetic import SyntheticSource
from iae_jax.errors import InputError
from iae_jax.kinds import made
from iae_jax.types import Array


class Mixture(NamedTuple):
    """Equally likely round Gaussians.

    centres: f32[K, 2].
    deviation: SD of each Gaussian along each axis.
    """

    centres: np.ndarray
    deviation: float

    def sample(self, key: Array, count: int) -> tuple[Array, Array]:
        """(x f32[count, 2], mode i32[count])."""
        mode_key, normal_key = jax.random.split(key)
        mode = jax.random.randint(mode_key, (count,), 0, len(self.centres))
        noise = jax.random.normal(normal_key, (count, 2))
        return jnp.asarray(self.centres)[mode] + self.deviation * noise, mode

    def log_density(self, x: Array) -> Array:
        """log p(x) in nats: f32[..., 2] -> f32[...]."""
        squares = jnp.sum(jnp.square(x[..., None, :] - self.centres), axis=-1)
        each = -0.5 * squares / self.deviation**2 - jnp.log(2 * jnp.pi * self.deviation**2)
        return jax.nn.logsumexp(each, axis=-1) - jnp.log(len(self.centres))

    def scaled(self, factor: float) -> "Mixture":
        """The distribution of factor * x."""
        return Mixture(self.centres * np.float32(factor), self.deviation * factor)


def ring(
    modes: int = 8, radius: float = 1.0, deviation: float = 0.01, scale: float = 1.0
) -> Mixture:
    """Modes on a circle (Metz et al. 2017; PacGAN, section 4.1), all multiplied by `scale`.

    Raises:
      InputError: a number that is not positive.
    """
    _check_positive({"modes": modes}, whole=True)
    _check_positive({"radius": radius, "deviation": deviation, "scale": scale})
    angle = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return Mixture(centres.astype(np.float32), deviation).scaled(scale)


def grid(side: int = 5, step: float = 2.0, deviation: float = 0.05, scale: float = 1.0) -> Mixture:
    """side * side modes, `step` apart around the origin (PacGAN, section 4.1), all multiplied by
    `scale`.

    Raises:
      InputError: a number that is not positive.
    """
    _check_positive({"side": side}, whole=True)
    _check_positive({"step": step, "deviation": deviation, "scale": scale})
    line = step * (np.arange(side) - (side - 1) / 2)
    centres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return Mixture(centres.astype(np.float32), deviation).scaled(scale)


SETS = {"ring": ring, "grid": grid}


def mixture_of(kind: str) -> Mixture:
    """The distribution that a kind names.

    Args:
      kind: "ring", "grid(side=3)", "ring(modes=5, radius=1.5, deviation=0.3, scale=0.5)", or
        "MODULE:NAME(...)", a function that returns a `Mixture`.

    Raises:
      InputError: no such distribution.
    """
    mixture = made(kind, SETS, "a planar data set")
    if not isinstance(mixture, Mixture):
        raise InputError(f"{kind} returns a {type(mixture).__name__}, not a planar.Mixture")
    return mixture


def open_planar(kind: str, split: str) -> SyntheticSource:
    """A mixture as a data set of points f32[2]; the label is the mode.

    Raises:
      InputError: no such distribution or split.
    """
    mixture = mixture_of(kind)
    return SyntheticSource(split, mixture.sample, (2,), len(mixture.centres))


def _check_positive(numbers: Mapping[str, float], whole: bool = False) -> None:
    for name, value in numbers.items():
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not (number and 0 < value < math.inf):
            what = "a whole number above 0" if whole else "a positive number"
            raise InputError(f"{name} of a planar data set is {what}, not {value!r}")
