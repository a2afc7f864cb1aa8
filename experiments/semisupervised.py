"""Slides, last table: classification from few labels.

    python -m iae_jax.launch --config=experiments/semisupervised.py:iae_best/mnist/100 \\
        --workdir=runs/best_100

    python -m iae_jax.sweep semisupervised --seeds=5 --variants=iae_best/mnist/100

Variants and methods: `iae_jax/presets/semisupervised.py`. Results say which set they are of.
Choices are made on the end of the training split. `test_error` (%) is of the averaged encoder at
the last step; the prediction is the category of the largest q(y|x).

Without --variants a sweep trains all methods, on the stand-in too: half a day on one core of a fast
machine.

`experiments/semisupervised_ablation.py` measures each part.

Expected: `improved_gan` 79 minutes on one core beside tests (33 at the 30 steps/s that it reached
while that core had no other work), `iae_best` 25 to 34 minutes on one core of a fast machine (a
server of 2025) with another run on the other, 18 on both (24 steps/s), `iae_plain` 21 to 23. On one
core of a slow machine `iae_faithful` 26 to 41 minutes, `supervised` and `full` 4 to 10, and `aae`
32 to 69 (the longest beside tests). Of the stand-in for SVHN, `iae_best` 7 to 10 minutes and
`supervised` 1 on a fast machine, and once 6 for the feature classifier. Not measured yet: 50 and
1,000 labels of MNIST, and all of `svhn_cropped`, whose changes of images are those of the stand-in,
not tuned.
"""

from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.presets import semisupervised as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.paired import Claim, by_seed, compared
from iae_jax.records.references import Headline, Published, Reference

get_config = preset.get_config
FIGURE_MODES = ("traverse",)
ROWS = 6  # of the figure, each with a local code
FIGURES = {"": (preset.SHOWN_VARIANT,)}

BEST_MNIST = Published(0.795, "Bad GAN", 0.098)
# With 100 labels: the aim, and what is published.
MNIST = {
    "aae": (5.0, 1.90),
    "improved_gan": (1.10, 0.93),
    "iae_plain": (1.90, 1.40),
    "iae_faithful": (1.40, 1.40),
    "iae_best": (0.80, 1.40),
}
REFERENCES = {
    **{
        ("test_error", f"{method}/mnist/100"): Reference(
            aim, "lower", "aim", published=Published(value, "slides"), best_known=BEST_MNIST
        )
        for method, (aim, value) in MNIST.items()
    },
    ("test_error", "full/mnist/all"): Reference(0.45, "lower", "aim"),
    ("test_error", "iae_best/svhn_standin/1000"): Reference(12.0, "lower", "aim"),
    ("test_error", "aae/svhn_cropped/1000"): Reference(17.70, "lower", "slides"),
    ("test_error", "improved_gan/svhn_cropped/1000"): Reference(8.11, "lower", "slides"),
    ("test_error", "iae_plain/svhn_cropped/1000"): Reference(9.80, "lower", "slides"),
    ("test_error", "iae_faithful/svhn_cropped/1000"): Reference(
        9.80, "lower", "slides, without virtual adversarial training"
    ),
    ("test_error", "iae_best/svhn_cropped/1000"): Reference(
        9.80, "lower", "slides", best_known=Published(4.25, "Bad GAN", 0.03)
    ),
}
SHOWN = (
    "test_error",
    "frechet_sample",
    "sample_ratio",
    "local_spread",
    "steps_per_second",
    "compile_seconds",
)
HEADLINE = tuple(
    Headline("test error (%)", "test_error", variant, beyond(preset.get_config(variant)))
    for variant in (
        "iae_best/mnist/100",
        "iae_faithful/mnist/100",
        "iae_plain/mnist/100",
        "improved_gan/mnist/100",
        "aae/mnist/100",
        "full/mnist/all",
        "iae_best/svhn_cropped/1000",
        "iae_best/svhn_standin/1000",
    )
)


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """Whether unlabelled images help: each method against `supervised` with the same labels."""
    found: list[Claim] = []
    for variant in by_seed(records, "test_error"):
        method, _, rest = variant.partition("/")
        if method != "supervised":
            text = f"{variant} has a smaller error in % than the same labels alone"
            found += compared(records, "test_error", variant, f"supervised/{rest}", text)
    return found


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Samples of the model that learned from 100 labels: a class in each column, a local code in
    each row. One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    with np.load(runs[preset.SHOWN_VARIANT] / "traversals.npz") as file:
        rows_of_images(path, [("100 labels", list(file["x"][:ROWS]))], preset.CLASSES)
