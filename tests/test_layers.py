"""Layers, against Flax and examples by hand."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.networks.layers import LayerNorm
from iae_jax.networks.residual import SHARE, Down, Up, doubled, halved


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def test_layer_norm_is_flax():
    """Value, gradients, and the gradient of a squared gradient; also of two seeds at once."""
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

            each = [jax.value_and_grad(f, (0, 1)) for f in (loss, penalty)]
            several = {"params": jax.tree.map(lambda p: jnp.stack([p, 2 - p]), params["params"])}
            return [
                (with_gradient(params, x), jax.vmap(with_gradient, (0, None))(several, x))
                for with_gradient in each
            ]

        own, flax = everything(LayerNorm()), everything(nn.LayerNorm(use_fast_variance=False))
        chex.assert_trees_all_close(own, flax, rtol=1e-9)


def test_halved_and_doubled_by_hand():
    image = jnp.array([[0, 2, 4, 6], [2, 4, 0, 2.0]])[None, :, :, None]
    np.testing.assert_array_equal(halved(image)[0, :, :, 0], [[2, 3]])
    found = doubled(image[:, :1, :2])[0, :, :, 0]
    np.testing.assert_array_equal(found, [[0, 0, 2, 2], [0, 0, 2, 2]])


@pytest.mark.heavy
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
