"""The flow as a posterior: a Gaussian q(u|x) through a bijection that reads x too (Rezende and
Mohamed 2015; of autoregressive layers Kingma et al. 2016, inverse autoregressive flow)."""

import jax

from iae_jax.errors import InputError
from iae_jax.networks.flow import flow
from iae_jax.types import Array, Encoder, Encoding, Params


def flow_posterior(
    features: int,
    base: Encoder,
    size: int,
    layer: str = "autoregressive",
    function: str = "affine",
    layers: int = 4,
    width: int = 128,
) -> Encoder:
    """q(z|x) = q(u|x) |det du/dz| where z is the forward image of u ~ q(u|x): base, which it equals
    until it learns.

    Args:
      features: how many the encoder has, which the flow reads.
      base: a Gaussian encoder.
      size: components of the code's vector.
      layer, function, layers, width: see `networks.flow.flow`; only forward is computed.

    Raises:
      InputError: a code without a vector, or what `flow` refuses.
    """
    if not size:
        raise InputError("a flow is of a vector and the code has none: set code.size")
    bijection = flow(size, layer, function, layers, width, features)

    def init(key: Array) -> Params:
        first, second = jax.random.split(key)
        return {"base": base.init(first), "flow": bijection.init(second)}

    def apply(params: Params, x: Array, noise: Array) -> Encoding:
        own = base.apply(params["base"], x, noise)
        assert own.vector is not None and own.log_density is not None
        z, log_det = bijection.forward(params["flow"], own.vector, own.features)
        return own._replace(
            vector=z, mean=None, log_variance=None, log_density=own.log_density - log_det
        )

    return Encoder(init, apply, base.noise, perturbations=base.perturbations)
