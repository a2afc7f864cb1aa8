"""ALI/BiGAN against IAE with the same encoder, generator and joint discriminator, on a set in the
plane and on the digits.

    python -m iae_jax.launch --config=experiments/ali.py:digits/ali --workdir=runs/digits_ali

    python -m iae_jax.sweep ali

What it is worth to know which code a reconstruction came from: the reconstruction error over that
of random pairs, and how far a code moves when it is decoded and encoded again.

Expected: 8 minutes on one CPU core for three seeds. Measured 2026-12-01, the error over that of
random pairs: in the plane 0.227 ± 0.034 (IAE), 0.140 ± 0.006 (with ALI's discriminator in the place
of that of codes) and 0.162 ± 0.017 (ALI), on the digits 0.507 ± 0.010, 0.513 ± 0.002 and 0.535 ±
0.017.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iae_jax.presets import ali as preset
from iae_jax.records.references import Headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

get_config = preset.get_config
SHOWN = ("pixel_error_ratio", "pixel_error", "random_pair_error", "code_consistency",
         "two_sample_accuracy", "sliced_wasserstein", "frechet_sample", "frechet_data")  # fmt: skip
HEADLINE = tuple(
    Headline("reconstruction error over that of random pairs", "pixel_error_ratio", variant)
    for variant in ("plane/iae", "plane/iae/joint_model", "plane/ali")
)
SIDE = 6  # images of a panel, down and across
MODES = 5  # of the set in the plane


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Of a set in the plane and of the digits: held-out originals, their reconstructions by the
    IAE, by the one with ALI's discriminator in the place of that of codes, and by ALI, and samples
    of each from its prior. Colours in the plane say where the original is. One seed.

    runs: variant -> its folder.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import panels

    names = {"iae": "IAE", "iae/joint_model": "IAE, joint", "ali": "ALI"}
    rows = {"original": ("iae", "x")} | {
        f"{names[model]}: {title}": (model, what)
        for title, what in (("reconstruction", "x_hat"), ("samples", "samples"))
        for model in preset.MODELS
    }
    titles = [f"{name}, {title}" for title in rows for name in preset.SETS]
    with panels(path, len(rows), len(preset.SETS), titles, size=290) as axes:
        for row, (model, what) in zip(axes, rows.values(), strict=True):
            for ax, name in zip(row, preset.SETS, strict=True):
                with np.load(runs[f"{name}/{model}"] / preset.FIGURE_FILE) as file:
                    shown, x = file[what], file["x"]
                if shown.ndim > 2:
                    _draw_images(ax, shown)
                elif what == "samples":
                    _draw_points(ax, shown, MODELS["ALI" if model == "ali" else "IAE"])
                else:
                    _draw_points(ax, shown, _of_modes(x))


def _of_modes(x: np.ndarray) -> np.ndarray:
    """The colour of the nearest mode of the ring, for each point f32[N, 2]."""
    from iae_jax.files.canvas import COLORS

    turns = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi)
    return np.array(COLORS)[np.rint(turns * MODES).astype(int) % MODES]


def _draw_points(ax: "Axes", points: np.ndarray, color: str | np.ndarray) -> None:
    from iae_jax.files.figures import plane

    plane(ax, points, 3.0, "x", size=5, c=color)


def _draw_images(ax: "Axes", images: np.ndarray) -> None:
    tiles = np.pad(images[: SIDE**2, ..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=1)
    lines = [np.concatenate(list(tiles[i : i + SIDE]), 1) for i in range(0, len(tiles), SIDE)]
    ax.imshow(np.concatenate(lines), cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
