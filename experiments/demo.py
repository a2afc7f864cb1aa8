"""The demo of `make demo`: a deterministic implicit autoencoder of 8x8 digits.

    python -m iae_jax.launch --config=demo --workdir=runs/demo
    python -m iae_jax.sweep demo --seeds=3

The settings were chosen on the validation split, with seed 0.

Expected: 1 to 1.5 minutes for a training on one CPU core.
"""

from typing import Any

from iae_jax.presets import demo as preset
from iae_jax.records.paired import Claim, by_seed, difference
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
REFERENCES = {
    "label_agreement": Reference(0.9, "higher", "aim"),
    "sample_ratio": Reference(1.5, "lower", "aim"),
}
SHOWN = (
    "label_agreement", "label_agreement_pca", "pixel_error", "pixel_error_pca", "frechet_sample",
    "frechet_reconstruction", "frechet_data", "sample_ratio", "two_sample_accuracy",
)  # fmt: skip
HEADLINE = (
    Headline(
        "8x8 digits: reconstructions of the same class (share); Fréchet distance of samples over "
        "that of other real images",
        "label_agreement",
        preset.VARIANTS[0],
        beside=("sample_ratio",),
    ),
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether ten components say more here than ten principal ones."""
    ours, theirs = (by_seed(records, name) for name in ("pixel_error", "pixel_error_pca"))
    found = difference(ours.get(preset.VARIANTS[0], {}), theirs.get(preset.VARIANTS[0], {}))
    if found is None:
        return []
    text = "reconstructions are nearer to x than those by as many principal components"
    return [(f"{text} ({found.text})", found.above(0.0))]
