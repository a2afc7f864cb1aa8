"""From image to image: an encoder whose code is an image, a generator that reads one, and
discriminators of both, for images of one height and width."""

import flax.linen as nn
import jax.numpy as jnp

from iae_jax.networks.conv import Trunk, halvings
from iae_jax.networks.layers import Conv, LayerNorm, leaky
from iae_jax.networks.residual import Down, Up
from iae_jax.types import Array, Code, Discriminator, Encoder, Encoding, Generator, Params


class Translator(nn.Module):
    """x f32[B, H, W, C] and noise f32[B, N] -> f32[B, H, W, channels] in [0, 1]: down and up again,
    with the levels of the way down added on the way up."""

    channels: int
    width: int
    hidden: int

    @nn.compact
    def __call__(self, x: Array, noise: Array) -> Array:
        style = jnp.zeros((x.shape[0], 1))
        if noise.shape[-1]:
            style = leaky(nn.Dense(self.hidden)(noise))
        h, levels, kept = Conv(self.width, size=3)(x - 0.5), halvings(min(x.shape[1:3])), []
        for level in range(levels):
            kept.append(h)
            h = Down(self.width * 2 ** (level + 1))(h)
        for level in reversed(range(levels)):
            h = Up(self.width * 2**level, self.hidden)(h, style) + kept[level]
        return nn.sigmoid(Conv(self.channels, size=3)(leaky(LayerNorm()(h))))


class _Discriminator(nn.Module):
    """Of an image, or of two side by side as channels."""

    width: int
    hidden: int

    @nn.compact
    def __call__(self, *images: Array) -> Array:
        both = jnp.concatenate(images, axis=-1) - 0.5
        return nn.Dense(1)(Trunk(self.width, self.hidden)(both))


def encoder(
    shape: tuple[int, ...], out: tuple[int, ...], noise: int, width: int, hidden: int
) -> Encoder:
    """x f32[B, *shape] and noise -> an image, flattened, as the code."""
    network = Translator(out[-1], width, hidden)

    def init(key: Array) -> Params:
        return network.init(key, jnp.zeros((1, *shape)), jnp.zeros((1, noise)))

    def apply(params: Params, x: Array, numbers: Array) -> Encoding:
        found = jnp.asarray(network.apply(params, x, numbers))
        return Encoding(vector=found.reshape(x.shape[0], -1))

    return Encoder(init, apply, noise)


def generator(
    shape: tuple[int, ...], code: tuple[int, ...], noise: int, width: int, hidden: int
) -> Generator:
    """A code that is an image, flattened, of shape `code`, and noise -> x f32[B, *shape]."""
    network = Translator(shape[-1], width, hidden)

    def init(key: Array) -> Params:
        return network.init(key, jnp.zeros((1, *code)), jnp.zeros((1, noise)))

    def sample(params: Params, z: Code, numbers: Array) -> Array:
        assert z.vector is not None
        return jnp.asarray(network.apply(params, z.vector.reshape(-1, *code), numbers))

    return Generator(init, sample, noise)


def discriminator(
    shape: tuple[int, ...], code: tuple[int, ...], reads: tuple[str, ...], width: int, hidden: int
) -> Discriminator:
    """Of images x, of codes that are images, or of pairs of both, side by side as channels."""
    network = _Discriminator(width, hidden)
    shapes = {"x": shape, "z": code}

    def init(key: Array) -> Params:
        return network.init(key, *(jnp.zeros((1, *shapes[name])) for name in reads))

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        z = None if vector is None else vector.reshape(-1, *code)
        return jnp.asarray(network.apply(params, *(one for one in (x, z) if one is not None)))

    return Discriminator(init, apply, reads)
