"""Layers, against the backend's own convolution, Flax and examples by hand."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.networks.layers import (
    LayerNorm,
    depth_to_space,
    native_convolution,
    space_to_depth,
    trilinear_convolution,
)
from iae_jax.networks.residual import SHARE, Down, Up, doubled, halved


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def convolved(convolution, x, kernel, stride):
    """Value, both gradients, and second derivatives through either, of which R1 takes one."""

    def loss(x, kernel):
        out = convolution(x, kernel, stride)
        return jnp.sum(jnp.sin(out) * jnp.arange(out.size).reshape(out.shape)) / out.size

    def penalty(x, kernel):
        of_x, of_kernel = jax.grad(loss, (0, 1))(x, kernel)
        return jnp.sum(of_x**2) + jnp.sum(jnp.cos(of_kernel))

    def everything(x, kernel):
        first, second = (jax.grad(f, (0, 1))(x, kernel) for f in (loss, penalty))
        return convolution(x, kernel, stride), first, second

    return jax.jit(everything)(x, kernel)


@pytest.mark.parametrize("sides", [(6, 7), (9, 4)], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_trilinear_convolution_is_the_native_one(size, stride, sides):
    with jax.enable_x64(True):
        x, kernel = normal(0, 2, *sides, 3), normal(1, size, size, 3, 2)
        found = convolved(trilinear_convolution, x, kernel, stride)
        expected = convolved(native_convolution, x, kernel, stride)
        chex.assert_trees_all_close(found, expected, rtol=1e-9, atol=1e-9)


def test_layer_norm_is_flax():
    """Value, gradients, and the gradient of a squared gradient."""
    with jax.enable_x64(True):
        x = 3 * normal(0, 2, 3, 5) + 1
        params = {"params": {"scale": normal(1, 5), "bias": normal(2, 5)}}
        weight = jnp.arange(30.0).reshape(2, 3, 5)

        def everything(module):
            def loss(params, x):
                return jnp.sum(weight * jnp.sin(module.apply(params, x)))

            def penalty(params, x):
                gradients = jax.tree.leaves(jax.grad(loss, (0, 1))(params, x))
                return sum(jnp.sum(g**2) for g in gradients)

            return [jax.value_and_grad(f, (0, 1))(params, x) for f in (loss, penalty)]

        own, flax = everything(LayerNorm()), everything(nn.LayerNorm(use_fast_variance=False))
        chex.assert_trees_all_close(own, flax, rtol=1e-9)


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


def test_halved_and_doubled_by_hand():
    image = jnp.array([[0, 2, 4, 6], [2, 4, 0, 2.0]])[None, :, :, None]
    np.testing.assert_array_equal(halved(image)[0, :, :, 0], [[2, 3]])
    found = doubled(image[:, :1, :2])[0, :, :, 0]
    np.testing.assert_array_equal(found, [[0, 0, 2, 2], [0, 0, 2, 2]])


def test_a_residual_block_is_a_sum():
    """With the last convolution at zero only the shortcut is left, a linear map of each pixel."""
    x, style = normal(1, 3, 4, 6, 5), normal(2, 3, 7)
    for block, given, resized in ((Down(2), (x,), halved(x)), (Up(2, 8), (x, style), doubled(x))):
        params = block.init(jax.random.key(0), *given)["params"]
        params["Conv_1"] = jax.tree.map(jnp.zeros_like, params["Conv_1"])
        params["Dense_0"]["bias"] = jnp.asarray([3.0, -2.0])
        expected = np.asarray(resized) @ np.asarray(params["Dense_0"]["kernel"]) + [3.0, -2.0]
        np.testing.assert_allclose(
            block.apply({"params": params}, *given), expected * np.sqrt(0.5), atol=1e-5
        )
    assert pytest.approx(1) == 2 * SHARE**2  # of two parts of variance one
