"""Two data sets in one batch: samples of the model have the mean brightness of a second set."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import ArraySource, Config, Dataset, Draws, Weight


def stripes(split: str) -> ArraySource:
    """The second set: images of another size, a bright stripe on black."""
    row = np.random.default_rng(7).integers(0, 4, 100)
    x = np.zeros((100, 4, 6, 1), np.uint8)
    x[np.arange(100), row] = 200
    return ArraySource(Dataset(x, row), classes=4)


@dataclass
class SameBrightness:
    """The squared difference between the mean values of x_prior and of "y", over the batch."""

    weight: Weight = field(default_factory=lambda: Weight(1.0))
    name = "same_brightness"

    def loss(self, draws: Draws) -> jax.Array:
        means = (jnp.mean(draws.x_prior), jnp.mean(draws.data("y")))
        ours, theirs = draws.batch_mean("brightness", means)
        return jnp.square(ours - theirs)


def get_config() -> Config:
    config = Config(steps=20, batch_size=16)
    config.code.size = 4
    config.data.also = ("y=two_sets:stripes",)
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 16
    config.auxiliary.others = ("two_sets:SameBrightness",)
    return config
