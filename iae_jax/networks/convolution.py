"""A convolution whose derivatives are fast on CPUs, and the native one.

The value is linear in x, in the kernel and in a cotangent: one trilinear form, of which value and
gradients are the partial derivatives, and each derivative of those is one of the three again. So
the three are all that a backend has to be good at, however often they are differentiated (R1).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from iae_jax.networks import winograd
from iae_jax.types import Array

Pair = tuple[int, int]
_LAYOUT = ("NHWC", "HWIO", "NHWC")
# With fewer channels than this on a side a native convolution is slower than a product.
FEW_CHANNELS = 8
# With as many on both sides, the multiplications that minimal filtering saves take longer than its
# additions; of the value only up to this side, beyond which the tiles leave the cache.
MANY_CHANNELS = 32
MAX_FILTERED_SIDE = 16
# A kernel's gradient that sums over more positions, of all examples, leaves the cache: it is taken
# in groups of examples with half as many.
MANY_POSITIONS = 4096


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
        x, kernel, (stride, stride), "SAME", dimension_numbers=_LAYOUT
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def trilinear_convolution(x: Array, kernel: Array, stride: int) -> Array:
    """The same with derivatives of our own, for CPUs.

    There the gradient of a native convolution is up to 30 times slower than its value, and more so
    inside `lax.scan`. Each of the three is written so that nothing is computed on padding, as what
    the backend is fast at: a native convolution in the layout that it need not change, or a
    product.
    """
    return _over_seeds(partial(_value, stride=stride), joins=True)(x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _kernel_gradient(x: Array, g: Array, stride: int, size: int) -> Array:
    """k[u, v, c, f] = sum of x[b, s i + u, s j + v, c] g[b, i, j, f], x being padded."""
    one = partial(_kernel_gradient_of, stride=stride, size=size)
    return _over_seeds(one, joins=False)(x, g)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _x_gradient(g: Array, kernel: Array, stride: int, sides: Pair) -> Array:
    """x[b, s i + u, s j + v, c] = sum of g[b, i, j, f] kernel[u, v, c, f], without its padding."""
    one = partial(_x_gradient_of, stride=stride, sides=sides)
    return _over_seeds(one, joins=True)(g, kernel)


trilinear_convolution.defvjp(
    lambda x, kernel, stride: (trilinear_convolution(x, kernel, stride), (x, kernel)),
    lambda stride, kept, g: (
        _x_gradient(g, kept[1], stride, kept[0].shape[1:3]),
        _kernel_gradient(kept[0], g, stride, kept[1].shape[0]),
    ),
)
_kernel_gradient.defvjp(
    lambda x, g, stride, size: (_kernel_gradient(x, g, stride, size), (x, g)),
    lambda stride, size, kept, kernel: (
        _x_gradient(kept[1], kernel, stride, kept[0].shape[1:3]),
        trilinear_convolution(kept[0], kernel, stride),
    ),
)
_x_gradient.defvjp(
    lambda g, kernel, stride, sides: (_x_gradient(g, kernel, stride, sides), (g, kernel)),
    lambda stride, sides, kept, x: (
        trilinear_convolution(x, kept[1], stride),
        _kernel_gradient(x, kept[0], stride, kept[1].shape[0]),
    ),
)


# --------------------------------------------------------------------- each of the three, computed


def _value(x: Array, kernel: Array, stride: int) -> Array:
    """y[b, i, j, f] = sum of x[b, s i + u, s j + v, c] kernel[u, v, c, f], x being padded."""
    size, _, channels, features = kernel.shape
    if max(x.shape[1:3]) <= MAX_FILTERED_SIDE and _filters(x, size, stride, features):
        return winograd.value(x, kernel)
    if stride == 1 or channels >= FEW_CHANNELS:
        return native_convolution(x, kernel, stride)
    patches = _block_patches(x, size, stride)
    y = _rows(patches) @ _rows(_folded(kernel, stride))
    return y.reshape(*patches.shape[:3], features)


def _kernel_gradient_of(x: Array, g: Array, stride: int, size: int) -> Array:
    """With few channels on a side a product over all positions, that side spread over the taps;
    else a convolution with the examples in the place of the channels."""
    channels, features = x.shape[3], g.shape[3]
    positions = len(x) * g.shape[1] * g.shape[2]
    if positions <= MANY_POSITIONS and _filters(x, size, stride, features):
        return winograd.kernel_gradient(x, g)
    if channels < FEW_CHANNELS:
        # A product is twice as fast if the shorter side of its result is its rows.
        found = _rows(g).T @ _rows(_block_patches(x, size, stride))
        return _unfolded(found.T, size, stride, channels)
    if features < FEW_CHANNELS and stride == 1:
        padding = [_padding(side, size, stride) for side in x.shape[1:3]]
        pads = [(size - 1 - low, size - 1 - high) for low, high in padding]
        around = _patches(jnp.pad(g, ((0, 0), *pads, (0, 0))), size)
        found = (_rows(around).T @ _rows(x)).reshape(size, size, features, channels)
        return found[::-1, ::-1].transpose(0, 1, 3, 2)
    if positions <= MANY_POSITIONS:
        return _examples_as_channels(x, g, stride, size)
    groups = -(-2 * positions // MANY_POSITIONS)
    fill = ((0, -len(x) % groups), (0, 0), (0, 0), (0, 0))  # of zeros, which add nothing
    of_groups = [jnp.pad(one, fill).reshape(groups, -1, *one.shape[1:]) for one in (x, g)]

    def add(total: Array, group: list[Array]) -> tuple[Array, None]:
        return total + _examples_as_channels(group[0], group[1], stride, size), None

    return jax.lax.scan(add, jnp.zeros((size, size, channels, features), x.dtype), of_groups)[0]


def _examples_as_channels(x: Array, g: Array, stride: int, size: int) -> Array:
    """The kernel's gradient as a convolution of x with g, the examples in the place of channels."""
    padding = [_padding(side, size, stride) for side in x.shape[1:3]]
    reached = [size + (out - 1) * stride for out in g.shape[1:3]]  # of the padded side
    found = jax.lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        [
            (low, end - side - low)
            for (low, _), end, side in zip(padding, reached, x.shape[1:3], strict=True)
        ],
        rhs_dilation=(stride, stride),
        dimension_numbers=_LAYOUT,
    )
    return found.transpose(1, 2, 0, 3)


