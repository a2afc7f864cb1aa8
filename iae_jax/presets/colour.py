"""Shared parts of the presets for colour images: variants, scales, a data set."""

import dataclasses
from collections.abc import Collection
from typing import NamedTuple

from iae_jax.errors import InputError
from iae_jax.runs.config import Config, Data
from iae_jax.sampling.augmentation import Affine

LEARNED = "learned_prior"  # p(z) learns from the codes
# Not SVHN but 10,000 images of its test split, named INDEX_DIGIT. Digits of one photo follow each
# other and overlap, so the images are split in the order of their names.
SVHN_STANDIN = Data(
    "images:svhn_standin.zip",
    label_pattern=r"_(\d+)\.",
    shuffled=False,
    train="train[:7000]",
    validation="train[7000:8000]",
    test="train[8000:]",
)


def config_of(variant: str, codes: dict[str, tuple[int, int]], sets: dict[str, Data]) -> Config:
    """The config of a variant CODE/SCALE/SET or CODE/SCALE/SET/learned_prior.

    Args:
      variant: its name.
      codes: the sizes of the global and of the local code, by CODE.
      sets: the data sets, by SET.

    Raises:
      InputError: there is no such code, scale or set.
    """
    *parts, last = variant.split("/")
    if last != LEARNED:
        parts.append(last)
    tables: tuple[Collection[str], ...] = (codes, SCALES, sets)
    if len(parts) != len(tables) or any(p not in t for p, t in zip(parts, tables, strict=True)):
        raise InputError(
            f"a variant is CODE/SCALE/SET with a code of {', '.join(codes)}; a scale of "
            f"{', '.join(SCALES)}; a set of {', '.join(sets)}; then perhaps /{LEARNED}; not "
            f"{variant!r}"
        )
    code, scale, data = parts
    config = scaled(scale, *codes[code])
    config.data = dataclasses.replace(sets[data])
    if last == LEARNED:
        config.prior.kind, config.prior.rate = "mixture(components=100)", 10.0
    return config


class Scale(NamedTuple):
    """Sizes of networks and of the run. kind, width: of all networks but the generator's."""

    kind: str
    width: int
    generator_kind: str
    generator_width: int
    hidden: int
    precision: str
    batch_size: int
    steps: int


SCALES = {
    "small": Scale("conv", 32, "residual", 16, 256, "float32", batch_size=32, steps=6_000),
    "full": Scale("residual", 64, "residual", 64, 512, "bfloat16", batch_size=128, steps=100_000),
}


def scaled(name: str, size: int, local: int) -> Config:
    """An implicit autoencoder of colour images."""
    scale = SCALES[name]
    config = Config(steps=scale.steps, batch_size=scale.batch_size, turns="alternating")
    config.code.size, config.generator.noise = size, local
    if local:
        # At the input, 1000 components of n would outweigh those of z.
        config.generator.noise_at = "depth"
        config.reconstruction.numerator_weight = 0.05
    for player in config.players:
        player.network.kind, player.network.width = scale.kind, scale.width
        player.network.hidden, player.network.precision = scale.hidden, scale.precision
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    network = config.generator.network
    network.kind, network.width = scale.generator_kind, scale.generator_width
    config.reconstruction.r1 = config.regularization.r1 = 0.1
    config.regularization.weight = 0.1
    # The weights of MNIST with 20D (10D beside a local code), scaled to this size: the losses are
    # sums over components.
    share = (10 if local else 20) / size
    marginal, consistency, information = (
        getattr(config.auxiliary, name).weight
        for name in ("marginal", "consistency", "code_information")
    )
    marginal.value = consistency.value = information.value = share
    if not local:
        config.reconstruction.r1, config.reconstruction.r1_final = 0.01, 0.1
        consistency.value, information.value = 0.2 * share, 5 * share
    bounds = config.affine = Affine(rotation=5.0, scale=0.1, shear=0.05, shift=1.0, edge="nearest")
    if local:
        # Light and colour are style, which is left to n.
        bounds.brightness, bounds.saturation, bounds.contrast = 0.2, 0.4, 0.2
    # No shifts: a discriminator that reads shifted pairs cannot tell where in x_hat something is.
    config.diffaugment.cutout = 0.25
    return config
