"""iae_best, iae_faithful and improved_gan on MNIST with 100 labels, each without one part.

A variant is METHOD/CHANGE: the variant of `semisupervised` for MNIST and 100 labels with 2,000
steps (of improved_gan a quarter, 15,000) and a quarter of its phases (but for the 100 steps in
which labels name the clusters), as it is or with one part removed or added.
"""

from typing import Any

from iae_jax.errors import InputError
from iae_jax.presets import semisupervised
from iae_jax.runs.config import Config
from iae_jax.runs.config_changes import set_fields

SPLIT = "validation"
FIRST_SEED = 100
STEPS, IMPROVED_GAN_STEPS = 2000, 15_000
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
    "improved_gan/as_it_is": {},
    "improved_gan/free_scales": {"encoder.network.kind": "free_weight_norm"},
    "improved_gan/without_noise": {"encoder.unit_noise": 0.0, "encoder.pixel_noise": 0.0},
    "improved_gan/without_unit_noise": {"encoder.unit_noise": 0.0},
    "improved_gan/factors_in_place_of_noise": {"encoder.unit_noise": 0.0, "encoder.dropout": 0.5},
    "improved_gan/plain_layers": {
        "encoder.network.kind": "mlp",
        "encoder.unit_noise": 0.0,
        "encoder.dropout": 0.5,
    },
    "improved_gan/labels_in_turn": {"data.labels_in_turn": True},
    "supervised/as_it_is": {},
    "supervised/without_changed_labelled": {"auxiliary.labels.augment": False},
}
VARIANTS = tuple(CHANGES)


def get_config(variant: str = VARIANTS[0]) -> Config:
    if variant not in CHANGES:
        raise InputError(f"a variant is one of {', '.join(CHANGES)}, not {variant!r}")
    config = semisupervised.get_config(f"{variant.split('/')[0]}/mnist/100")
    set_fields(config, CHANGES[variant])
    config.steps = IMPROVED_GAN_STEPS if variant.startswith("improved_gan") else STEPS
    config.auxiliary.marginal.weight.start_steps //= 4
    config.auxiliary.sleep.weight.start_steps //= 4
    return config
