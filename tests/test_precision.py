"""Networks in bfloat16, and that a network is traced once."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from test_networks import MLP, B, D, N, layout, normal

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.types import Code


@pytest.mark.parametrize("precision", networks.layouts.PRECISIONS)
def test_a_network_is_traced_once_for_all_arrays_of_a_shape(precision):
    """Also where it is differentiated: starting a run again is mostly tracing."""
    discriminator = networks.discriminator(MLP._replace(precision=precision), (2,), ("x",))
    params = discriminator.init(jax.random.key(0))
    traced = []

    def count(function, arguments, keywords, context):
        if isinstance(context.module, networks.mlp.Trunk):
            traced.append(arguments[0].shape)
        return function(*arguments, **keywords)

    def loss(params, x):
        return (
            discriminator.apply(params, x, None) - discriminator.apply(params, 2 * x, None)
        ).sum()

    with nn.intercept_methods(count):
        for batch in (B, B + 1):
            jax.make_jaxpr(jax.grad(loss))(params, jnp.ones((batch, 2)))
            jax.make_jaxpr(loss)(params, jnp.ones((batch, 2)))
    assert [shape[0] for shape in traced] == [B, B + 1]


@pytest.mark.heavy
@pytest.mark.parametrize(
    "kind, shape", [("conv", (8, 8, 1)), ("mlp", (2,)), ("residual", (8, 8, 3))]
)
def test_bfloat16_computes_the_same_to_two_digits(kind, shape):
    """From and to float32: values near, not equal, and gradients for float32 parameters."""
    whole = layout(shape)._replace(kind=kind)
    half = whole._replace(precision="bfloat16")
    x, z = normal(1, 64, *shape), Code(vector=normal(2, 64, D))
    noise = normal(3, 64, N)

    def outputs(layout):
        encoder = networks.encoder(layout, shape, "implicit", D, noise=N)
        generator = networks.generator(layout, shape, D, noise=N)
        discriminator = networks.discriminator(layout, shape, ("x", "z"), D)
        params = [
            jax.jit(player.init)(jax.random.key(i))
            for i, player in enumerate((encoder, generator, discriminator))
        ]

        def total(params):
            found = (
                encoder.apply(params[0], x, noise).vector,
                generator.sample(params[1], z, noise),
                discriminator.apply(params[2], x, z.vector),
            )
            return sum(jnp.sum(y**2) for y in found), found

        gradients, found = jax.jit(jax.grad(total, has_aux=True))(params)
        return params, found, gradients

    (_, exact, _), (params, near, gradients) = outputs(whole), outputs(half)
    for a, b in zip(exact, near, strict=True):
        assert b.dtype == jnp.float32
        error = float(jnp.sqrt(jnp.mean((a - b) ** 2) / jnp.mean(a**2)))
        assert 1e-5 < error < 0.03
    chex.assert_trees_all_equal_shapes_and_dtypes(params, gradients)
    assert all(bool(jnp.all(jnp.isfinite(g))) for g in jax.tree.leaves(gradients))


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision is float32 or bfloat16, not 'half'"):
        networks.generator(MLP._replace(precision="half"), (2,), D)
