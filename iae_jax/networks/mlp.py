"""Multilayer perceptrons, for x of any shape."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from iae_jax.networks.layers import Modulate, leaky, perturbed, unit_scale
from iae_jax.types import Array


class Trunk(nn.Module):
    """x f32[B, ...] and noise f32[B, N] -> features f32[B, widths[-1]]. perturbation: see
    `perturbed`; of each hidden layer. noisy: as of `conv.Trunk`."""

    widths: Sequence[int]
    noisy: bool = False

    @nn.compact
    def __call__(
        self, x: Array, noise: Array | None = None, perturbation: Array | None = None
    ) -> Array:
        h = x.reshape(x.shape[0], -1)
        if noise is not None and noise.shape[-1]:
            h = jnp.concatenate([h, noise], axis=-1)
        for width in self.widths[:-1]:
            h = leaky(nn.Dense(width)(h))
            h, perturbation = perturbed(
                unit_scale(h) if self.noisy else h, perturbation, self.noisy
            )
        return leaky(nn.Dense(self.widths[-1])(h))


class Body(nn.Module):
    """Features f32[B, F] and noise f32[B, N] that enters at depth -> logits f32[B, *shape]."""

    shape: tuple[int, ...]
    widths: Sequence[int]

    @nn.compact
    def __call__(self, h: Array, noise: Array | None = None) -> Array:
        for width in self.widths:
            h = leaky(nn.Dense(width)(h))
            if noise is not None and noise.shape[-1]:
                h = Modulate(width)(h, noise)
        return nn.Dense(math.prod(self.shape))(h).reshape(-1, *self.shape)
