"""Slides, Fig. 6: MNIST clustered without labels, and the style in a local code.

    python -m iae_jax.launch --config=experiments/mnist_clustering.py:k30 \\
        --workdir=runs/clusters_30

    python -m iae_jax.sweep mnist_clustering --seeds=3

The global code is one of K categories (the variants: 10, 16, 30), the local code is Gaussian.
No label is read in training. Reconstruction is the IAE's; KL(q(y) || p(y)) is exact for a batch and
needs no discriminator. Auxiliary losses ask that an image and an affine change of it have the same
category, that q(y|x) is certain (Hu et al. 2017), and that the encoder reads from a generated image
the category that it was generated from (code information).

Expected: 6 minutes on 2 fast CPU cores for a run, four times that on slow ones.
"""

from pathlib import Path

import numpy as np

from iae_jax.errors import InputError
from iae_jax.records.references import Headline, Published, Reference
from iae_jax.runs.config import Config

CATEGORIES = {f"k{number}": number for number in (10, 16, 30)}
VARIANTS = tuple(CATEGORIES)
VIEWS = ("traverse",)  # what the figure is made of
ROWS = 6  # of the figure, each with a local code

REFERENCES = {
    ("cluster_accuracy", "k10"): Reference(
        0.92, "higher", "aim", best_known=Published(0.984, "IIC, mean of its runs", 0.0065)
    ),
    ("cluster_accuracy", "k30"): Reference(
        0.96, "higher", "aim", published=Published(0.947, "PixelGAN autoencoder")
    ),
}
HEADLINE = tuple(
    Headline(
        "accuracy of clusters (share)",
        "cluster_accuracy",
        variant,
        "entropy of the category, consistency, code information",
    )
    for variant in ("k10", "k30")
)
SHOWN = (
    "cluster_accuracy",
    "nmi",
    "ari",
    "category_usage",
    "category_entropy",
    "label_agreement",
    "local_spread",
    "frechet_sample",
    "frechet_data",
    "steps_per_second",
    "compile_seconds",
    "peak_memory_megabytes",
)


def get_config(variant: str = "k30") -> Config:
    if variant not in CATEGORIES:
        raise InputError(f"a variant is one of {', '.join(CATEGORIES)}, not {variant!r}")
    config = Config(steps=3_600, batch_size=128, turns="alternating")
    config.data.name = "mnist"
    config.data.train, config.data.validation = "train[:55000]", "train[55000:]"
    config.code.size, config.code.categories = 0, CATEGORIES[variant]
    config.auxiliary.code_information.weight.value = 0.1
    config.generator.noise = 50
    for player in (config.encoder, config.generator, config.reconstruction):
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    # No discriminator of codes: auxiliary.marginal is the exact KL of the categories.
    config.regularization.kind = "none"
    config.reconstruction.r1 = 0.1
    config.reconstruction.numerator_weight = 0.05
    config.auxiliary.marginal.weight.value = 2.0
    config.auxiliary.entropy.weight.value = 0.5
    # With a smaller weight, some clusters keep two digits.
    config.auxiliary.consistency.weight.value = 3.0
    return config


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Fig. 6: a column for each cluster, a local code for each row. runs: variant -> workdir."""
    from iae_jax.files.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    for variant, categories in CATEGORIES.items():
        with np.load(runs[variant] / "traversals.npz") as file:
            groups.append((f"K = {categories}", list(file["x"][:ROWS])))
    rows_of_images(path, groups, max(CATEGORIES.values()))
