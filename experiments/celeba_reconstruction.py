"""Slides, Fig. 4: CelebA with a deterministic code of 150, and with 50 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/celeba_reconstruction.py:\\
deterministic_150/full/celeb_a_64 --workdir=runs/celeba_150

    python -m iae_jax.sweep celeba_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/celeb_a_64,global_50_local_1000/small/celeb_a_64

A variant is CODE/SCALE/SET, with the scales of svhn_reconstruction. Sets: celeb_a_64, which
`python -m iae_jax.data.prepare` makes, or `standin`: its first 5,000 faces, from sources of half
the resolution, in a file celeba_standin.zip in the folder you start from. Results say which.

Faces have no classes here, so there is no feature classifier: distances are in the features of
`iae_jax/metrics/hog.py`, which are fixed.

Expected of `small`: 23 to 30 minutes and 2.3 GB (1.5 with compiled programs in the cache) on one
core of a fast machine (a server of 2025) with another run beside it. `full` is not measured yet: it
needs an accelerator.
"""

from experiments.colour import BEYOND, SHOWN, VIEWS, config_of, draw, figures_of
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.config import Config, Data

__all__ = ["FIGURES", "FULL", "HEADLINE", "SHOWN", "VARIANTS", "VIEWS", "draw", "get_config"]

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
)
FULL = ("deterministic_150/full/celeb_a_64", "global_50_local_1000/full/celeb_a_64")
FIGURES = figures_of(VARIANTS + FULL)

REFERENCES = {
    ("pixel_error_ratio", variant): Reference(0.60, "lower", "aim") for variant in VARIANTS + FULL
}
HEADLINE = tuple(
    Headline(
        "pixel error of reconstructions over that of random pairs",
        "pixel_error_ratio",
        variant,
        BEYOND,
    )
    for variant in VARIANTS
)


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
