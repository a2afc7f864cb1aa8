"""Slides, Fig. 4: CelebA with a deterministic code of 150, and with 50 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/celeba_reconstruction.py:\\
deterministic_150/full/celeb_a_64 --workdir=runs/celeba_150

    python -m iae_jax.sweep celeba_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/celeb_a_64,global_50_local_1000/small/celeb_a_64

Variants: `iae_jax/presets/celeba_reconstruction.py`. Results say which set they are of.

Faces have no classes here, so there is no feature classifier: distances are in the features of
`iae_jax/metrics/hog.py`, which are fixed.

Expected of `small`: 23 to 30 minutes and 2.3 GB (1.5 with compiled programs in the cache) on one
core of a fast machine (a server of 2025) with another run beside it. `full` is not measured yet: it
needs an accelerator.
"""

from experiments import colour, controls
from iae_jax.presets import celeba_reconstruction as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
SHOWN, FIGURE_MODES, draw = colour.SHOWN, colour.FIGURE_MODES, colour.draw
table, claims = controls.table, controls.claims
FIGURES = colour.figures_of(preset.VARIANTS + preset.FULL)

REFERENCES = {
    (metric, variant): Reference(value, "lower", "aim")
    for variant in preset.VARIANTS + preset.FULL
    for metric, value in (("pixel_error_ratio", 0.36), ("sample_ratio", 2.0))
}
HEADLINE = tuple(
    Headline(
        "pixel error of reconstructions over that of random pairs; "
        "Fréchet distance of samples over that of other real images; "
        "accuracy of telling codes from the prior (chance: 0.5)",
        "pixel_error_ratio",
        variant,
        beyond(preset.get_config(variant)),
        ("sample_ratio", "two_sample_accuracy"),
    )
    for variant in preset.VARIANTS
)
