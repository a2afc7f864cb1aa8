"""Layers. Stateless, fast forward, backward, twice backward (R1) and inside `lax.scan`."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.types import Array

SLOPE = 0.2  # of every leaky ReLU


def leaky(x: Array) -> Array:
    return nn.leaky_relu(x, SLOPE)


def space_to_depth(x: Array, stride: int) -> Array:
    """f32[B, H, W, C] -> f32[B, H/s, W/s, s*s*C]."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // stride, stride, w // stride, stride, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // stride, w // stride, -1)


def depth_to_space(x: Array, stride: int = 2) -> Array:
    """f32[B, H, W, s*s*C] -> f32[B, s*H, s*W, C], the inverse of `space_to_depth`."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, stride, stride, c // stride**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h * stride, w * stride, -1)


def native_convolution(x: Array, kernel: Array, stride: int) -> Array:
    """SAME convolution by the backend: x f32[B, H, W, C], kernel f32[k, k, C, F]."""
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def matmul_convolution(x: Array, kernel: Array, stride: int) -> Array:
    """The same as slices, one concatenation and one matrix product.

    On the CPU backend the gradients of a native strided convolution are several times slower
    inside `lax.scan` than outside, and twice differentiated they are slow everywhere; a matrix
    product is neither. A stride is folded into the channels first, so that every slice is of
    whole blocks.
    """
    size, _, channels, features = kernel.shape
    height, width = x.shape[1:3]
    taps = -(-size // stride)  # of the stride-1 convolution over blocks

    def pad(extent: int) -> tuple[int, int]:
        out = -(-extent // stride)
        before = max((out - 1) * stride + size - extent, 0) // 2
        return before, (out - 1 + taps) * stride - extent - before

    x = jnp.pad(x, ((0, 0), pad(height), pad(width), (0, 0)))
    if stride > 1:
        x = space_to_depth(x, stride)
        fill = (0, taps * stride - size)
        kernel = jnp.pad(kernel, (fill, fill, (0, 0), (0, 0)))
        kernel = kernel.reshape(taps, stride, taps, stride, channels, features)
        kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    b, h, w, _ = x.shape
    h, w = h - taps + 1, w - taps + 1
    slices = [x[:, i : i + h, j : j + w] for i in range(taps) for j in range(taps)]
    patches = jnp.concatenate(slices, axis=-1).reshape(b * h * w, -1)
    return (patches @ kernel.reshape(-1, features)).reshape(b, h, w, features)


class Conv(nn.Module):
    """SAME convolution, chosen by platform."""

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        on_cpu = jax.default_backend() == "cpu"
        convolution = matmul_convolution if on_cpu else native_convolution
        return convolution(x, kernel, self.stride) + bias


class Modulate(nn.Module):
    """h -> h * (1 + gamma(n)) + beta(n), channel by channel: how noise enters at depth."""

    hidden: int

    @nn.compact
    def __call__(self, h: Array, noise: Array) -> Array:
        features = h.shape[-1]
        m = nn.Dense(2 * features)(leaky(nn.Dense(self.hidden)(noise)))
        m = m.reshape(m.shape[0], *(1,) * (h.ndim - 2), 2 * features)
        return h * (1 + m[..., :features]) + m[..., features:]
