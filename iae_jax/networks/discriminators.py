"""Discriminators: T(x, z), T(x) and T(z), logits of a density ratio."""

from collections.abc import Sequence

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.networks.layers import leaky
from iae_jax.networks.layouts import Layout, check_layout, computed
from iae_jax.types import Array, Discriminator, Params


class _Discriminator(nn.Module):
    layout: Layout
    outputs: int

    @nn.compact
    def __call__(self, x: Array | None, vector: Array | None) -> Array:
        hidden = self.layout.hidden
        if x is None and vector is None:  # a category alone: one logit each
            return self.param("logits", nn.initializers.zeros, (1, self.outputs))
        if x is None:
            h = leaky(nn.Dense(hidden)(leaky(nn.Dense(hidden)(vector))))
        elif vector is None:
            h = leaky(nn.Dense(hidden)(self.layout.trunk()(x)))
        else:
            # z enters twice, added and as a gate: whether x and z match is a matter of products.
            h = nn.Dense(hidden)(self.layout.trunk()(x))
            e = nn.Dense(hidden)(leaky(nn.Dense(hidden)(vector)))
            h = jnp.concatenate([leaky(h + e), leaky(h) * jnp.tanh(e)], axis=-1)
            h = leaky(nn.Dense(hidden)(h))
        return nn.Dense(self.outputs)(h)


def discriminator(
    layout: Layout,
    shape: tuple[int, ...],
    reads: tuple[str, ...],
    size: int = 0,
    categories: int = 0,
) -> Discriminator:
    """T(x, z), T(x) or T(z) by what it reads; one logit for each category if it reads a code.

    Args:
      layout: the layers.
      shape: of one x.
      reads: ("x",), ("z",) or ("x", "z").
      size: components of the code's vector, or 0.
      categories: of the code, or 0.

    Raises:
      InputError: it reads anything else.
    """
    check_layout(layout, shape, "discriminator")
    if reads not in (("x",), ("z",), ("x", "z")):
        raise InputError(f"a discriminator reads x, z or x and z, not {reads!r}")
    module = _Discriminator(layout, categories if categories and "z" in reads else 1)

    def init(key: Array) -> Params:
        x = jnp.zeros((1, *shape)) if "x" in reads else None
        vector = jnp.zeros((1, size)) if "z" in reads and size else None
        return module.init(key, x, vector)

    compute = computed(layout, module)

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        if x is not None:
            chex.assert_shape(x, (None, *shape))
        if vector is not None:
            chex.assert_shape(vector, (None, size))
        if x is not None and vector is not None:
            chex.assert_equal_shape_prefix([x, vector], 1)
        logits: Array = compute(params, x, vector)
        return logits

    return Discriminator(init, apply, reads)


def with_heads(heads: Sequence[Discriminator]) -> Discriminator:
    """Discriminators as one player, for a term of several pairings: each a head."""

    def init(key: Array) -> Params:
        keys = jax.random.split(key, len(heads))
        return [head.init(own) for head, own in zip(heads, keys, strict=True)]

    def apply(params: Params, x: Array | None, vector: Array | None, head: int = 0) -> Array:
        own = heads[head]
        x, vector = (x if "x" in own.reads else None), (vector if "z" in own.reads else None)
        return own.apply(params[head], x, vector)

    each = tuple(tuple(head.reads) for head in heads)
    reads = tuple(name for name in ("x", "z") if any(name in one for one in each))
    return Discriminator(init, apply, reads, each)


def with_quadratic(base: Discriminator) -> Discriminator:
    """T(x, z) + |z|^2 / 2, for a denominator whose code is N(0, I).

    log q(z|x) - log p(z) grows at this rate where q(z|x) has little mass, so a network need not
    learn it (Mescheder et al. 2017 do the same in their experiments).
    """

    def apply(params: Params, x: Array | None, vector: Array | None) -> Array:
        assert vector is not None
        quadratic = 0.5 * jnp.sum(jnp.square(vector), axis=-1, keepdims=True)
        return base.apply(params, x, vector) + quadratic

    return base._replace(apply=apply)
