"""A posterior with a density: a Gaussian and one planar flow (Rezende and Mohamed 2015)."""

import jax
import jax.numpy as jnp

from iae_jax import Config, Encoder, Encoding, networks


def planar(w: jax.Array, u: jax.Array, b: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """z f32[B, D] -> z + u tanh(w.z + b), and log |det| f32[B] of its Jacobian."""
    # w.u > -1 keeps it invertible (appendix A.1).
    product = w @ u
    u = u + (jax.nn.softplus(product) - 1 - product) * w / (w @ w)
    h = jnp.tanh(z @ w + b)
    return z + h[:, None] * u, jnp.log1p((1 - h**2) * (w @ u))


def encoder(config: Config, shape: tuple[int, ...]) -> Encoder:
    """q(z|x) with the same flow for every x."""
    size = config.code.size
    layout = networks.Layout("mlp", hidden=config.encoder.network.hidden)
    base = networks.encoder(layout, shape, "gaussian", size)

    def init(key: jax.Array) -> dict:
        first, second, third = jax.random.split(key, 3)
        w, u = jax.random.normal(second, (size,)), jax.random.normal(third, (size,))
        return {"base": base.init(first), "w": w, "u": u, "b": jnp.zeros(())}

    def apply(params: dict, x: jax.Array, noise: jax.Array) -> Encoding:
        first = base.apply(params["base"], x, noise)
        z, log_det = planar(params["w"], params["u"], params["b"], first.vector)
        return Encoding(vector=z, log_density=first.log_density - log_det)

    return Encoder(init, apply, base.noise)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 3
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.encoder.kind = "planar_flow:encoder"
    config.reconstruction.kind, config.generator.likelihood = "likelihood", "bernoulli"
    config.regularization.kind = "sampled_kl"
    return config
