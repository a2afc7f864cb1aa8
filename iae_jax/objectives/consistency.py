"""Consistency: the auxiliary loss that an image and a changed image have the same code."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from iae_jax.objectives.weights import Weight
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import uniform
from iae_jax.types import Array, Encoding, Section

VAT_PROBE = 0.1  # length of the step at which the worst direction is searched


def distance(own: Encoding, changed: Encoding) -> Array:
    """Distance of a changed image's code from the image's own, which is a target without gradient:
    f32[B]. Of a category KL(own || changed); of a vector half the squared distance, the KL of
    Gaussians of unit variance around them."""
    found = jnp.zeros(())
    if own.vector is not None and changed.vector is not None:
        off = changed.vector - jax.lax.stop_gradient(own.vector)
        found += 0.5 * jnp.sum(jnp.square(off), axis=-1)
    if own.logits is not None and changed.logits is not None:
        target = jax.lax.stop_gradient(jax.nn.log_softmax(own.logits))
        log_q = jax.nn.log_softmax(changed.logits)
        found += jnp.sum(jnp.exp(target) * (target - log_q), axis=-1)
    return found


def worst_change(
    encode: Callable[[Array], Encoding], x: Array, own: Encoding, start: Array, radius: float
) -> Array:
    """The change of length `radius` that moves the code of x farthest from `own` (Miyato et al.
    2018, virtual adversarial training): one power iteration from `start` on the Hessian of
    `distance` where `own` is the code of x; of an image that was changed before, a step up the
    slope of `distance`. x, start: f32[B, ...]. Returns f32[B, ...], without gradient."""

    def unit(r: Array) -> Array:
        length = jnp.sqrt(jnp.sum(jnp.square(r), axis=range(1, r.ndim), keepdims=True))
        return r / jnp.maximum(length, 1e-12)

    slope = jax.grad(lambda r: jnp.sum(distance(own, encode(x + r))))(VAT_PROBE * unit(start))
    return jax.lax.stop_gradient(radius * unit(slope))


def changed_encoding(draws: Draws) -> Encoding:
    """q(z|x) of a changed x, by an encoder as it is in training."""
    change, x = draws.augment, draws.x
    numbers = draws.noise("augment", uniform(change.noise))
    changed = change.apply(x, numbers, draws.step)
    if change.vat_radius:
        start = numbers[:, -math.prod(x.shape[1:]) :].reshape(x.shape)
        # Read here: nothing is drawn for the first time inside of a gradient.
        noise = draws.encoder_noise()
        changed += worst_change(
            lambda x: draws.encoded(draws.params.encoder, x, noise),
            changed, draws.encoding, start, change.vat_radius,
        )  # fmt: skip
    return draws.encode(changed, perturbed=True)


def teacher_encoding(draws: Draws) -> Encoding:
    """q(z|x) by the averaged encoder."""
    return draws.encode(draws.x, params=draws.ema)


@dataclass
class Consistency(Section):
    """How far the code of a changed image is from that of x, see `distance`: of a category the
    cross entropy of Hu et al. 2017 (IMSAT) less its constant. A vector needs `MarginalKL` beside
    it, without which all codes would be one.

    teacher: the code of x is the averaged encoder's (Tarvainen and Valpola 2017). Images change
    within the bounds of the config's `affine`.
    """

    weight: Weight = field(default_factory=Weight)
    teacher: bool = False

    name = "augmentation_consistency"

    def loss(self, draws: Draws) -> Array:
        own = draws.of(teacher_encoding) if self.teacher else draws.encoding
        return distance(own, draws.of(changed_encoding))
