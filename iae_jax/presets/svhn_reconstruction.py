"""SVHN with a deterministic code of 150, and with 75 global and 1000 local components.

A variant is CODE/SCALE/SET. Sets: svhn_cropped, which `python -m iae_jax.data.prepare` makes, or
`standin`: 10,000 images of its test split, named INDEX_DIGIT, in a file svhn_standin.zip in the
folder you start from. Scales: `small` for 2 CPU cores, `full` for one accelerator. Of
CODE/SCALE/SET/learned_prior, p(z) is a mixture of 100 Gaussians that learns from the codes.
"""

from iae_jax.presets.colour import SVHN_STANDIN, config_of
from iae_jax.runs.config import Config, Data

# Sizes of the global and of the local code.
CODES = {"deterministic_150": (150, 0), "global_75_local_1000": (75, 1000)}
SETS = {
    "standin": SVHN_STANDIN,
    "svhn_cropped": Data("svhn_cropped", train="train[:70000]", validation="train[70000:]"),
}
VARIANTS = (
    "deterministic_150/small/svhn_cropped",
    "global_75_local_1000/small/svhn_cropped",
    "deterministic_150/small/standin",
    "global_75_local_1000/small/standin",
    "deterministic_150/small/standin/learned_prior",
    "global_75_local_1000/small/standin/learned_prior",
)
FULL = ("deterministic_150/full/svhn_cropped", "global_75_local_1000/full/svhn_cropped")


def get_config(variant: str = VARIANTS[0]) -> Config:
    return config_of(variant, CODES, SETS)
