"""Layers. Stateless; fast in value, gradient, second derivative (R1) and inside `lax.scan`."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.types import Array

SLOPE = 0.2  # of every leaky ReLU
EPSILON = 1e-6  # of a LayerNorm


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
    return _native(x, kernel, stride, "SAME")


def _native(x: Array, kernel: Array, stride: int, padding: str) -> Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def trilinear_convolution(x: Array, kernel: Array, stride: int) -> Array:
    """The same with custom derivatives, for the CPU backend.

    There the gradient of a native convolution is up to 30 times slower than its value, and more so
    inside `lax.scan`. A stride is folded into the channels, which leaves stride 1 and no padding:
    one trilinear form of x, kernel and cotangent. Value and gradients are its partial derivatives,
    and each derivative of those is one of them again.
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
        kernel = kernel.transpose(0, 2, 1, 3, 4, 5).reshape(taps, taps, -1, features)
    return _value(x, kernel)


@jax.custom_vjp
def _value(x: Array, kernel: Array) -> Array:
    """y[b, i, j, f] = sum of x[b, i + u, j + v, c] kernel[u, v, c, f]."""
    size, _, channels, features = kernel.shape
    if features <= channels:
        return _native(x, kernel, 1, "VALID")
    patches = _patches(x, size)
    return (patches.reshape(-1, patches.shape[-1]) @ kernel.reshape(-1, features)).reshape(
        *patches.shape[:3], features
    )


@jax.custom_vjp
def _kernel_gradient(x: Array, g: Array) -> Array:
    """k[u, v, c, f] = sum of x[b, i + u, j + v, c] g[b, i, j, f].

    A product over all positions, with the side that has fewer channels spread over the taps. The
    shorter side of the result is its rows, which makes the product twice as fast.
    """
    size, channels, features = x.shape[1] - g.shape[1] + 1, x.shape[3], g.shape[3]
    if features < channels:
        around = _patches(_widened(g, size), size).reshape(-1, size * size * features)
        found = (around.T @ x.reshape(-1, channels)).reshape(size, size, features, channels)
        return found[::-1, ::-1].transpose(0, 1, 3, 2)
    patches = _patches(x, size).reshape(-1, size * size * channels)
    found = g.reshape(-1, features).T @ patches
    return found.T.reshape(size, size, channels, features)


def _x_gradient(g: Array, kernel: Array) -> Array:
    """x[b, i + u, j + v, c] = sum of g[b, i, j, f] kernel[u, v, c, f], which is `_value` again."""
    return _value(_widened(g, kernel.shape[0]), kernel[::-1, ::-1].transpose(0, 1, 3, 2))


def _widened(g: Array, size: int) -> Array:
    return jnp.pad(g, ((0, 0), (size - 1, size - 1), (size - 1, size - 1), (0, 0)))


def _patches(x: Array, size: int) -> Array:
    """f32[B, H, W, C] -> f32[B, H - k + 1, W - k + 1, k * k * C]."""
    h, w = x.shape[1] - size + 1, x.shape[2] - size + 1
    slices = [x[:, i : i + h, j : j + w] for i in range(size) for j in range(size)]
    return jnp.concatenate(slices, axis=-1)


_value.defvjp(
    lambda x, kernel: (_value(x, kernel), (x, kernel)),
    lambda kept, g: (_x_gradient(g, kept[1]), _kernel_gradient(kept[0], g)),
)
_kernel_gradient.defvjp(
    lambda x, g: (_kernel_gradient(x, g), (x, g)),
    lambda kept, kernel: (_x_gradient(kept[1], kernel), _value(kept[0], kernel)),
)


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


def perturbed(h: Array, perturbation: Array | None) -> tuple[Array, Array | None]:
    """h f32[B, ..., C] times 1 + the first C numbers of a perturbation f32[B, N], channel by
    channel, and the perturbation's other numbers. None changes nothing."""
    if perturbation is None:
        return h, None
    own, rest = jnp.split(perturbation, [h.shape[-1]], axis=-1)
    return h * (1 + own.reshape(h.shape[0], *(1,) * (h.ndim - 2), -1)), rest


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
