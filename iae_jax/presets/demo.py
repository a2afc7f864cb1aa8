"""The demo: a deterministic implicit autoencoder of the 8x8 digits, whose prior learns.

As `mnist_reconstruction:deterministic_20/learned_prior`, but for consistency, with 10 components
and small networks.
"""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config

VARIANTS = ("deterministic_10",)


def get_config(variant: str = VARIANTS[0]) -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is {VARIANTS[0]}, not {variant!r}")
    config = Config(steps=9_000, turns="alternating")
    config.code.size = 10
    config.prior.kind, config.prior.rate = "mixture(components=50)", 10.0
    config.reconstruction.r1 = 0.02
    config.reconstruction.numerator_weight = config.regularization.weight = 0.1
    config.auxiliary.marginal.weight.value = 1.0
    config.auxiliary.code_information.weight.value = 5.0
    for player in config.players:
        player.network.hidden, player.optimizer.rate = 128, 5e-4
    return config
