"""Encoders: q(z|x), deterministic, Gaussian or implicit."""

import math
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.networks.layers import LayerNorm, perturbed, standardize
from iae_jax.networks.layouts import Layout, check_layout, computed
from iae_jax.networks.weight_norm import WeightNorm
from iae_jax.types import Array, Encoder, Encoding, Params

KINDS = ("deterministic", "gaussian", "implicit")
MAX_LOG_VARIANCE = 10.0  # of a Gaussian q(z|x); the minimum is its negative


class Perturbation(NamedTuple):
    """What an encoder's layers are changed by in training.

    pixel_noise: SD of the Gaussian noise that is added to each value of x.
    dropout: SD of the factor around 1 that multiplies each channel of every layer: Gaussian dropout
        (Srivastava et al. 2014).
    unit_noise: SD of the noise that is added to each unit of every layer. Layers are scaled to a
        mean square of 1 before, in training or not.
    """

    pixel_noise: float = 0.0
    dropout: float = 0.0
    unit_noise: float = 0.0


UNPERTURBED = Perturbation()


class _Encoder(nn.Module):
    layout: Layout
    size: int
    categories: int
    gaussian: bool
    noisy: bool

    @nn.compact
    def __call__(self, x: Array, noise: Array, perturbation: Array | None) -> Encoding:
        read = None if self.gaussian else noise
        h = features = self._normalized(self.layout.trunk(self.noisy)(x, read, perturbation))
        if perturbation is not None:
            h, _ = perturbed(h, perturbation[:, -self.layout.hidden :], self.noisy)
        dense: Any = WeightNorm if self.layout.normalizes_weights else nn.Dense
        logits = dense(self.categories)(h) if self.categories else None
        if not self.size:
            return Encoding(logits=logits, features=features)
        mean = dense(self.size)(h)
        if not self.gaussian:
            return Encoding(vector=mean, logits=logits, features=features)
        log_variance = jnp.clip(dense(self.size)(h), -MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)
        vector = mean + jnp.exp(0.5 * log_variance) * noise
        return Encoding(vector, mean, log_variance, logits, features)

    def _normalized(self, h: Array) -> Array:
        """So that codes have unit scale from the first step: a discriminator under R1 hardly
        distinguishes codes that start near 0, and the generator then learns to ignore them."""
        if self.layout.normalizes_weights:
            return h
        # A gain would outgrow what is added.
        return standardize(h) if self.noisy else LayerNorm()(h)


def _log_density(noise: Array, log_variance: Array) -> Array:
    """log N(z; mean, variance) of z = mean + SD * noise, in nats: f32[B].

    From the noise, not from z - mean: a difference of two rounded numbers, divided by a small SD.
    """
    each = jax.scipy.stats.norm.logpdf(noise) - 0.5 * log_variance
    return jnp.sum(each, axis=-1)


def encoder(
    layout: Layout,
    shape: tuple[int, ...],
    kind: str,
    size: int,
    categories: int = 0,
    noise: int = 0,
    perturbation: Perturbation = UNPERTURBED,
) -> Encoder:
    """q(z|x) for x f32[B, *shape].

    Args:
      layout: the layers.
      shape: of one x.
      kind: "deterministic", "gaussian" (factorized, with a density) or "implicit" (reads noise;
        its density is unknown).
      size: components of the code's vector, or 0.
      categories: of the code, or 0.
      noise: components of noise that an implicit encoder reads.
      perturbation: in training.

    Raises:
      InputError: an unknown kind, sizes that contradict it, or both dropout and unit noise.
    """
    check_layout(layout, shape)
    if kind not in KINDS:
        raise InputError(f"an encoder is deterministic, gaussian or implicit, not {kind!r}")
    if kind == "implicit" and noise < 1:
        raise InputError("an implicit encoder reads noise: set encoder.noise or kind=deterministic")
    if kind != "implicit" and noise:
        raise InputError(f"a {kind} encoder reads no noise: set encoder.noise=0, or kind=implicit")
    if not size and not categories:
        raise InputError("the code has neither a size nor categories: give it one of them")
    pixel_noise, dropout, unit_noise = perturbation
    if dropout and unit_noise:
        raise InputError("noise is added to units or multiplied: set dropout or unit_noise to 0")
    gaussian = kind == "gaussian" and size > 0
    noise = size if gaussian else noise
    module = _Encoder(layout, size, categories, gaussian, unit_noise > 0)
    values = math.prod(shape) if pixel_noise else 0
    layers = layout.perturbable(shape)
    numbers = sum(layer[-1] for layer in layers) if dropout else 0
    numbers += sum(math.prod(layer) for layer in layers) if unit_noise else 0
    deviation = dropout or unit_noise

    def init(key: Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape)), jnp.zeros((1, noise)), None)

    def start(key: Array, x: Array, drawn: Array) -> Params:
        return module.init(key, *parts(x, drawn))

    def parts(x: Array, drawn: Array) -> tuple[Array, Array, Array | None]:
        """What the module reads."""
        chex.assert_shape(x, (None, *shape))
        chex.assert_shape(drawn, (x.shape[0], noise + values + numbers))
        own, pixels, changes = jnp.split(drawn, [noise, noise + values], axis=-1)
        if values:
            x = x + pixel_noise * pixels.reshape(x.shape)
        return x, own, deviation * changes if numbers else None

    compute = computed(layout, module)

    def apply(params: Params, x: Array, drawn: Array) -> Encoding:
        x, own, changes = parts(x, drawn)
        encoding: Encoding = compute(params, x, own, changes)
        if encoding.log_variance is None:
            return encoding
        return encoding._replace(log_density=_log_density(own, encoding.log_variance))

    factorized = gaussian or (not size and kind != "implicit")
    starts = start if layout.normalizes_weights else None
    return Encoder(init, apply, noise, factorized, values + numbers, start=starts)
