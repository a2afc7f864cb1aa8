"""The Hamiltonian posterior: leapfrog steps towards p(z|x), from a Gaussian q(z|x)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.types import Array, Encoder, Encoding, Energy, Params

MAX_STEPS = 100  # each is a gradient of the generator
MAX_STEP = 0.5
FIRST_STEP = 0.1
FIRST_TEMPERATURE = 1.5


def leapfrog(
    slope: Callable[[Array], Array], step: Array, z: Array, momentum: Array, pull: Array
) -> tuple[Array, Array, Array]:
    """One step of Hamilton's equations: it keeps volume, and with the momentum's sign changed it
    goes back. slope: z f32[B, D] -> the gradient of the energy. step: f32[D]. pull: slope(z), which
    comes back for the next z: a step is one gradient."""
    momentum = momentum - 0.5 * step * pull
    z = z + step * momentum
    pull = slope(z)
    return z, momentum - 0.5 * step * pull, pull


def first_lengths(size: int, first: float = FIRST_STEP) -> Array:
    """The parameters of `lengths` at the start, where each is `first`: f32[D]."""
    share = first / MAX_STEP
    return jnp.full(size, jnp.log(share / (1 - share)))


def lengths(params: Array) -> Array:
    """Of the steps, one for each component: f32[D] of any size -> f32[D] from 0 to MAX_STEP."""
    return MAX_STEP * jax.nn.sigmoid(params)


def slope_of(energy: Energy) -> Callable[[Array], Array]:
    """z f32[B, D] -> the gradient of each row's energy."""
    return jax.grad(lambda z: jnp.sum(energy(z)))


def hamiltonian(
    base: Encoder, size: int, steps: int = 5, tempered: bool = True, first: float = FIRST_STEP
) -> Encoder:
    """z after `steps` leapfrogs in the energy -log p(x, z) from a draw of `base` and a momentum of
    N(0, T), which cools down to N(0, I) on the way (Caterini et al. 2018, Hamiltonian variational
    autoencoder; a Hamiltonian flow keeps volume, and without tempering it cannot contract).

    The density is that of z and of the momentum, over that of N(0, I) at the momentum's end, so
    that E[log_density - log p(z)] - E log p(x|z) is a bound of -log p(x), as of any q(z|x). The
    steps' lengths, one for each component, and T are learned.

    Args:
      base: a Gaussian encoder.
      size: components of the code's vector.
      steps: leapfrogs.
      tempered: whether T is learned; else it is 1.
      first: the steps' length at the start; above twice the SD of p(z|x) leapfrogs diverge.

    Raises:
      InputError: a code without a vector, or a number or a length of steps that is out of range.
    """
    if not size:
        raise InputError("a Hamiltonian posterior is of a vector: set code.size")
    if not (isinstance(steps, int) and 1 <= steps <= MAX_STEPS):
        raise InputError(f"steps of a Hamiltonian posterior are 1 to {MAX_STEPS}, not {steps!r}")
    if not (isinstance(first, float) and 0 < first < MAX_STEP):
        raise InputError(
            f"first, the length of a leapfrog at the start, is between 0 and {MAX_STEP}, "
            f"not {first!r}"
        )

    def init(key: Array) -> Params:
        params = {"base": base.init(key), "step": first_lengths(size, first)}
        if tempered:
            # log T is the softplus of it.
            params["heat"] = jnp.log(jnp.expm1(jnp.log(FIRST_TEMPERATURE)))
        return params

    def apply(params: Params, x: Array, noise: Array, energy: Energy) -> Encoding:
        numbers, drawn, rest = jnp.split(noise, [base.noise, base.noise + size], axis=-1)
        own = base.apply(params["base"], x, jnp.concatenate([numbers, rest], axis=-1))
        z, log_density = own.vector, own.log_density
        assert z is not None and log_density is not None
        step, slope = lengths(params["step"]), slope_of(energy)
        # SD of the first momentum, the root of T.
        hot = jnp.exp(0.5 * jax.nn.softplus(params["heat"])) if tempered else jnp.ones(())
        momentum = hot * drawn

        def deviation(k: int) -> Array:
            """Of a momentum in equilibrium after k steps, from sqrt(T) to 1 (Caterini et al.)."""
            return 1 / ((1 - 1 / hot) * (k / steps) ** 2 + 1 / hot)

        pull = slope(z)
        for k in range(steps):
            z, momentum, pull = leapfrog(slope, step, z, momentum, pull)
            momentum = momentum * deviation(k + 1) / deviation(k)
        # The momentum's first density and the volume that cooling takes have log T each, opposite.
        normal = jax.scipy.stats.norm.logpdf
        log_density += jnp.sum(normal(drawn) - normal(momentum), axis=-1)
        return own._replace(vector=z, mean=None, log_variance=None, log_density=log_density)

    return Encoder(
        init, apply, base.noise + size, perturbations=base.perturbations, reads_model=True
    )
