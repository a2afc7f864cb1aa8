"""CelebA with a deterministic code of 150, and with 50 global and 1000 local components.

A variant is CODE/SCALE/SET or CODE/SCALE/SET/learned_prior, as in svhn_reconstruction, with its
scales. Sets: celeb_a_64, which `python -m iae_jax.data.prepare` makes, or `standin`: its first
5,000 faces, from sources of half the resolution, in a file celeba_standin.zip in the folder you
start from.
"""

from iae_jax.presets.colour import config_of
from iae_jax.runs.config import Config, Data

# Sizes of the global and of the local code.
CODES = {"deterministic_150": (150, 0), "global_50_local_1000": (50, 1000)}
SETS = {
    "standin": Data(
        "images:celeba_standin.zip",
        train="train[:4000]",
        validation="train[4000:4500]",
        test="train[4500:]",
    ),
    "celeb_a_64": Data("celeb_a_64", train="train", validation="validation"),
}
VARIANTS = (
    "deterministic_150/small/celeb_a_64",
    "global_50_local_1000/small/celeb_a_64",
    "deterministic_150/small/standin",
    "global_50_local_1000/small/standin",
    "deterministic_150/small/standin/learned_prior",
    "global_50_local_1000/small/standin/learned_prior",
)
FULL = ("deterministic_150/full/celeb_a_64", "global_50_local_1000/full/celeb_a_64")


def get_config(variant: str = VARIANTS[0]) -> Config:
    config = config_of(variant, CODES, SETS)
    if config.generator.noise:
        # The colour of hair is not style: it stays in z.
        bounds = config.affine
        bounds.brightness, bounds.saturation, bounds.contrast = 0.05, 0.1, 0.05
    if variant.split("/")[1] == "small":
        # Four times the pixels of SVHN.
        for player in (config.encoder, config.reconstruction):
            player.network.width = 16
        config.generator.network.width = 8
        # A stronger R1 throughout: first the pose and the hair, then how sharp they are.
        config.reconstruction.r1, config.reconstruction.r1_final = 0.1, 1.0
        config.reconstruction.numerator_weight = 0.05
        # With a larger weight of the code information, a generator that cannot draw faces yet marks
        # its images with their codes.
        losses = config.auxiliary
        losses.consistency.weight.value = losses.marginal.weight.value
        losses.code_information.weight.value = losses.marginal.weight.value
        config.diffaugment.blur, config.diffaugment.blur_steps = 3.0, config.steps // 2
    return config
