"""Adversarial autoencoders of MNIST whose code follows one of three priors in the plane.

Variants: a Gaussian, a mixture of ten Gaussians, and a swiss roll.
"""

from collections.abc import Iterator

from iae_jax.data import open_source
from iae_jax.data.binarized import Binarized
from iae_jax.errors import InputError
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.codes import prior_vectors
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.runs.config import Config

KINDS = {"gaussian": "gaussian", "mixture": "petals", "swiss_roll": "swiss_roll"}
VARIANTS = tuple(KINDS)
SEEDS, FIRST_SEED, TOGETHER = 3, 0, True
FIGURE_FILE = "code_space.npz"


def binarized(split: str, name: str = "mnist", directory: str = "") -> Binarized:
    """A set of images binarized. name, directory: of the set, see `open_source`."""
    return Binarized(open_source(name, split, directory or None))


def get_config(variant: str = "gaussian") -> Config:
    if variant not in KINDS:
        raise InputError(f"a variant is one of {', '.join(KINDS)}, not {variant!r}")
    config = Config(steps=7000, batch_size=256, turns="two_to_one")
    config.metrics = ("iae_jax.presets.aae_priors:keep_codes",)
    config.run.classifier = False  # nothing here is about images
    config.data.name = "iae_jax.presets.aae_priors:binarized"
    # All of train is trained on; to choose settings, leave validation out of it.
    config.data.train, config.data.validation = "train", "train[50000:]"
    config.code.size, config.prior.kind = 2, KINDS[variant]
    config.generator.likelihood = "bernoulli"
    config.reconstruction.kind = "likelihood"
    # Beside a likelihood of 784 pixels.
    config.regularization.weight = 100.0
    # What is left to match becomes finer, so that the penalty falls.
    config.regularization.r1, config.regularization.r1_final = 0.02, 0.1
    config.regularization.r1_fall_from, config.regularization.r1_fall_until = 0.3, 0.8
    config.regularization.r1_interval_steps = 1
    for player in config.players:
        player.network.kind = "mlp"
        player.optimizer.rate, player.optimizer.final = 1e-3, 0.01
    return config


def keep_codes(trained: Trained) -> Iterator[Measurement]:
    """Measures nothing more; the codes of the split, their labels and as many samples of the prior
    go to the model's folder, for the figure."""
    codes = trained.streamed.rows["code_vector"]
    if trained.folder is not None:
        prior = prior_vectors(trained, 0, len(codes))
        labels = trained.all_labels
        write_npz(trained.folder / FIGURE_FILE, codes=codes, labels=labels, prior=prior)
    yield from ()
