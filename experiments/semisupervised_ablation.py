"""Ablation of `iae_best`, `iae_faithful` and `improved_gan` on MNIST with 100 labels: each without
one part.

    python -m iae_jax.sweep semisupervised_ablation --seeds=1

Variants: `iae_jax/presets/semisupervised_ablation.py`. Each is measured on the validation split,
with which the variants were chosen, and with other draws of the labels than the reported ones:
seeds from 100 on. The variants were tuned with draw 100, which favours them as they are. No number
is of the test split but the accuracy of the feature classifier itself.

Expected: 5 to 9 minutes for a run on one core of a slow machine (two at once), 1 for `supervised`;
the times in the records are longer where tests ran at the same time. The variants of `improved_gan`
are not measured yet.
"""

from experiments import semisupervised
from iae_jax.presets import semisupervised_ablation as preset
from iae_jax.records.references import Headline

get_config = preset.get_config
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = ("validation_error", *semisupervised.SHOWN[1:])
HEADLINE = tuple(
    Headline(f"validation error after {steps} steps (%)", "validation_error", variant)
    for variant, steps in (
        ("iae_best/as_it_is", "2,000"),
        ("iae_best/without_generator", "2,000"),
        ("improved_gan/as_it_is", "15,000"),
        ("improved_gan/free_scales", "15,000"),
    )
)
