"""The flow as a posterior: a Gaussian's standardized numbers through a bijection that reads x too
(Rezende and Mohamed 2015; of autoregressive layers Kingma et al. 2016, inverse autoregressive
flow)."""

import jax
import jax.numpy as jnp

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
    """z = m(x) + s(x) f(e; x), e ~ N(0, I), with m and s of a Gaussian `base`, which q(z|x) equals
    until f learns. The flow works on numbers of size 1, whatever the posterior's scale: the bins of
    a spline are about 1 wide.

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
        assert own.mean is not None and own.log_variance is not None
        deviation = jnp.exp(0.5 * own.log_variance)
        standard = (own.vector - own.mean) / deviation
        moved, log_det = bijection.forward(params["flow"], standard, own.features)
        z = own.mean + deviation * moved
        return own._replace(
            vector=z, mean=None, log_variance=None, log_density=own.log_density - log_det
        )

    return Encoder(init, apply, base.noise, perturbations=base.perturbations)
