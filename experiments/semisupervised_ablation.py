"""What each part of `iae_best` brings, on MNIST with 100 labels.

    python -m iae_jax.sweep semisupervised_ablation --first_seed=100 --seeds=3

Each variant is `experiments/semisupervised.py:iae_best/mnist/100` with one part taken out. Measured
on the validation split, by which the parts of `iae_best` are chosen, and with other draws of the
labels than those that are reported. No number here is of the test split but the judge's own.

Expected: not measured yet.
"""

import dataclasses
from typing import Any

from experiments import semisupervised
from iae_jax.config import Config
from iae_jax.types import InputError

SPLIT = "validation"
BASE = "iae_best/mnist/100"
# Field -> value.
CHANGES: dict[str, dict[str, Any]] = {
    "best": {},
    "without_consistency": {"consistency_weight": 0.0, "teacher": False},
    "without_teacher": {"teacher": False},
    "without_flipped": {"flipped_weight": 0.0},
    "without_labelled_pairs": {"labelled_share": 0.0},
    "without_marginal": {"marginal_weight": 0.0, "marginal_start_weight": 0.0},
    "without_a_later_marginal": {"marginal_weight": 4.0},
    "without_entropy": {"entropy_weight": 0.0},
    "without_a_later_label": {"label_weight": 1.0},
    "without_changed_labelled": {"change_labelled": False},
}
VARIANTS = tuple(CHANGES)
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = ("validation_error", *semisupervised.SHOWN[1:])
NOTES = """
Not measured yet.
"""


def get_config(variant: str = "best") -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config = semisupervised.get_config(BASE)
    config.code = dataclasses.replace(config.code, **CHANGES[variant])
    return config
