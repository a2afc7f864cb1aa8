"""A prior: a ring in the plane, chosen by the config, with its density."""

import jax
import jax.numpy as jnp

from iae_jax import Code, Config, Prior


def ring(size: int, radius: float = 2.0, deviation: float = 0.1) -> Prior:
    """The angle uniform, the distance from 0 of N(radius, deviation^2), for a code of 2."""

    def draw(key: jax.Array) -> jax.Array:
        """Of one example: f32[2]."""
        first, second = jax.random.split(key)
        angle = 2 * jnp.pi * jax.random.uniform(first)
        distance = radius + deviation * jax.random.normal(second)
        return distance * jnp.array([jnp.cos(angle), jnp.sin(angle)])

    def sample(params: object, drawn: jax.Array) -> Code:
        """Of a batch of them. A fixed prior has no params."""
        return Code(vector=drawn)

    def log_density(params: object, z: Code) -> jax.Array:
        distance = jnp.linalg.norm(z.vector, axis=-1)
        radial = jax.scipy.stats.norm.logpdf(distance, radius, deviation)
        return radial - jnp.log(2 * jnp.pi * distance)

    return Prior(draw, sample, size, log_density=log_density)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 2
    config.prior.kind = "ring_prior:ring(radius=3.0)"
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    return config
