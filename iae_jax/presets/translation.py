"""Unpaired translation: grey digits to coloured ones and back, with p(z) := the coloured images.

Variants: iae, the implicit autoencoder and its flipped form with the same two networks; l1_cycle,
the distance of an image and its way there and back in the place of the discriminators of pairs (Zhu
et al. 2017, CycleGAN); independent, each network a draw from the other set whatever it reads, which
solves the games of `iae` too.
"""

import functools
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.data import load, open_source
from iae_jax.errors import InputError
from iae_jax.networks import translator
from iae_jax.objectives.adversarial import code_of_sample
from iae_jax.objectives.weights import Weight
from iae_jax.runs.config import Config
from iae_jax.sampling.colours import coloured
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, Code, Discriminator, Encoder, Encoding, Generator, Params, Prior

VARIANTS = ("iae", "l1_cycle", "independent")
HERE = "iae_jax.presets.translation"
TOLD = "train[:55000]"  # that the judge has learned from
COLOURED = "train[27500:55000]"  # the images of the other set, which are not those of x


def get_config(variant: str = "iae") -> Config:
    if variant not in VARIANTS:
        raise InputError(f"a variant is one of {', '.join(VARIANTS)}, not {variant!r}")
    config = Config(steps=10_000, batch_size=32, turns="alternating")
    config.data.name = "mnist"
    config.data.train, config.data.validation = "train[:27500]", "train[55000:]"
    # Labels are read by the measure alone, with the classifier of MNIST that all other runs have.
    config.metrics = (f"iae_jax.metrics.translation:translations(judge='mnist', split={TOLD!r})",)
    config.run.classifier = False
    config.code.size = 28 * 28 * 3
    config.prior.kind = f"{HERE}:coloured_images"
    config.encoder.kind, config.encoder.noise = f"{HERE}:to_colour", 8
    config.generator.kind, config.generator.noise = f"{HERE}:to_grey", 0
    config.reconstruction.kind = "cycle_reconstruction"
    config.regularization.kind = "cycle_marginals"
    for term in (config.reconstruction, config.regularization):
        term.discriminator, term.r1, term.r1_on = f"{HERE}:discriminator", 0.1, "both"
    config.reconstruction.numerator_weight = 0.05
    for player in config.players:
        player.network.width, player.network.hidden = 8, 128
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    if variant == "l1_cycle":
        config.reconstruction.kind = "none"
        config.auxiliary.others = (f"{HERE}:CycleDistance(weight=10.0)",)
    if variant == "independent":
        config.steps = 1
        config.encoder.kind, config.encoder.noise = f"{HERE}:any_colour", 2
        config.generator.kind, config.generator.noise = f"{HERE}:any_grey", 1
    return config


# The two sets.


@functools.cache
def grey_images(split: str, name: str, directory: str) -> np.ndarray:
    """u8[N, H, W, 1] of a split."""
    return load(open_source(name, split, directory or None)).x


def coloured_images(
    size: int, split: str = COLOURED, name: str = "mnist", directory: str = ""
) -> Prior:
    """p(z) := the coloured images, each of a random hue, flattened.

    Raises:
      InputError: as `open_source`, or code.size is not that of an image.
    """
    grey = grey_images(split, name, directory)
    if size != 3 * grey[0].size:
        raise InputError(f"the coloured images have {3 * grey[0].size} values: set code.size to it")

    def draw(key: Array) -> tuple[Array, Array]:
        which, how = jax.random.split(key)
        return jax.random.randint(which, (), 0, len(grey)), jax.random.uniform(how)

    def sample(params: Params, drawn: tuple[Array, Array]) -> Code:
        which, hue = drawn
        return Code(vector=_flat(coloured(to_unit(jnp.asarray(grey)[which]), hue)))

    return Prior(draw, sample, size)


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def to_colour(config: Config, shape: tuple[int, ...]) -> Encoder:
    """F: x and noise -> a coloured image."""
    own = config.encoder.network
    return translator.encoder(shape, _of_code(shape), config.encoder.noise, own.width, own.hidden)


def to_grey(config: Config, shape: tuple[int, ...]) -> Generator:
    """G: a coloured image and noise -> x."""
    own, noise = config.generator.network, config.generator.noise
    return translator.generator(shape, _of_code(shape), noise, own.width, own.hidden)


def discriminator(config: Config, shape: tuple[int, ...], reads: tuple[str, ...]) -> Discriminator:
    """Of grey images, of coloured ones, or of pairs."""
    own = config.reconstruction.network
    return translator.discriminator(shape, _of_code(shape), reads, own.width, own.hidden)


def _of_code(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], 3)


@dataclass
class CycleDistance:
    """Mean distance of a value of x and of G(F(x)), and of z and of F(G(z))."""

    weight: float | Weight = field(default_factory=lambda: Weight(10.0))
    name = "cycle_distance"

    def loss(self, draws: Draws) -> Array:
        z, again = draws.z_prior.vector, draws.of(code_of_sample).vector
        assert z is not None and again is not None
        there = jnp.mean(_flat(jnp.abs(draws.x_hat - draws.x)), axis=-1)
        return there + jnp.mean(jnp.abs(again - z), axis=-1)


# The coupling that is no translation.


def any_colour(
    config: Config, shape: tuple[int, ...], split: str = COLOURED, name: str = "mnist",
    directory: str = "",
) -> Encoder:  # fmt: skip
    """A coloured image whatever x is."""
    grey = grey_images(split, name, directory)

    def apply(params: Params, x: Array, noise: Array) -> Encoding:
        uniform = jax.scipy.stats.norm.cdf(noise)
        found = coloured(to_unit(_drawn(grey, uniform[:, 0])), uniform[:, 1])
        return Encoding(vector=_flat(found) + 0 * params["unused"])

    return Encoder(_unused, apply, 2)


def any_grey(
    config: Config, shape: tuple[int, ...], split: str = "train[:27500]", name: str = "mnist",
    directory: str = "",
) -> Generator:  # fmt: skip
    """A grey image whatever z is."""
    grey = grey_images(split, name, directory)

    def sample(params: Params, z: Code, noise: Array) -> Array:
        uniform = jax.scipy.stats.norm.cdf(noise)
        return to_unit(_drawn(grey, uniform[:, 0])) + 0 * params["unused"]

    return Generator(_unused, sample, 1)


def _unused(key: Array) -> Params:
    return {"unused": jnp.zeros(())}  # a player has something to move


def _drawn(images: np.ndarray, uniform: Array) -> Array:
    which = jnp.minimum(uniform * len(images), len(images) - 1).astype(jnp.int32)
    return jnp.asarray(images)[which]
