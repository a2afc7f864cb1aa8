"""Slides, "Regression": least squares and adversarial regression on a conditional with two branches
and a width that depends on the input.

    python -m iae_jax.launch --config=experiments/regression.py:adversarial \\
        --workdir=runs/regression

    python -m iae_jax.sweep regression

Expected: the adversarial samples follow p(y|c), at most a tenth of the energy distance of least
squares, whose answer is the conditional mean, where there is no data. Measured 2026-11-25 (5 seeds,
106 s on 2 CPU cores): 0.0021 ± 0.0009 against 0.6084 ± 0.0009; least squares is 0.005 off the
mean.
"""

import itertools
from pathlib import Path

import numpy as np

from iae_jax.presets import regression as preset
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
SHOWN = ("energy_distance", "worst_energy_distance", "mean_error", "energy_distance_ratio")

REFERENCES = {
    ("mean_error", "least_squares"): Reference(0.03, "lower", "aim: it shows the conditional mean"),
    ("energy_distance_ratio", "adversarial"): Reference(
        0.1, "lower", "aim: a tenth of least squares'", seeds=1.0
    ),
}
HEADLINE = (
    Headline("distance to the data over least squares'", "energy_distance_ratio", "adversarial"),
)


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Data of a conditional p(y|c), the answers of least squares and of adversarial regression
    beside the mean of y given c (grey), and the energy distance of each from the data at each input
    c. One seed.

    runs: variant -> its folder.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import panels

    shown = {}
    for variant in preset.VARIANTS:
        with np.load(runs[variant] / preset.FIGURE_FILE) as file:
            shown[variant.replace("_", " ")] = dict(file)
    c, truth, mean = (shown["adversarial"][name] for name in ("c", "truth", "mean"))
    few = min(60, truth.shape[1])  # points of each input
    clouds = {"data": truth} | {name: one["y"] for name, one in shown.items()}
    with panels(path, 2, 2, [*clouds, "energy distance"]) as axes:
        *planes, distance = itertools.chain(*axes)
        for ax, (name, y) in zip(planes, clouds.items(), strict=True):
            ax.scatter(np.repeat(c, few), y[:, :few], s=3, color=MODELS[name])
            ax.plot(c, mean, color="0.6", label="mean of y")
            ax.set(xlabel="c", ylabel="y", ylim=(-1.6, 1.9))
        planes[0].legend(frameon=False, loc="lower right")
        for name, one in shown.items():
            distance.plot(c, one["distances"], color=MODELS[name], label=name)
        distance.set(xlabel="c", ylabel="in units of y", yscale="log")
        distance.legend(frameon=False)
