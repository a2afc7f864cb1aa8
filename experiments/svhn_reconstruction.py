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

from experiments import colour, controls
from iae_jax.presets import svhn_reconstruction as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
SHOWN, FIGURE_MODES, draw = colour.SHOWN, colour.FIGURE_MODES, colour.draw
table, claims = controls.table, controls.claims
FIGURES = colour.figures_of(preset.VARIANTS + preset.FULL)

REFERENCES = {
    (metric, variant): reference
    for variant in preset.VARIANTS
    if "standin" in variant
    for metric, reference in (
        ("label_agreement", Reference(0.85, "higher", "aim")),
        ("sample_ratio", Reference(4.0, "lower", "aim")),
    )
}
HEADLINE = tuple(
    Headline(
        "reconstructions in which a classifier sees the same digit (share); "
        "Fréchet distance of samples over that of other real images; "
        "accuracy of telling codes from the prior (chance: 0.5)",
        "label_agreement",
        variant,
        beyond(preset.get_config(variant)),
        ("sample_ratio", "two_sample_accuracy"),
    )
    for variant in preset.VARIANTS
)
