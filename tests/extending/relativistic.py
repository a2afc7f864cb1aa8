"""A scoring that reads the logits of both sides, relativistic least squares, with R1 on both."""

import jax
import jax.numpy as jnp

from iae_jax import Config, Losses, Scoring


def losses(a: jax.Array, b: jax.Array) -> Losses:
    """The discriminator wants T(x, z) 1 above T(x_hat, z), pair by pair (Jolicoeur-Martineau 2019,
    squares as Mao et al. 2017); whoever samples a side wants the reverse, through that side."""
    fixed_a, fixed_b = jax.lax.stop_gradient(a), jax.lax.stop_gradient(b)
    return Losses(
        discriminator=jnp.square(a - b - 1) / 2,
        numerator=jnp.square(a - fixed_b + 1) / 2,
        denominator=jnp.square(fixed_a - b + 1) / 2,
    )


SQUARES = Scoring("relativistic_squares", losses)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 4
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.reconstruction.scoring = "relativistic:SQUARES"
    config.reconstruction.r1, config.reconstruction.r1_on = 0.1, "both"
    config.reconstruction.r1_interval_steps = 1
    return config
