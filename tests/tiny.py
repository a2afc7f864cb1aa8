"""The smallest run of an implicit autoencoder: a config file for the tests of loop and launcher."""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config


def get_config(variant: str = "iae") -> Config:
    if variant not in ("iae", "gan", "vae"):
        raise InputError(f"a variant is iae, gan or vae, not {variant!r}")
    config = Config(steps=40, batch_size=16)
    config.code.size = 3
    config.generator.noise = 4
    config.generator.ramp_start_steps, config.generator.ramp_steps = 5, 20
    for player in (config.encoder, config.generator, config.reconstruction, config.regularization):
        player.network.kind, player.network.hidden = "mlp", 24
    if variant == "gan":
        config.reconstruction.kind, config.regularization.kind = "marginal_data", "none"
    if variant == "vae":
        config.reconstruction.kind, config.regularization.kind = "likelihood", "analytic_kl"
        config.encoder.kind, config.generator.likelihood = "gaussian", "bernoulli"
        config.generator.noise = 0
    run = config.run
    run.devices = 1
    run.steps_per_call, run.log_steps, run.validate_steps = 5, 10, 10
    run.figure_steps, run.checkpoint_steps = 1000, 10
    return config
