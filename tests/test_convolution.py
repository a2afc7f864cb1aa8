"""The convolution with derivatives of our own, against the backend's own one."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.networks import convolution
from iae_jax.networks.convolution import (
    FEW_CHANNELS,
    MANY_CHANNELS,
    depth_to_space,
    native_convolution,
    space_to_depth,
    trilinear_convolution,
)
from iae_jax.networks.layers import Conv


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def everything(convolution, stride):
    """Of x and kernel: value, both gradients, and second derivatives through either, of which R1
    takes one."""

    def loss(x, kernel):
        out = convolution(x, kernel, stride)
        return jnp.sum(jnp.sin(out) * jnp.arange(out.size).reshape(out.shape)) / out.size

    def penalty(x, kernel):
        of_x, of_kernel = jax.grad(loss, (0, 1))(x, kernel)
        return jnp.sum(of_x**2) + jnp.sum(jnp.cos(of_kernel))

    def values(x, kernel):
        first, second = (jax.grad(f, (0, 1))(x, kernel) for f in (loss, penalty))
        return convolution(x, kernel, stride), first, second

    return values


MANY = FEW_CHANNELS
CASES = (
    [
        (size, stride, sides, channels)
        for size in (1, 2, 3, 4, 5)
        for stride in (1, 2, 3)
        for sides, channels in (((6, 7), (3, 2)), ((9, 4), (2, MANY)))
    ]
    + [
        (size, stride, (9, 4), channels)
        for size in (3, 4)
        for stride in (1, 2)
        for channels in ((MANY, 2), (MANY, MANY))
    ]
    + [(3, 1, sides, (MANY_CHANNELS, MANY_CHANNELS + 1)) for sides in ((6, 7), (5, 4))]
)


@pytest.mark.heavy
@pytest.mark.parametrize("size, stride, sides, channels", CASES, ids=str)
def test_every_derivative_is_the_native_one(size, stride, sides, channels):
    """channels: of x and of the value; with few on a side other forms are computed."""
    with jax.enable_x64(True):
        x, kernel = normal(0, 2, *sides, channels[0]), normal(1, size, size, *channels)
        found, expected = (
            jax.jit(everything(one, stride))(x, kernel)
            for one in (trilinear_convolution, native_convolution)
        )
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("stride, channels", [(1, (MANY_CHANNELS, MANY_CHANNELS)), (2, (MANY, 9))])
def test_a_kernel_gradient_in_groups_of_examples_is_the_native_one(monkeypatch, stride, channels):
    """Five examples in two to six groups, the last of which is filled."""
    monkeypatch.setattr(convolution, "MANY_POSITIONS", 50)
    with jax.enable_x64(True):
        x, kernel = normal(0, 5, 6, 5, channels[0]), normal(1, 3, 3, *channels)
        found, expected = (
            jax.jit(everything(one, stride))(x, kernel)
            for one in (trilinear_convolution, native_convolution)
        )
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.heavy
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=str)
@pytest.mark.parametrize(
    "size, stride, channels",
    [
        (4, 1, (3, 2)),
        (4, 2, (3, 2)),
        (4, 2, (FEW_CHANNELS, 2)),
        (3, 1, (MANY_CHANNELS, MANY_CHANNELS + 1)),
    ],
    ids=str,
)
def test_every_derivative_is_the_native_one_for_several_seeds(
    monkeypatch, axes, size, stride, channels
):
    """Of images, kernels or both of their own; kernel gradients in groups; and in a scan."""
    monkeypatch.setattr(convolution, "MANY_POSITIONS", 50)
    with jax.enable_x64(True):
        x, kernel = normal(0, 3, 2, 6, 7, channels[0]), normal(1, 3, size, size, *channels)
        given = [one if axis == 0 else one[0] for one, axis in zip((x, kernel), axes, strict=True)]

        def values(convolution):
            several = jax.vmap(everything(convolution, stride), in_axes=axes)

            def body(count, _):
                return count + 1, several(*given)

            return jax.jit(lambda: jax.lax.scan(body, 0, None, length=2)[1])()

        found, expected = values(trilinear_convolution), values(native_convolution)
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_layer_is_flax_on_every_platform(monkeypatch, backend, stride):
    """What would run on a GPU is traced here, and runs here."""
    traced = []
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    own = Conv(5, size=3, stride=stride)
    flax = nn.Conv(5, (3, 3), stride)
    x = normal(0, 2, 6, 7, 3)
    params = own.init(jax.random.key(1), x)
    params["params"]["bias"] = jnp.arange(5.0)

    def loss(module):
        return lambda params, x: jnp.sum(jnp.sin(module.apply(params, x)))

    for module in (own, flax):
        traced.append(str(jax.make_jaxpr(loss(module))(params, x)))
    found, expected = (jax.value_and_grad(loss(one), (0, 1))(params, x) for one in (own, flax))
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-5)
    assert ("custom_vjp" in traced[0]) == (backend == "cpu") and "custom_vjp" not in traced[1]


def test_space_to_depth_by_hand():
    image = jnp.arange(24).reshape(1, 4, 6, 1)  # rows of 6
    found = space_to_depth(image, 2)
    expected = [
        [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]],
        [[12, 13, 18, 19], [14, 15, 20, 21], [16, 17, 22, 23]],
    ]
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(depth_to_space(jnp.array([expected])), image)
    two_channels = jnp.stack([image[..., 0], 100 + image[..., 0]], axis=-1)
    np.testing.assert_array_equal(
        space_to_depth(two_channels, 2)[0, 0, 1], [2, 102, 3, 103, 8, 108, 9, 109]
    )


@pytest.mark.parametrize("stride", [2, 3])
def test_depth_to_space_is_the_inverse(stride):
    x = normal(0, 2, 6, 12, 5)
    np.testing.assert_array_equal(depth_to_space(space_to_depth(x, stride), stride), x)
    deep = normal(1, 2, 3, 4, 2 * stride**2)
    np.testing.assert_array_equal(space_to_depth(depth_to_space(deep, stride), stride), deep)
