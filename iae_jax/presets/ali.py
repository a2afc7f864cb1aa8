"""ALI/BiGAN and IAE with the same networks, on a set in the plane and on the digits.

A variant is SET/MODEL. ALI matches q(x, z) to p(x, z) with one discriminator and never learns which
code a reconstruction came from; IAE's first discriminator reads x and x_hat of the same z. Of
SET/iae/joint_model ALI's discriminator stands in the place of that of codes.
"""

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import ArraySource, Source, load, open_source
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.runs.config import Config
from iae_jax.sampling.model import generate, reconstruct
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array

SETS, MODELS = ("plane", "digits"), ("iae", "iae/joint_model", "ali")
VARIANTS = tuple(f"{name}/{model}" for name in SETS for model in MODELS)
SEEDS, FIRST_SEED = 3, 0
TOGETHER = True  # all seeds of a variant at once
FIGURE_FILE = "reconstructed.npz"
POINTS = 300  # of a panel


def get_config(variant: str = "digits/ali") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    name, _, model = variant.partition("/")
    config = Config(steps=4_000)
    joint, codes = config.reconstruction, config.regularization
    for player in config.players:
        player.network.hidden = 128
    for term in (joint, codes):
        term.r1_interval_steps = 1
    config.metrics = ("iae_jax.presets.ali:keep_for_figure",)
    config.data.train, config.data.validation = "train", "validation"
    if name == "plane":
        config.batch_size, config.code.size = 128, 2
        config.data.name = "planar:ring(modes=5, radius=1.5, deviation=0.3)"
        config.data.test = "test[:5000]"
        joint.r1 = codes.r1 = 0.05
        for player in config.players:
            player.network.kind, player.optimizer.rate = "mlp", 1e-3
    else:
        config.batch_size, config.code.size = 64, 6
        config.data.name = "iae_jax.presets.ali:digits"
        # It trains on all images, and nothing is chosen by these.
        config.data.validation = "train[1350:]"
        for player in config.players:
            player.network.width, player.optimizer.rate = 16, 5e-4
    if model == "ali":
        joint.kind, codes.kind = "joint_model", "none"
    elif model == "iae/joint_model":
        codes.kind = "joint_model"
    run = config.run
    run.steps_per_call = run.log_steps = 200
    run.validate_steps = run.checkpoint_steps = run.figure_steps = 1_000
    run.classifier = False
    return config


def digits(split: str, directory: str = "") -> Source:
    """The digits, which batches are drawn from with replacement, on the device. directory: where
    TFDS keeps them, "" is its default."""
    stored = open_source("digits", split, directory or None)
    source = ArraySource(load(stored), stored.classes)
    images = jnp.asarray(load(stored).x)

    def sample(key: Array, count: int) -> Array:
        return to_unit(images[jax.random.randint(key, (count,), 0, len(images))])

    source.sample = sample
    return source


def keep_for_figure(trained: Trained) -> Iterable[Measurement]:
    """Writes what `draw` shows: all that is measured here is measured of every model."""
    if trained.folder is not None:
        x = np.asarray(to_unit(jnp.asarray(trained.x[:POINTS])))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(60), trained.seed))
        params = trained.params
        x_hat = jax.jit(partial(reconstruct, trained.game))(params, x, keys[0])
        samples = jax.jit(partial(generate, trained.game, count=len(x)))(params, key=keys[1])
        write_npz(trained.folder / FIGURE_FILE, x=x, x_hat=x_hat, samples=samples)
    return ()
