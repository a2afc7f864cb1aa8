"""The default: an implicit autoencoder on the handwritten digits that scikit-learn ships (8x8).

A deterministic encoder of 6 global components and a generator that reads 16 local ones, with the
IAE objective.
"""

from iae_jax.runs.config import Config


def get_config() -> Config:
    config = Config(steps=3000)
    config.code.size = 6
    config.generator.noise = 16
    config.generator.noise_at = "depth"
    config.generator.ramp_start_steps = 800
    config.generator.ramp_steps = 1200
    config.reconstruction.numerator_weight = 0.1
    for player in config.players:
        player.network.hidden = 128
        player.optimizer.rate = 5e-4
    return config
