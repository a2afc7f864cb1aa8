"""Multilayer perceptrons with normalized weights (Salimans & Kingma 2016), whose units have a known
scale: the classifier of the semi-supervised GAN (Salimans et al. 2016)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.networks.layers import perturbed
from iae_jax.types import Array

DEVIATION = 0.1  # of the initial weights; the scale takes its effect away


class WeightNorm(nn.Module):
    """A dense layer whose weights of each unit have length 1, times the unit's scale.

    Initialized on several x, each unit has mean 0 and variance 1 over them. frozen: the scale stays
    what it was at first.
    """

    features: int
    frozen: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(DEVIATION), shape)
        y = x @ (kernel / jnp.linalg.norm(kernel, axis=0))
        deviation = jnp.std(y, axis=0)
        # Of one example, or of equal ones, there is none.
        first = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 1)
        scale = self.param("scale", lambda _: first)
        bias = self.param(
            "bias", lambda _: jnp.where(deviation > 0, -jnp.mean(y, axis=0), 0) * first
        )
        return y * (jax.lax.stop_gradient(scale) if self.frozen else scale) + bias


class Trunk(nn.Module):
    """x f32[B, ...] and noise f32[B, N] -> features f32[B, widths[-1]]. perturbation: see
    `perturbed`; of each hidden layer's outputs. frozen: see WeightNorm. noisy: what perturbs a
    layer is added to each unit, not multiplied."""

    widths: Sequence[int]
    frozen: bool = True
    noisy: bool = False

    @nn.compact
    def __call__(
        self, x: Array, noise: Array | None = None, perturbation: Array | None = None
    ) -> Array:
        h = x.reshape(x.shape[0], -1)
        if noise is not None and noise.shape[-1]:
            h = jnp.concatenate([h, noise], axis=-1)
        for width in self.widths[:-1]:
            h = nn.relu(WeightNorm(width, self.frozen)(h))
            h, perturbation = perturbed(h, perturbation, self.noisy)
        return nn.relu(WeightNorm(self.widths[-1], self.frozen)(h))
