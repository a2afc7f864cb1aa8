"""The gated PixelCNN (van den Oord et al. 2016b): every pixel given z and those above and left of
it."""

import flax.linen as nn
import jax.numpy as jnp

from iae_jax.types import Array


class _Gated(nn.Module):
    """A convolution that a feature map m shifts, and half of whose outputs gate the others."""

    width: int
    kernel: tuple[int, int]

    @nn.compact
    def __call__(self, padded: Array, *shifts: Array) -> Array:
        h = nn.Conv(2 * self.width, self.kernel, padding="VALID")(padded)
        for shift in shifts:
            h += nn.Conv(2 * self.width, (1, 1))(shift)
        signal, gate = jnp.split(h, 2, axis=-1)
        return jnp.tanh(signal) * nn.sigmoid(gate)


def _padded(x: Array, top: int, left: int, right: int) -> Array:
    return jnp.pad(x, ((0, 0), (top, 0), (left, right), (0, 0)))


class PixelCNN(nn.Module):
    """x f32[B, H, W, 1] and a feature map of z f32[B, H, W, M] -> f32[B, H, W, 1, numbers], of
    which a pixel's reads the whole map, and x before it in raster order.

    A stack of the rows above and one of what is left in the row: masked convolutions alone would
    not see all that comes before. layers: how many follow the first. width: channels. first,
    kernel: side of the first convolution and of the others, odd. With kernel 1 a pixel reads only
    a window of side `first`, as far as it comes before.
    """

    layers: int
    width: int
    first: int
    kernel: int
    numbers: int

    @nn.compact
    def __call__(self, x: Array, z: Array) -> Array:
        reach = self.first // 2
        # The first layers read neither a pixel itself nor, above, its row.
        above = _padded(x[:, :-1], reach, reach, reach)
        vertical = _Gated(self.width, (reach, self.first))(above, z)
        beside = _padded(x[:, :, :-1], 0, reach, 0)
        horizontal = _Gated(self.width, (1, reach))(beside, vertical, z)
        reach = self.kernel // 2
        for _ in range(self.layers):
            above = _padded(vertical, reach, reach, reach)
            vertical = _Gated(self.width, (reach + 1, self.kernel))(above, z)
            beside = _padded(horizontal, 0, reach, 0)
            h = _Gated(self.width, (1, reach + 1))(beside, vertical, z)
            horizontal += nn.Conv(self.width, (1, 1))(h)
        h = nn.relu(nn.Conv(self.width, (1, 1))(nn.relu(horizontal)))
        return nn.Conv(self.numbers, (1, 1))(h)[..., None, :]
