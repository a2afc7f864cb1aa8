"""Adaptive contrast: the joint code's divergence with most of it in closed form (Mescheder et al.
2017, section 3.3)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.adversarial import JOINT_CODE, Adversary, Pairing, Penalty, Side
from iae_jax.objectives.scoring import KL
from iae_jax.objectives.terms import Discriminate, Term, TermOutput
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import normal
from iae_jax.types import Array, Code

# Draws of q(z|x) for its moments: the deviation is then known to an eighth, and the discriminator
# learns the rest.
DRAWS_FOR_MOMENTS = 32


class Moments(NamedTuple):
    """Of q(z|x), estimated from several draws. mean, deviation: f32[B, D], without gradient."""

    mean: Array
    deviation: Array


def moments(draws: Draws) -> Moments:
    """Mean and deviation of q(z|x) for each x. What they standardize must not depend on them
    through the players, so that no gradient passes."""
    encoder = draws.encoder
    if not encoder.noise:
        raise InputError(
            "standardizes q(z|x) by its own deviation and the encoder is deterministic: give the "
            "encoder noise"
        )

    def numbers(key: Array) -> Array:
        own = normal(encoder.noise)
        drawn = jax.vmap(lambda index: own(jax.random.fold_in(key, index)))(
            jnp.arange(DRAWS_FOR_MOMENTS)
        )
        return jnp.pad(drawn, ((0, 0), (0, encoder.perturbations)))

    noise = jnp.moveaxis(draws.noise("moments", numbers), 1, 0)
    many = jax.vmap(lambda one: draws.encoded(draws.params.encoder, draws.x, one).vector)(noise)
    assert many is not None
    z = jax.lax.stop_gradient(many)
    # The constant keeps a deterministic encoder from dividing by zero.
    return Moments(jnp.mean(z, axis=0), jnp.std(z, axis=0, ddof=1) + 1e-4)


def standardized(draws: Draws) -> Code:
    """(z - m) / s with q(z|x)'s own mean and deviation."""
    prior = draws.prior
    if not prior.standard_normal or prior.categories:
        raise InputError(
            "contrasts a vector code with N(0, I) and the prior is another: use a gaussian prior, "
            "or joint_code for the regularization"
        )
    mean, deviation = draws.of(moments)
    assert draws.z.vector is not None
    return Code(vector=(draws.z.vector - mean) / deviation)


def adaptive_contrast(penalties: tuple[Penalty, ...] = ()) -> Term:
    """KL(q(z,x) || p(z) p_data(x)), where the discriminator only has to tell the standardized code
    from N(0, I), and the rest is in closed form (Mescheder et al. 2017, section 3.3).

    With r(z|x) the Gaussian of q's own mean m and deviation s, KL(q || p) = KL(q || r) +
    E_q[log r - log p]; the first is the discriminator's, on (x, (z - m) / s) against (x, N(0, I)).
    """
    pairing = Pairing(
        "adaptive_contrast",
        lambda draws: Side(draws.x, draws.of(standardized)),
        JOINT_CODE.denominator,
        JOINT_CODE.reads,
    )
    inner = Adversary(KL, penalties)(pairing)

    def loss(draws: Draws, discriminate: Discriminate | None) -> TermOutput:
        output = inner.loss(draws, discriminate)
        z, own = draws.z.vector, draws.of(standardized).vector
        assert z is not None and own is not None
        known = jnp.sum(0.5 * (z**2 - own**2) - jnp.log(draws.of(moments).deviation), axis=-1)
        return output._replace(autoencoder=output.autoencoder + known)

    return inner._replace(loss=loss)
