"""Short-run Langevin dynamics as an implicit posterior."""

import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.networks.hamiltonian import MAX_STEPS, first_lengths, lengths, slope_of
from iae_jax.types import Array, Encoder, Encoding, Energy, Params


def langevin(base: Encoder, size: int, steps: int = 5) -> Encoder:
    """z after `steps` unadjusted Langevin steps in the energy -log p(x, z) from a draw of `base`
    (Nijkamp et al. 2020 start from noise). Their distribution is not p(z|x) and has no density that
    is known: an implicit q(z|x). The steps' lengths, one for each component, are learned.

    Args:
      base: a Gaussian encoder.
      size: components of the code's vector.
      steps: how many.

    Raises:
      InputError: a code without a vector, or a number of steps that is out of range.
    """
    if not size:
        raise InputError("a Langevin posterior is of a vector: set code.size")
    if not (isinstance(steps, int) and 1 <= steps <= MAX_STEPS):
        raise InputError(f"steps of a Langevin posterior are 1 to {MAX_STEPS}, not {steps!r}")

    def init(key: Array) -> Params:
        return {"base": base.init(key), "step": first_lengths(size)}

    def apply(params: Params, x: Array, noise: Array, energy: Energy) -> Encoding:
        first, drawn, rest = jnp.split(noise, [base.noise, base.noise + steps * size], axis=-1)
        own = base.apply(params["base"], x, jnp.concatenate([first, rest], axis=-1))
        drawn = drawn.reshape(-1, steps, size)
        step, slope = lengths(params["step"]), slope_of(energy)
        z = own.vector
        assert z is not None
        for k in range(steps):
            z = z - 0.5 * jnp.square(step) * slope(z) + step * drawn[:, k]
        return own._replace(vector=z, mean=None, log_variance=None, log_density=None)

    noise = base.noise + steps * size
    return Encoder(init, apply, noise, perturbations=base.perturbations, reads_model=True)
