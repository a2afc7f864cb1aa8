"""The flow as a prior that learns: vectors of a base distribution through a bijection."""

import jax

from iae_jax.networks.flow import Bijection
from iae_jax.types import Array, Code, Params, Prior


def flow_prior(bijection: Bijection, base: Prior) -> Prior:
    """p(z) = p(u) |det du/dz| where z is the bijection's forward image of u ~ base, which may learn
    too."""

    def init(key: Array) -> Params:
        own = {"flow": bijection.init(key)}
        return own | {"base": base.init(jax.random.fold_in(key, 1))} if base.init else own

    def sample(params: Params, numbers: Array) -> Code:
        u = base.sample(params.get("base"), numbers).vector
        assert u is not None
        return Code(vector=bijection.forward(params["flow"], u, None)[0])

    def log_density(params: Params, z: Code) -> Array:
        assert z.vector is not None and base.log_density is not None
        u, log_det = bijection.inverse(params["flow"], z.vector, None)
        return base.log_density(params.get("base"), Code(vector=u)) + log_det

    return Prior(base.draw, sample, base.size, log_density=log_density, init=init)
