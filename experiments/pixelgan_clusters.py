"""Slides, autoregressive decoders: PixelGAN autoencoders of binarized MNIST, and the clusters that
they find.

    python -m iae_jax.launch --config=experiments/pixelgan_clusters.py:k30 --workdir=runs/pixelgan
    python -m iae_jax.sweep pixelgan_clusters --seeds=3

Needs MNIST (`python -m iae_jax.data.prepare mnist`). A sample costs 784 passes of the decoder, so
that few images are reconstructed (`label_agreement` is of 100); `distortion`, -E log p(x|z) in
nats, is of all.

Expected, not measured yet: 25 to 40 minutes on 2 CPU cores for a run, and 5 for its figure.
"""

from pathlib import Path

from experiments.mnist_clustering import COLUMNS, by_category
from iae_jax.presets import pixelgan_clusters as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.references import Headline, Published, Reference

get_config = preset.get_config
FIGURE_MODES = ("traverse",)  # what the figure is made of
FIGURES = {"": preset.CLUSTERS}
REFERENCES = {
    ("cluster_accuracy", "k30"): Reference(
        0.94, "higher", "aim", published=Published(0.947, "PixelGAN autoencoder", 0.018)
    ),
    ("cluster_accuracy", "k30/imsat"): Reference(0.94, "higher", "aim"),
}
SHOWN = (
    "cluster_accuracy", "nmi", "ari", "category_usage", "category_entropy", "distortion",
    "label_agreement", "code_nearest_accuracy", "two_sample_accuracy", "steps_per_second",
)  # fmt: skip
HEADLINE = tuple(
    Headline(
        "PixelGAN autoencoder: accuracy of clusters (share)",
        "cluster_accuracy",
        variant,
        beyond(preset.get_config(variant)),
    )
    for variant in preset.CLUSTERS
)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Samples of PixelGAN autoencoders, a column for each of 30 categories, the same noise of the
    pixels in each row. One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    groups = [one for variant, workdir in runs.items() for one in by_category(variant, workdir)]
    rows_of_images(path, groups, COLUMNS)
