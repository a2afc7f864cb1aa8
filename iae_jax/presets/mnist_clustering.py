"""MNIST clustered without labels into K categories, and the style in a local code.

The global code is one of K categories (the variants: 10, 16, 30), the local code is Gaussian.
No label is read in training. Reconstruction is the IAE's; KL(q(y) || p(y)) is exact for a batch and
needs no discriminator. Auxiliary losses ask that an image and an affine change of it have the same
category, that q(y|x) is certain (Hu et al. 2017), and that the encoder reads from a generated image
the category that it was generated from (code information).
"""

from iae_jax.errors import InputError
from iae_jax.runs.config import Config

CATEGORIES = {f"k{number}": number for number in (10, 16, 30)}
VARIANTS = tuple(CATEGORIES)


def get_config(variant: str = "k30") -> Config:
    if variant not in CATEGORIES:
        raise InputError(f"a variant is one of {', '.join(CATEGORIES)}, not {variant!r}")
    config = Config(steps=3_600, batch_size=128, turns="alternating")
    config.data.name = "mnist"
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.code.size, config.code.categories = 0, CATEGORIES[variant]
    config.auxiliary.code_information.weight.value = 0.1
    config.generator.noise = 50
    for player in (config.encoder, config.generator, config.reconstruction):
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    # No discriminator of codes: auxiliary.marginal is the exact KL of the categories.
    config.regularization.kind = "none"
    config.reconstruction.r1 = 0.1
    config.reconstruction.numerator_weight = 0.05
    config.auxiliary.marginal.weight.value = 2.0
    config.auxiliary.entropy.weight.value = 0.5
    # With a smaller weight, some clusters keep two digits.
    config.auxiliary.consistency.weight.value = 3.0
    return config
