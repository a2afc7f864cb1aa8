"""Slides, Fig. 3: SVHN with a deterministic code of 150, and with 75 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/svhn_reconstruction.py:\\
deterministic_150/full/svhn_cropped --workdir=runs/svhn_150

    python -m iae_jax.sweep svhn_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/svhn_cropped,global_75_local_1000/small/svhn_cropped

A variant is CODE/SCALE/SET. Sets: svhn_cropped, which `python -m iae_jax.data.prepare` makes, or
`standin`: 10,000 images of its test split, named INDEX_DIGIT, in a file svhn_standin.zip in the
folder you start from. Results say which. Scales: `small` for 2 CPU cores, `full` for one
accelerator, which a sweep runs only if --variants names it.

Expected of `small`: 13 to 15 minutes and 1.2 GB (2.1 where it has to be compiled first) on one core
of a fast machine (a server of 2025) with another run beside it, and once 2 to 6 minutes for the
feature classifier. `full` is not measured yet: it needs an accelerator.
"""

from experiments.colour import BEYOND, SHOWN, SVHN_STANDIN, VIEWS, config_of, draw, figures_of
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.config import Config, Data

__all__ = ["FIGURES", "FULL", "HEADLINE", "SHOWN", "VARIANTS", "VIEWS", "draw", "get_config"]

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
)
FULL = ("deterministic_150/full/svhn_cropped", "global_75_local_1000/full/svhn_cropped")
FIGURES = figures_of(VARIANTS + FULL)

REFERENCES = {
    ("label_agreement", "deterministic_150/small/standin"): Reference(0.80, "higher", "aim"),
    ("label_agreement", "global_75_local_1000/small/standin"): Reference(0.65, "higher", "aim"),
}
HEADLINE = tuple(
    Headline(
        "reconstructions in which a classifier sees the same digit (share)",
        "label_agreement",
        variant,
        BEYOND,
    )
    for variant in VARIANTS
)


def get_config(variant: str = VARIANTS[0]) -> Config:
    return config_of(variant, CODES, SETS)
