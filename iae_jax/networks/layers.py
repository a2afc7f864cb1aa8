"""Layers. Stateless; fast in value, gradient, second derivative (R1) and inside `lax.scan`."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.networks.convolution import native_convolution, trilinear_convolution
from iae_jax.types import Array

SLOPE = 0.2  # of every leaky ReLU
EPSILON = 1e-6  # of a LayerNorm


def leaky(x: Array) -> Array:
    return nn.leaky_relu(x, SLOPE)


class Conv(nn.Module):
    """SAME convolution, implemented for the platform."""

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        on_cpu = jax.default_backend() == "cpu"
        convolution = trilinear_convolution if on_cpu else native_convolution
        return convolution(x, kernel, self.stride) + bias


@jax.custom_vjp
def standardize(x: Array) -> Array:
    """(x - mean) / SD over the last axis, with a derivative in closed form.

    The value is the same expression whether or not it is differentiated, so that XLA can share a
    forward pass between turns: the turn of encoder and generator decodes the codes of the turn
    before it.
    """
    return _standardize(x)[0]


def _standardize(x: Array) -> tuple[Array, Array]:
    """In float32 whatever x is: a variance of bfloat16 has two digits."""
    dtype, x = x.dtype, x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    inverse = jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + EPSILON)
    return (centred * inverse).astype(dtype), inverse.astype(dtype)


def _standardized(x: Array) -> tuple[Array, tuple[Array, Array]]:
    y, inverse = _standardize(x)
    return y, (y, inverse)


def _standardize_gradient(kept: tuple[Array, Array], g: Array) -> tuple[Array]:
    y, inverse = kept
    along = jnp.mean(g * y, axis=-1, keepdims=True)
    return (inverse * (g - jnp.mean(g, axis=-1, keepdims=True) - y * along),)


standardize.defvjp(_standardized, _standardize_gradient)


class LayerNorm(nn.Module):
    """Normalizes the channels of one position of one example (Ba et al. 2016)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return standardize(x) * scale + bias


def perturbed(
    h: Array, perturbation: Array | None, added: bool = False
) -> tuple[Array, Array | None]:
    """h f32[B, ..., C] times 1 + the first C numbers of a perturbation f32[B, N], channel by
    channel, and the perturbation's other numbers. None changes nothing.

    added: instead plus the first numbers, one for each unit of h.
    """
    if perturbation is None:
        return h, None
    shape = h.shape[1:] if added else (*(1,) * (h.ndim - 2), h.shape[-1])
    own, rest = jnp.split(perturbation, [math.prod(shape)], axis=-1)
    own = own.reshape(-1, *shape)
    return h + own if added else h * (1 + own), rest


def unit_scale(h: Array) -> Array:
    """h f32[B, ...] with a mean square of 1 over each example, so that what is added to it is
    always as large beside it."""
    square = jnp.mean(jnp.square(h), axis=range(1, h.ndim), keepdims=True)
    return h * jax.lax.rsqrt(square + EPSILON)


def flattened(x: Array, noise: Array | None, hidden: int) -> Array:
    """The end of a trunk: f32[B, H, W, C] and noise f32[B, N] beside it -> f32[B, hidden]. Called
    inside a module, to which its layers belong."""
    h = x.reshape(x.shape[0], -1)
    if noise is not None and noise.shape[-1]:
        h = leaky(nn.Dense(hidden)(jnp.concatenate([h, noise], axis=-1)))
    return leaky(nn.Dense(hidden)(h))


def styled(h: Array, noise: Array | None, hidden: int) -> Array:
    """The style that modulates a generator's levels: z's features h f32[B, F], and noise f32[B, N]
    or None, -> f32[B, hidden]. Called inside a module, to which its layers belong."""
    style = nn.Dense(hidden)(h)
    if noise is not None and noise.shape[-1]:
        # A layer each: concatenated, many components of noise would outweigh a few of z.
        style += nn.Dense(hidden)(noise)
    return leaky(style)


class Modulate(nn.Module):
    """h -> h * (1 + gamma(s)) + beta(s), channel by channel: a style s enters at depth."""

    hidden: int

    @nn.compact
    def __call__(self, h: Array, style: Array) -> Array:
        features = h.shape[-1]
        m = nn.Dense(2 * features)(leaky(nn.Dense(self.hidden)(style)))
        m = m.reshape(m.shape[0], *(1,) * (h.ndim - 2), 2 * features)
        return h * (1 + m[..., :features]) + m[..., features:]
