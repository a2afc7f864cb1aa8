"""Slides, Fig. 6: MNIST clustered without labels, and the style in a local code.

    python -m iae_jax.launch --config=experiments/mnist_clustering.py:k30 \\
        --workdir=runs/clusters_30

    python -m iae_jax.sweep mnist_clustering --seeds=3

Expected: 6 minutes on 2 fast CPU cores for a run, four times that on slow ones.
"""

from pathlib import Path

import numpy as np

from iae_jax.presets import mnist_clustering as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.references import Headline, Published, Reference

get_config = preset.get_config
FIGURE_MODES = ("traverse",)  # what the figure is made of
ROWS, COLUMNS = 4, 10  # of the figure: local codes, clusters

REFERENCES = {
    ("cluster_accuracy", "k10"): Reference(
        0.92, "higher", "aim", best_known=Published(0.984, "IIC, mean of its runs", 0.0065)
    ),
    ("cluster_accuracy", "k30"): Reference(
        0.96, "higher", "aim", published=Published(0.947, "PixelGAN autoencoder")
    ),
}
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
    "sample_ratio",
    "steps_per_second",
    "compile_seconds",
    "peak_memory_megabytes",
)
HEADLINE = tuple(
    Headline(
        "accuracy of clusters (share)",
        "cluster_accuracy",
        variant,
        beyond(preset.get_config(variant)),
    )
    for variant in ("k10", "k30")
)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Samples of models with 10, 16 and 30 clusters, a column for each cluster, a local code for
    each row. One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    named = {f"K = {categories}": runs[name] for name, categories in preset.CATEGORIES.items()}
    groups = [one for title, workdir in named.items() for one in by_category(title, workdir)]
    rows_of_images(path, groups, COLUMNS)


def by_category(title: str, workdir: Path) -> list[tuple[str, list[np.ndarray]]]:
    """The samples of each category of a run, in blocks, since a phone shows no more columns."""
    from iae_jax.files.figures import blocks

    with np.load(workdir / "traversals.npz") as file:
        x = file["x"][:ROWS]
    return [("" if i else title, block) for i, block in enumerate(blocks(x, COLUMNS))]
