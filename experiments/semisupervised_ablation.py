"""What each part of `iae_best` and `iae_faithful` brings, on MNIST with 100 labels.

    python -m iae_jax.sweep semisupervised_ablation --first_seed=100 --seeds=2

A variant is METHOD/CHANGE: the preset of `experiments/semisupervised.py` for MNIST and 100 labels
in half its steps, as it is or with one part taken out or put in. Measured on the validation split,
by which the presets are chosen, and with other draws of the labels than those that are reported. No
number here is of the test split but the judge's own.

Expected: not measured yet.
"""

import dataclasses
from typing import Any

from experiments import semisupervised
from iae_jax.config import Config
from iae_jax.types import InputError

SPLIT = "validation"
# Variant -> fields of the config's code and their values.
CHANGES: dict[str, dict[str, Any]] = {
    "iae_best/as_it_is": {},
    "iae_best/without_consistency": {"consistency_weight": 0.0, "teacher": False},
    "iae_best/without_teacher": {"teacher": False},
    "iae_best/without_flipped": {"flipped_weight": 0.0},
    "iae_best/without_labelled_pairs": {"labelled_share": 0.0},
    "iae_best/without_marginal": {"marginal_weight": 0.0, "marginal_start_weight": 0.0},
    "iae_best/with_all_the_marginal": {"marginal_weight": 4.0},
    "iae_best/without_entropy": {"entropy_weight": 0.0},
    "iae_best/with_all_the_labels_weight": {"label_weight": 1.0},
    "iae_best/without_changed_labelled": {"change_labelled": False},
    "iae_faithful/as_it_is": {},
    "iae_faithful/without_consistency": {"consistency_weight": 0.0},
    "iae_faithful/without_flipped": {"flipped_weight": 0.0},
    "supervised/as_it_is": {},
    "supervised/with_changed_labelled": {"change_labelled": True},
}
VARIANTS = tuple(CHANGES)
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = ("validation_error", *semisupervised.SHOWN[1:])
NOTES = """
Not measured yet.
"""


def get_config(variant: str = VARIANTS[0]) -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config = semisupervised.get_config(f"{variant.split('/')[0]}/mnist/100")
    config.steps //= 2
    config.code = dataclasses.replace(config.code, **CHANGES[variant])
    return config
