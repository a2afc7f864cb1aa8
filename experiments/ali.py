"""ALI/BiGAN against IAE with the same encoder, generator and joint discriminator, on a set in the
plane and on the digits.

    python -m iae_jax.launch --config=experiments/ali.py:digits/ali --workdir=runs/digits_ali

    python -m iae_jax.sweep ali

What it is worth to know which code a reconstruction came from: the reconstruction error over that
of random pairs, and how far a code moves when it is decoded and encoded again.

Expected: 5 minutes on one CPU core for three seeds. Measured 2026-11-25, the error over that of
random pairs: in the plane 0.243 ± 0.088 (IAE) and 0.152 ± 0.012 (ALI), on the digits 0.531 ± 0.009
and 0.537 ± 0.007.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iae_jax.presets import ali as preset
from iae_jax.records.references import Headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

get_config = preset.get_config
FIGURE_MODES: tuple[str, ...] = ()
SHOWN = ("pixel_error_ratio", "pixel_error", "random_pair_error", "code_consistency")
HEADLINE = tuple(
    Headline("reconstruction error over that of random pairs", "pixel_error_ratio", variant)
    for variant in preset.VARIANTS
)
SIDE = 6  # images of a panel, down and across


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Columns: the sets and models. Rows: originals, reconstructions, prior samples. runs: variant
    -> its folder."""
    from iae_jax.files.figures import panels

    rows = {"original": "x", "reconstruction": "x_hat", "prior samples": "samples"}
    names = [variant.split("/") for variant in preset.VARIANTS]
    titles = [f"{name}, {model.upper()}: {row}" for row in rows for name, model in names]
    with panels(path, len(rows), len(preset.VARIANTS), titles, size=290) as axes:
        for column, variant in enumerate(preset.VARIANTS):
            with np.load(runs[variant] / preset.FIGURE_FILE) as file:
                shown = dict(file)
            for row, what in zip(axes, rows.values(), strict=True):
                if shown[what].ndim == 2:
                    # Colour says where the original was.
                    angle = None if what == "samples" else np.arctan2(*shown["x"].T)
                    _draw_points(row[column], shown[what], angle)
                else:
                    _draw_images(row[column], shown[what])


def _draw_points(ax: "Axes", points: np.ndarray, angle: np.ndarray | None) -> None:
    from iae_jax.files.figures import dots

    dots(ax, points, 5, **({"color": "0.3"} if angle is None else {"c": angle, "cmap": "twilight"}))
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")


def _draw_images(ax: "Axes", images: np.ndarray) -> None:
    tiles = np.pad(images[: SIDE**2, ..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=1)
    lines = [np.concatenate(list(tiles[i : i + SIDE]), 1) for i in range(0, len(tiles), SIDE)]
    ax.imshow(np.concatenate(lines), cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
