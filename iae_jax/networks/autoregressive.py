"""Autoregressive decoders: p(x|z) as a product over the values of x, each given z and those before
it."""

import math
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.networks.layers import leaky
from iae_jax.networks.layouts import Layout, check_layout
from iae_jax.networks.masked import Masked
from iae_jax.networks.pixelcnn import PixelCNN
from iae_jax.networks.values import VALUES, Values
from iae_jax.types import Array, Code, Generator, Params

MAX_WIDTH = 2**16
MAX_LAYERS = 100  # each is traced
MAX_SIDE = 15  # of a convolution


class _Made(nn.Module):
    """x f32[B, *shape] and z f32[B, N] -> f32[B, *shape, numbers]."""

    width: int
    hidden: int
    numbers: int

    @nn.compact
    def __call__(self, x: Array, z: Array) -> Array:
        order = tuple(range(1, 1 + math.prod(x.shape[1:])))
        context = leaky(nn.Dense(self.hidden)(z))
        out = Masked(order, self.width, self.numbers)(x.reshape(x.shape[0], -1) - 0.5, context)
        return out.reshape(*x.shape, self.numbers)


class _PixelCNN(nn.Module):
    """The same of a PixelCNN, whose map of z the layout's body writes."""

    layout: Layout
    network: PixelCNN

    @nn.compact
    def __call__(self, x: Array, z: Array) -> Array:
        shape = (*x.shape[1:3], self.network.width)
        return self.network(x - 0.5, leaky(self.layout.body(shape)(z)))


def _decoder(module: nn.Module, shape: tuple[int, ...], code: int, values: Values) -> Generator:
    """The Generator of a network that reads what comes before. code: numbers of z."""
    size = math.prod(shape)

    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape)), jnp.zeros((1, code)))

    def parameters(params: Params, z: Array, x: Array) -> Array:
        found: Any = module.apply(params, x, z)
        assert isinstance(found, jax.Array)
        return found

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        chex.assert_shape(x, (None, *shape))
        each = values.log_probability(parameters(params, z.numbers, x), x)
        return jnp.sum(each.reshape(x.shape[0], -1), axis=-1)

    def sample(params: Params, z: Code, noise: Array) -> Array:
        """Value by value, each by a quantile: noise f32[B, size] of N(0, 1)."""
        chex.assert_shape(noise, (None, size))
        uniform, numbers = jax.scipy.stats.norm.cdf(noise), z.numbers

        def write(x: Array, i: Array) -> tuple[Array, None]:
            found = parameters(params, numbers, x.reshape(-1, *shape))
            own = found.reshape(x.shape[0], size, values.numbers)[:, i]
            return x.at[:, i].set(values.quantile(own, uniform[:, i])), None

        x, _ = jax.lax.scan(write, jnp.zeros_like(uniform), jnp.arange(size))
        return x.reshape(-1, *shape)

    return Generator(init, sample, size, log_likelihood, factorized=False, slow=True)


def _check(name: str, number: int, least: int, most: int) -> None:
    if not (isinstance(number, int) and least <= number <= most):
        raise InputError(f"{name} of the decoder is from {least} to {most}, not {number!r}")


def _values(likelihood: str) -> Values:
    if likelihood not in VALUES:
        raise InputError(
            f"an autoregressive decoder's likelihood is {' or '.join(VALUES)}, not {likelihood!r}: "
            "set generator.likelihood"
        )
    return VALUES[likelihood]()


def made(
    layout: Layout, shape: tuple[int, ...], code: int, likelihood: str, width: int = 500
) -> Generator:
    """A masked network with two hidden layers over the values of x in their order, each shifted by
    z's features (Germain et al. 2015, MADE).

    Args:
      layout: of which `hidden`, the features of z, is read.
      shape: of one x.
      code: numbers of z, components and categories.
      likelihood: "bernoulli", or "logistic" of 256 levels.
      width: of the hidden layers.

    Raises:
      InputError: a number that is out of range, or another likelihood.
    """
    _check("width", width, 1, MAX_WIDTH)
    values = _values(likelihood)
    return _decoder(_Made(width, layout.hidden, values.numbers), shape, code, values)


def pixelcnn(
    layout: Layout,
    shape: tuple[int, ...],
    code: int,
    likelihood: str,
    layers: int = 4,
    width: int = 16,
    first: int = 7,
    kernel: int = 3,
) -> Generator:
    """A gated PixelCNN of grey images, each layer shifted by a feature map that the layout's body
    makes of z (Gulrajani et al. 2017, PixelVAE). With kernel=1 it reads only a window of side
    `first` (Chen et al. 2017, VLAE, where the code has to say the rest).

    Args:
      layout, shape, code, likelihood: as of `made`.
      layers, width, first, kernel: see `networks.pixelcnn.PixelCNN`.

    Raises:
      InputError: x is no grey image, a number that is out of range, or another likelihood.
    """
    check_layout(layout, shape)
    if len(shape) != 3 or shape[-1] != 1:
        raise InputError(f"a pixelcnn is of grey images [H, W, 1], and x has shape {shape}")
    _check("layers", layers, 0, MAX_LAYERS)
    _check("width", width, 1, MAX_WIDTH)
    for name, side, least in (("first", first, 3), ("kernel", kernel, 1)):
        _check(name, side, least, MAX_SIDE)
        if side % 2 == 0:
            raise InputError(f"{name} of the decoder is odd, not {side}")
    values = _values(likelihood)
    network = PixelCNN(layers, width, first, kernel, values.numbers)
    return _decoder(_PixelCNN(layout, network), shape, code, values)