def _x_gradient_of(g: Array, kernel: Array, stride: int, sides: Pair) -> Array:
    """With stride 1 a convolution with the kernel turned around; else a product that spreads each
    position over the blocks of x that it has read."""
    size = kernel.shape[0]
    before = [_padding(side, size, stride) for side in sides]
    if stride == 1:
        turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        pads = [(size - 1 - low, size - 1 - high) for low, high in before]
        return jax.lax.conv_general_dilated(g, turned, (1, 1), pads, dimension_numbers=_LAYOUT)
    folded = _folded(kernel, stride)
    taps, inner = folded.shape[0], folded.shape[2]
    spread = _rows(g) @ _rows(folded).T
    spread = spread.reshape(*g.shape[:3], taps, taps, inner)
    blocks = sum(
        jnp.pad(spread[..., i, j, :], ((0, 0), (i, taps - 1 - i), (j, taps - 1 - j), (0, 0)))
        for i in range(taps)
        for j in range(taps)
    )
    (top, _), (left, _) = before
    x = depth_to_space(jnp.asarray(blocks), stride)
    return x[:, top : top + sides[0], left : left + sides[1]]


def _filters(x: Array, size: int, stride: int, features: int) -> bool:
    """Whether minimal filtering may compute it: in 16 bits its sums would lose digits."""
    many = min(x.shape[3], features) >= MANY_CHANNELS
    return size == 3 and stride == 1 and many and x.dtype.itemsize >= 4


def _padding(side: int, size: int, stride: int) -> Pair:
    """SAME's, before and after."""
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    return total // 2, total - total // 2


def _folded(kernel: Array, stride: int) -> Array:
    """f32[k, k, C, F] -> f32[t, t, s*s*C, F] of t = k/s taps, rounded up: the kernel of the same
    convolution over blocks."""
    size, _, channels, features = kernel.shape
    taps = -(-size // stride)
    fill = (0, taps * stride - size)
    kernel = jnp.pad(kernel, (fill, fill, (0, 0), (0, 0)))
    kernel = kernel.reshape(taps, stride, taps, stride, channels, features)
    return kernel.transpose(0, 2, 1, 3, 4, 5).reshape(taps, taps, -1, features)


def _unfolded(kernel: Array, size: int, stride: int, channels: int) -> Array:
    """f32[t*t*s*s*C, F] -> f32[k, k, C, F], the inverse of `_folded`."""
    taps = -(-size // stride)
    kernel = kernel.reshape(taps, taps, stride, stride, channels, -1).transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(taps * stride, taps * stride, channels, -1)[:size, :size]


def _block_patches(x: Array, size: int, stride: int) -> Array:
    """f32[B, H, W, C] -> f32[B, H/s, W/s, t*t*s*s*C]: what a `_folded` kernel is multiplied with at
    each position. The stride goes to the channels, which leaves few taps."""
    taps, pads = -(-size // stride), []
    for side in x.shape[1:3]:
        out, before = -(-side // stride), _padding(side, size, stride)[0]
        pads.append((before, (out - 1 + taps) * stride - side - before))
    return _patches(space_to_depth(jnp.pad(x, ((0, 0), *pads, (0, 0))), stride), taps)


def _patches(x: Array, size: int) -> Array:
    """f32[B, H, W, C] -> f32[B, H - k + 1, W - k + 1, k * k * C]."""
    h, w = x.shape[1] - size + 1, x.shape[2] - size + 1
    slices = [x[:, i : i + h, j : j + w] for i in range(size) for j in range(size)]
    return jnp.concatenate(slices, axis=-1)


def _rows(x: Array) -> Array:
    """f32[..., C] -> f32[N, C]."""
    return x.reshape(-1, x.shape[-1])


# ---------------------------------------------------------------------------------- several at once


def _over_seeds(
    function: Callable[[Array, Array], Array], joins: bool
) -> Callable[[Array, Array], Array]:
    """The function with a rule for vmap, which would make a grouped convolution of it, the
    slowest kind on a CPU: one seed after the other; and where only the first argument differs, and
    `joins`, as further examples."""
    call = custom_vmap(function)

    @call.def_vmap
    def rule(count: int, batched: list[bool], *given: Array) -> tuple[Array, bool]:
        if joins and not batched[1]:
            found = call(given[0].reshape(-1, *given[0].shape[2:]), given[1])
            return found.reshape(count, -1, *found.shape[1:]), True
        whole = [
            one if own else jnp.broadcast_to(one, (count, *one.shape))
            for one, own in zip(given, batched, strict=True)
        ]
        return jax.lax.map(lambda own: call(*own), tuple(whole)), True

    return call
