"""Ablation of `iae_best` and `iae_faithful` on MNIST with 100 labels: each without one part.

    python -m iae_jax.sweep semisupervised_ablation --seeds=1

A variant is METHOD/CHANGE: the variant of `experiments/semisupervised.py` for MNIST and 100 labels
with 2,000 steps and a quarter of its phases (but for the 100 steps in which labels name the
clusters), as it is or with one part removed or added. It is measured on the validation split, with
which the variants were chosen, and with other draws of the labels than the reported ones: seeds
from 100 on. The variants were tuned with draw 100, which favours them as they are. No number is of
the test split but the accuracy of the feature classifier itself.

Expected: 5 to 9 minutes for a run on one core of a slow machine (two at once), 1 for `supervised`;
the times in the records are longer where tests ran at the same time.
"""

from operator import attrgetter
from typing import Any

from experiments import semisupervised
from iae_jax.errors import InputError
from iae_jax.records.references import Headline
from iae_jax.runs.config import Config

SPLIT = "validation"
FIRST_SEED = 100
STEPS = 2000
WITHOUT_GENERATOR = {
    "reconstruction.kind": "none",
    "reconstruction.labelled_share": 0.0,
    "auxiliary.sleep.weight.value": 0.0,
}
# Variant -> fields of the config and their values. The names are those of the records, where
# `flipped` is the sleep loss.
CHANGES: dict[str, dict[str, Any]] = {
    "iae_best/as_it_is": {},
    "iae_best/without_generator": WITHOUT_GENERATOR,
    "iae_best/without_consistency": {
        "auxiliary.consistency.weight.value": 0.0,
        "auxiliary.consistency.teacher": False,
    },
    "iae_best/without_teacher": {"auxiliary.consistency.teacher": False},
    "iae_best/without_flipped": {"auxiliary.sleep.weight.value": 0.0},
    "iae_best/without_labelled_pairs": {"reconstruction.labelled_share": 0.0},
    "iae_best/without_marginal": {
        "auxiliary.marginal.weight.value": 0.0,
        "auxiliary.marginal.weight.start": 0.0,
    },
    "iae_best/with_all_the_marginal": {"auxiliary.marginal.weight.value": 4.0},
    "iae_best/without_entropy": {"auxiliary.entropy.weight.value": 0.0},
    "iae_best/with_all_the_labels_weight": {"auxiliary.labels.weight.value": 1.0},
    "iae_best/without_changed_labelled": {"auxiliary.labels.augment": False},
    "iae_best/shifts_alone": {"affine.rotation": 0.0, "affine.scale": 0.0, "affine.shear": 0.0},
    "iae_best/with_pixel_noise": {"affine.noise": 0.3},
    "iae_faithful/as_it_is": {},
    "iae_faithful/without_generator": WITHOUT_GENERATOR,
    "iae_faithful/without_consistency": {"auxiliary.consistency.weight.value": 0.0},
    "iae_faithful/without_flipped": {"auxiliary.sleep.weight.value": 0.0},
    "supervised/as_it_is": {},
    "supervised/without_changed_labelled": {"auxiliary.labels.augment": False},
}
VARIANTS = tuple(CHANGES)
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = ("validation_error", *semisupervised.SHOWN[1:])
HEADLINE = tuple(
    Headline("validation error after 2,000 steps (%)", "validation_error", variant)
    for variant in ("iae_best/as_it_is", "iae_best/without_generator")
)


def get_config(variant: str = VARIANTS[0]) -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config = semisupervised.get_config(f"{variant.split('/')[0]}/mnist/100")
    for field, value in CHANGES[variant].items():
        part, _, name = field.rpartition(".")
        setattr(attrgetter(part)(config), name, value)
    config.steps = STEPS
    config.auxiliary.marginal.weight.start_steps //= 4
    config.auxiliary.sleep.weight.start_steps //= 4
    return config
