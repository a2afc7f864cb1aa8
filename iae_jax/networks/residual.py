"""Residual networks, for images whose sides are a small number times a power of 2.

Pre-activation blocks (He et al. 2016b), as in the discriminators and generators of Mescheder et
al. 2018; z enters the generator at every resolution.
"""

import flax.linen as nn
import jax.numpy as jnp

from iae_jax.networks.conv import MAX_CHANNEL_FACTOR, halvings
from iae_jax.networks.layers import (
    Conv,
    LayerNorm,
    Modulate,
    flattened,
    leaky,
    perturbed,
    styled,
    unit_scale,
)
from iae_jax.types import Array

SHARE = 0.5**0.5  # scales the sum of two parts, so that it has the variance of one of them


def halved(x: Array) -> Array:
    """Means of 2x2 pixels: f32[B, H, W, C] -> f32[B, H/2, W/2, C]."""
    b, h, w, c = x.shape
    return jnp.mean(x.reshape(b, h // 2, 2, w // 2, 2, c), axis=(2, 4))


def doubled(x: Array) -> Array:
    """Each pixel four times: f32[B, H, W, C] -> f32[B, 2H, 2W, C]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


class Down(nn.Module):
    """f32[B, H, W, C] -> f32[B, H/2, W/2, features]. No normalization, which would remove
    differences that a discriminator has to see."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = Conv(self.features, size=3)(leaky(x))
        h = Conv(self.features, size=3)(leaky(halved(h)))
        return SHARE * (nn.Dense(self.features)(halved(x)) + h)


class Up(nn.Module):
    """f32[B, H, W, C] and style f32[B, F] -> f32[B, 2H, 2W, features]."""

    features: int
    hidden: int

    @nn.compact
    def __call__(self, x: Array, style: Array) -> Array:
        h = leaky(Modulate(self.hidden)(LayerNorm()(x), style))
        h = Conv(self.features, size=3)(doubled(h))
        h = leaky(Modulate(self.hidden)(LayerNorm()(h), style))
        h = Conv(self.features, size=3)(h)
        return SHARE * (doubled(nn.Dense(self.features)(x)) + h)


def levels(side: int, width: int) -> list[int]:
    """The channels of a Trunk's levels, of half the side each, for images of this side."""
    return [width * min(2 ** (level + 1), MAX_CHANNEL_FACTOR) for level in range(halvings(side))]


class Trunk(nn.Module):
    """x f32[B, H, W, C] and noise f32[B, N] -> features f32[B, hidden].

    width: channels at full resolution; they double with every halving, up to
    `conv.MAX_CHANNEL_FACTOR` times the width. perturbation, noisy: as of `conv.Trunk`, of each
    block.
    """

    width: int
    hidden: int
    noisy: bool = False

    @nn.compact
    def __call__(
        self, x: Array, noise: Array | None = None, perturbation: Array | None = None
    ) -> Array:
        x = Conv(self.width, size=3)(x)
        for features in levels(min(x.shape[1:3]), self.width):
            x = Down(features)(x)
            x, perturbation = perturbed(
                unit_scale(x) if self.noisy else x, perturbation, self.noisy
            )
        return flattened(leaky(x), noise, self.hidden)


class Body(nn.Module):
    """Features f32[B, F] and noise f32[B, N] -> logits f32[B, *shape]; both modulate every block,
    and the smallest grid is computed from the features."""

    shape: tuple[int, ...]
    width: int
    hidden: int

    @nn.compact
    def __call__(self, h: Array, noise: Array | None = None) -> Array:
        height, width, channels = self.shape
        count = halvings(min(height, width))
        style = styled(h, noise, self.hidden)
        features = self.width * min(2**count, MAX_CHANNEL_FACTOR)
        x = nn.Dense((height >> count) * (width >> count) * features)(h)
        x = x.reshape(-1, height >> count, width >> count, features)
        for level in reversed(range(count)):
            x = Up(self.width * min(2**level, MAX_CHANNEL_FACTOR), self.hidden)(x, style)
        return Conv(channels, size=3)(leaky(LayerNorm()(x)))
