"""An auxiliary loss of a sample that the package does not have: x_hat encoded, decoded again."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from iae_jax import Config, Draws, Weight


def decoded_again(draws: Draws) -> jax.Array:
    """g(f(x_hat), n): f32[B, ...]. The strings name its randomness."""
    z = draws.code_of(draws.encode(draws.x_hat, "again"), "again_category")
    return draws.decode(z, "again_local")


@dataclass
class SecondReconstruction:
    """E |g(f(x_hat), n) - x|, mean over the values of x."""

    weight: Weight = field(default_factory=lambda: Weight(0.5))
    name = "second_reconstruction"

    def loss(self, draws: Draws) -> jax.Array:
        off = jnp.abs(draws.of(decoded_again) - draws.x)
        return jnp.mean(off.reshape(off.shape[0], -1), axis=-1)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size, config.generator.noise = 4, 3
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.auxiliary.others = ("second_reconstruction:SecondReconstruction",)
    return config
