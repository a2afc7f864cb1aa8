"""What each part of `iae_best` brings, on MNIST with 100 labels.

    python -m iae_jax.sweep semisupervised_ablation --seeds=3

Each variant is `experiments/semisupervised.py:iae_best/mnist/100` with one part taken out. Measured
on the validation split, by which the parts of `iae_best` are chosen; no number here is of the test
split.

Expected: not measured yet.
"""

from experiments import semisupervised
from iae_jax.config import Config
from iae_jax.types import InputError

SPLIT = "validation"
BASE = "iae_best/mnist/100"
# Field -> value.
CHANGES: dict[str, dict[str, float | bool]] = {
    "best": {},
    "without_consistency": {"consistency_weight": 0.0, "teacher": False},
    "without_teacher": {"teacher": False},
    "without_flipped": {"flipped_weight": 0.0},
    "without_labelled_pairs": {"labelled_share": 0.0},
    "without_recovery": {"recovery_weight": 0.0},
    "without_entropy": {"entropy_weight": 0.0},
}
VARIANTS = tuple(CHANGES)
FIGURES: dict[str, tuple[str, ...]] = {}
SHOWN = semisupervised.SHOWN
NOTES = """
`test_error` is here of the validation split. Not measured yet.
"""


def get_config(variant: str = "best") -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config = semisupervised.get_config(BASE)
    for name, value in CHANGES[variant].items():
        setattr(config.code, name, value)
    return config
