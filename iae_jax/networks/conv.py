"""Convolutional networks, for images whose sides are a small number times a power of 2."""

from collections.abc import Sequence

import flax.linen as nn

from iae_jax.networks.convolution import depth_to_space
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

# Sides above this are halved: a grid of 4 to 7 positions a side is left to the dense layers.
HALVED_ABOVE = 7
# Channels double with every halving, up to this multiple of the width.
MAX_CHANNEL_FACTOR = 4


def halvings(side: int) -> int:
    """How many times an image of this side is halved: 2 for 28 -> 14 -> 7, 4 for 64 -> ... -> 4."""
    times = 0
    while side > HALVED_ABOVE and side % 2 == 0:
        side //= 2
        times += 1
    return times


def levels(side: int, width: int) -> list[int]:
    """The channels of a Trunk's levels, of half the side each, for images of this side."""
    return [width * min(2**level, MAX_CHANNEL_FACTOR) for level in range(halvings(side))]


class Trunk(nn.Module):
    """x f32[B, H, W, C] and noise f32[B, N] -> features f32[B, hidden].

    4x4 convolutions of stride 2, then a dense layer; noise enters beside the convolutions' output.
    perturbation: see `perturbed`; of each level. noisy: each level is scaled to a mean square of 1,
    and what perturbs it is added to each unit, not multiplied.
    """

    width: int
    hidden: int
    noisy: bool = False

    @nn.compact
    def __call__(
        self, x: Array, noise: Array | None = None, perturbation: Array | None = None
    ) -> Array:
        for features in levels(min(x.shape[1:3]), self.width):
            x = leaky(Conv(features, size=4, stride=2)(x))
            x, perturbation = perturbed(
                unit_scale(x) if self.noisy else x, perturbation, self.noisy
            )
        return flattened(x, noise, self.hidden)


class Body(nn.Module):
    """Features f32[B, F] and noise f32[B, N] -> logits f32[B, *shape]. With noise, both modulate
    every level.

    Each level is a 3x3 convolution to four times the channels and depth-to-space: no transposed
    convolution, whose gradient is slow and whose output has a checkerboard.
    """

    shape: tuple[int, ...]
    width: int
    hidden: int

    @nn.compact
    def __call__(self, h: Array, noise: Array | None = None) -> Array:
        height, width, channels = self.shape
        count = halvings(min(height, width))
        grid = (height >> count, width >> count)
        features: Sequence[int] = [
            channels,
            *(self.width * min(2**level, MAX_CHANNEL_FACTOR) for level in range(count)),
        ]
        noisy = noise is not None and noise.shape[-1]
        style = styled(h, noise, self.hidden) if noisy else None
        h = LayerNorm()(nn.relu(nn.Dense(self.hidden)(h)))
        h = LayerNorm()(nn.relu(nn.Dense(grid[0] * grid[1] * features[count])(h)))
        h = h.reshape(-1, *grid, features[count])
        for level in reversed(range(count)):
            if style is not None:
                h = Modulate(self.hidden)(h, style)
            h = depth_to_space(Conv(4 * features[level], size=3)(h))
            if level:
                h = nn.relu(LayerNorm()(h))
        return h
