"""Slides, Fig. 3: SVHN with a deterministic code of 150, and with 75 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/svhn_reconstruction.py:\\
deterministic_150/full/svhn_cropped --workdir=runs/svhn_150

    python -m iae_jax.sweep svhn_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/svhn_cropped,global_75_local_1000/small/svhn_cropped

Variants: `iae_jax/presets/svhn_reconstruction.py`. Results say which set they are of. A sweep runs
those of the scale `full` only if --variants names them.

Expected of `small`: 13 to 15 minutes and 1.2 GB (2.1 where it has to be compiled first) on one core
of a fast machine (a server of 2025) with another run beside it, and once 2 to 6 minutes for the
feature classifier. `full` is not measured yet: it needs an accelerator.
"""

from experiments.colour import BEYOND, SHOWN, VIEWS, draw, figures_of
from iae_jax.presets.svhn_reconstruction import (
    FULL,
    VARIANTS,
    get_config,
)
from iae_jax.records.references import Headline, Reference

__all__ = ["FIGURES", "FULL", "HEADLINE", "SHOWN", "VARIANTS", "VIEWS", "draw", "get_config"]
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
