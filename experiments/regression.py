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

from pathlib import Path

import numpy as np

from iae_jax.presets import regression as preset
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
FIGURE_MODES: tuple[str, ...] = ()
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
    """The conditional, both answers, and the energy distance at each input. runs: variant -> its
    folder."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    shown = {}
    for variant in preset.VARIANTS:
        with np.load(runs[variant] / preset.FIGURE_FILE) as file:
            shown[variant] = dict(file)
    c, truth, mean = (shown["adversarial"][name] for name in ("c", "truth", "mean"))
    few = min(60, truth.shape[1])  # points of each input
    clouds = [(truth, COLORS[6])]
    clouds += [(shown[variant]["y"], COLORS[i]) for i, variant in enumerate(preset.VARIANTS)]
    with panels(path, 1, 4, ["data", "least squares", "adversarial", "energy distance"]) as axes:
        for ax, (y, color) in zip(axes[0], clouds, strict=False):
            ax.plot(c, mean, color="0.6", label="E[y|c]")
            ax.scatter(np.repeat(c, few), y[:, :few], s=3, color=color)
            ax.set(xlabel="c", ylabel="y", ylim=(-1.6, 1.9))
        axes[0][0].legend(fontsize="small")
        for variant, color in zip(preset.VARIANTS, COLORS, strict=False):
            axes[0][3].plot(c, shown[variant]["distances"], color=color, label=variant)
        axes[0][3].set(xlabel="c", yscale="log")
        axes[0][3].legend(fontsize="small")
