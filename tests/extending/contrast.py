"""A metric: how much the pixels of a reconstruction vary, beside those of the image."""

import jax
import jax.numpy as jnp

from iae_jax import Config, Metric, MetricInputs


def contrast_ratio(inputs: MetricInputs) -> jax.Array:
    """SD over the values of x_hat, over that of x: f32[B]."""

    def deviation(x: jax.Array) -> jax.Array:
        return jnp.std(x.reshape(x.shape[0], -1), axis=-1)

    return deviation(inputs.draws.x_hat) / deviation(inputs.draws.x)


CONTRAST_RATIO = Metric("contrast_ratio", contrast_ratio, "pixels", ("encoder", "generator"))


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 4
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.metrics = ("contrast:CONTRAST_RATIO",)
    return config
