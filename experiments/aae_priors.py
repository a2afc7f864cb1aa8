"""Slides, "Code space of MNIST": adversarial autoencoders whose code follows a 2-D Gaussian, a
mixture of ten Gaussians, and a swiss roll.

    python -m iae_jax.launch --config=experiments/aae_priors.py:swiss_roll --workdir=runs/roll
    python -m iae_jax.sweep aae_priors

Needs MNIST (`python -m iae_jax.data.prepare mnist`). Distances between q(z) and p(z) are of the
codes of held-out images: how often a classifier tells them apart (0.5: never), and the sliced
Wasserstein distance, each beside the same for two independent samples of the prior.

Expected: two-sample accuracy at most 0.60; 31 minutes on one CPU core for three seeds. Measured
2026-11-25, so: 0.548 ± 0.006 (Gaussian), 0.568 ± 0.001 (mixture), 0.558 ± 0.013 (swiss roll), at
most 0.572 in any seed; 0.50 ± 0.01 for two samples of a prior.
"""

from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.presets import aae_priors as preset
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config

REFERENCES = {"two_sample_accuracy": Reference(0.60, "lower", "aim; 0.5 is equal")}
SHOWN = (
    "two_sample_accuracy",
    "two_sample_accuracy_prior",
    "sliced_wasserstein",
    "sliced_wasserstein_prior",
)
HEADLINE = tuple(
    Headline(
        "accuracy of telling codes from draws of the prior (chance: 0.5)",
        "two_sample_accuracy",
        variant,
    )
    for variant in ("mixture", "swiss_roll")
)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Codes q(z) of held-out images, coloured by digit, and draws of their prior p(z), for each of
    three priors. One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import panels, plane

    titles = [f"{what}: {name.replace('_', ' ')}" for name in runs for what in ("q(z)", "p(z)")]
    with panels(path, len(runs), 2, titles, size=340) as axes:
        for (left, right), workdir in zip(axes, runs.values(), strict=True):
            with np.load(workdir / preset.FIGURE_FILE) as file:
                codes, labels, prior = file["codes"], file["labels"], file["prior"]
            reach = 1.1 * np.abs(prior).max()
            color: dict[str, Any] = {"c": labels, "cmap": "tab10", "vmin": 0, "vmax": 9}
            drawn = plane(left, codes, reach, "z", **color)
            plane(right, prior, reach, "z", color="0.3")
        close: dict[str, Any] = {"handlelength": 0.5, "handletextpad": 0.3, "columnspacing": 1}
        axes[0][0].figure.legend(
            *drawn.legend_elements(),
            title="digit",
            ncols=10,
            loc="outside lower center",
            frameon=False,
            **close,
        )
