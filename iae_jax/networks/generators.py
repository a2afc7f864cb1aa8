"""Generators: p(x|z), implicit or with a likelihood."""

from typing import NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.networks.conv import halvings
from iae_jax.networks.layouts import IMAGE_KINDS, Layout, check_layout, computed
from iae_jax.types import Array, Code, Generator, Params

LIKELIHOODS = ("none", "bernoulli", "gaussian")
NOISE_AT = ("input", "depth")
VALUES = ("unit", "real")


class Likelihood(NamedTuple):
    """The density of p(x|z). kind: "none" (implicit), "bernoulli" or "gaussian". deviation: SD of
    each value of x under a Gaussian."""

    kind: str = "none"
    deviation: float = 0.1


class _Generator(nn.Module):
    layout: Layout
    shape: tuple[int, ...]
    noise_at: str

    @nn.compact
    def __call__(self, vector: Array | None, category: Array | None, noise: Array) -> Array:
        z = Code(vector, category).numbers
        if self.noise_at == "input":
            return self.layout.body(self.shape)(jnp.concatenate([z, noise], axis=-1))
        return self.layout.body(self.shape)(z, noise)


def generator(
    layout: Layout,
    shape: tuple[int, ...],
    size: int,
    categories: int = 0,
    noise: int = 0,
    noise_at: str = "input",
    likelihood: str | Likelihood = "none",
    values: str = "unit",
) -> Generator:
    """p(x|z) for x f32[B, *shape].

    Args:
      layout: the layers.
      shape: of one x.
      size: components of the code's vector, or 0.
      categories: of the code, or 0.
      noise: components of the local code.
      noise_at: where the local code enters, "input" (beside z) or "depth" (it modulates every
        level).
      likelihood: a Likelihood, or its kind.
      values: "unit" if x is in [0, 1], "real" if it is any number.

    Raises:
      InputError: an unknown name, a likelihood that such values do not have, or a local code at
        depth where the network has no level.
    """
    check_layout(layout, shape, "generator")
    kind, deviation = Likelihood(likelihood) if isinstance(likelihood, str) else likelihood
    for name, value, allowed in (
        ("likelihood", kind, LIKELIHOODS),
        ("noise_at", noise_at, NOISE_AT),
        ("values", values, VALUES),
    ):
        if value not in allowed:
            raise InputError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    without_levels = layout.kind in IMAGE_KINDS and not halvings(min(shape[:2]))
    if noise and noise_at == "depth" and without_levels:
        raise InputError(
            f"a local code at depth modulates the levels of a {layout.kind} network, and of "
            f"{shape[0]}x{shape[1]} it has none: set generator.noise_at=input, or network.kind=mlp"
        )
    if kind == "bernoulli" and values != "unit":
        raise InputError("a bernoulli likelihood is of x in [0, 1]: use likelihood=gaussian")
    module = _Generator(layout, shape, noise_at)
    compute = computed(layout, module)
    squash = nn.sigmoid if values == "unit" else lambda logits: logits

    def init(key: Array) -> Params:
        vector = jnp.zeros((1, size)) if size else None
        category = jnp.zeros((1, categories)) if categories else None
        return module.init(key, vector, category, jnp.zeros((1, noise)))

    def logits(params: Params, z: Code, local: Array) -> Array:
        for part, width in ((z.vector, size), (z.category, categories)):
            if part is not None:
                chex.assert_shape(part, (local.shape[0], width))
        out: Array = compute(params, z.vector, z.category, local)
        return out

    def sample(params: Params, z: Code, local: Array) -> Array:
        chex.assert_shape(local, (None, noise))
        return squash(logits(params, z, local))

    def mean(params: Params, z: Code) -> Array:
        some = z.category if z.vector is None else z.vector
        assert some is not None
        return sample(params, z, jnp.zeros((some.shape[0], 0)))

    def log_likelihood(params: Params, z: Code, x: Array) -> Array:
        chex.assert_shape(x, (None, *shape))
        out = logits(params, z, jnp.zeros((x.shape[0], 0)))
        if kind == "bernoulli":
            each = -optax.sigmoid_binary_cross_entropy(out, x)
        else:
            each = jax.scipy.stats.norm.logpdf(x, squash(out), deviation)
        return jnp.sum(each.reshape(x.shape[0], -1), axis=-1)

    def draw(params: Params, z: Code, key: Array) -> Array:
        expected = mean(params, z)
        if kind == "bernoulli":
            return jax.random.bernoulli(key, expected).astype(expected.dtype)
        return expected + deviation * jax.random.normal(key, expected.shape)

    if kind == "none":
        return Generator(init, sample, noise)
    return Generator(init, sample, noise, log_likelihood, mean, factorized=True, draw=draw)
