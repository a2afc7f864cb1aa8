"""A relativistic scoring, which reads the logits of both sides, with R1 on both (R1 + R2)."""

import jax

from iae_jax import Config, Losses, Scoring


def losses(a: jax.Array, b: jax.Array) -> Losses:
    """The discriminator wants T(x, z) above T(x_hat, z), pair by pair (Jolicoeur-Martineau 2019);
    whoever samples a side wants the reverse, through that side."""
    fixed_a, fixed_b = jax.lax.stop_gradient(a), jax.lax.stop_gradient(b)
    return Losses(
        discriminator=jax.nn.softplus(b - a),
        numerator=jax.nn.softplus(a - fixed_b),
        denominator=jax.nn.softplus(fixed_a - b),
    )


RELATIVISTIC = Scoring("relativistic", losses, logistic=False)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 4
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.reconstruction.scoring = "relativistic:RELATIVISTIC"
    config.reconstruction.r1, config.reconstruction.r1_on = 0.1, "both"
    config.reconstruction.r1_interval_steps = 1
    return config
