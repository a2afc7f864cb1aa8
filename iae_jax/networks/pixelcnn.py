"""The gated PixelCNN (van den Oord et al. 2016b): every pixel given z and those above and left of
it."""

import flax.linen as nn
import jax.numpy as jnp

from iae_jax.types import Array


class _Gated(nn.Module):
    """Maps f32[B, H, W, ...] -> f32[B, H, W, width]: a product, half of which gates the others."""

    width: int

    @nn.compact
    def __call__(self, *maps: Array) -> Array:
        h = nn.Dense(2 * self.width)(jnp.concatenate(maps, axis=-1))
        signal, gate = jnp.split(h, 2, axis=-1)
        return jnp.tanh(signal) * nn.sigmoid(gate)


def _around(x: Array, rows: int, columns: int, top: int, left: int, right: int) -> list[Array]:
    """What a convolution of rows x columns reads at each place of the padded x, as maps.

    A product of these is as fast on a CPU as XLA's convolutions, whose gradients are not.
    """
    padded = jnp.pad(x, ((0, 0), (top, 0), (left, right), (0, 0)))
    height, width = padded.shape[1] - rows + 1, padded.shape[2] - columns + 1
    return [
        padded[:, row : row + height, column : column + width]
        for row in range(rows)
        for column in range(columns)
    ]


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
        above = _around(x[:, :-1], reach, self.first, reach, reach, reach)
        vertical = _Gated(self.width)(*above, z)
        beside = _around(x[:, :, :-1], 1, reach, 0, reach, 0)
        horizontal = _Gated(self.width)(*beside, vertical, z)
        reach = self.kernel // 2
        for _ in range(self.layers):
            if reach:
                above = _around(vertical, reach + 1, self.kernel, reach, reach, reach)
                vertical = _Gated(self.width)(*above, z)
            beside = _around(horizontal, 1, reach + 1, 0, reach, 0)
            horizontal += nn.Dense(self.width)(_Gated(self.width)(*beside, vertical, z))
        h = nn.relu(nn.Dense(self.width)(nn.relu(horizontal)))
        return nn.Dense(self.numbers)(h)[..., None, :]
