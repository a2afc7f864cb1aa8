"""Slides, Fig. 3: SVHN with a deterministic code of 150, and with 75 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/svhn_reconstruction.py:\\
deterministic_150/full/svhn_cropped --workdir=runs/svhn_150

    python -m iae_jax.sweep svhn_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/svhn_cropped,global_75_local_1000/small/svhn_cropped

A variant is CODE/PRESET/SET. Sets: svhn_cropped, which `python -m iae_jax.data.prepare` makes, or
`standin`: not SVHN but 10,000 images of its test split, in a file svhn_standin.zip in the folder
you start from, named INDEX_DIGIT, and labelled so. Presets: `small` for 2 CPU cores, `full` for one
accelerator, which a sweep runs where --variants names it.

Expected of `small`: 13 to 15 minutes and 1.2 GB (2.1 where it has to be compiled first) on one core
of a fast machine (a server of 2025) with another run beside it, and once 2 to 6 minutes for a
judge. Of `full`: not measured (no accelerator was at hand).
"""

from experiments.colour import SHOWN, SVHN_STANDIN, VIEWS, config_of, draw, figures_of
from iae_jax.records.references import Reference
from iae_jax.runs.config import Config, Data

__all__ = ["FIGURES", "FULL", "SHOWN", "VARIANTS", "VIEWS", "draw", "get_config"]

# Of the global and of the local code.
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
NOTES = """
The presets were chosen by the validation split (`train[7000:8000]`, 1,000 images; seed 7, each line
one run):

| code | generator | steps | label agreement | pixel_error_ratio | frechet_sample |
|---|---|---|---|---|---|
| 150D | convolutional, width 32 | 8,000 | 89.4 % | .176 | 122 |
| 150D | residual, width 16, as it is | 6,000 | 90.3 % | .182 | 132 |
| 75D + 1000D | convolutional, width 32 | 8,000 | 81.6 % | .461 | 124 |

That was of splits of shuffled images, where digits of one photo lay on both sides; they are split
in the order of their names since, where such digits are neighbours. Nothing was chosen again.

The residual generator draws no checkerboard. The local code is light and colour, as consistency
asks: it changes each channel's mean over an image (`local_tint`, of values from 0 to 1) about as
much as its pixels (`local_spread`).

What falls short are samples from the prior: `frechet_sample` is nine to fourteen times what it is
between images (`frechet_data`), and some are too bright. With 7,000 images in 150 components, a
discriminator still tells codes from the prior at the last step.
"""


def get_config(variant: str = VARIANTS[0]) -> Config:
    return config_of(variant, CODES, SETS)
