"""Blank matplotlib figures of a given size in pixels, their colours and size of text, and how they
are saved: whole or not at all, the same drawing as the same bytes.

Matplotlib is imported where it is used, and only its file backend: no window.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from iae_jax.files.atomic import new_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
# Safe for colour-blind readers (Okabe & Ito 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# What one name is drawn in, in every figure.
MODELS = {
    "IAE": COLORS[0], "VAE": COLORS[1], "AAE": COLORS[2], "ALI": COLORS[3], "GAN": COLORS[4],
    "AVB": COLORS[5], "data": COLORS[6],
    # The first terms of an IAE and of a VAE.
    "adversarial": COLORS[0], "least squares": COLORS[1],
    # Programs.
    "ours": COLORS[0], "pythae": "#7F7F7F",
}  # fmt: skip
PHONE = 400  # pixels of a screen's width that a figure may be shown in
LEAST = 8  # of them text has to be high, to be read


def points(width: int) -> float:
    """The size of text, in points, that a phone shows legibly in a figure this many pixels wide."""
    return max(9.0, LEAST * width / PHONE * 72 / DPI)


def blank(width: int, height: int) -> "Figure":
    """A white figure of this many pixels, for the file backend whatever the user's default is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Half a pixel more, so that rounding down does not lose one.
    figure = Figure(figsize=((width + 0.5) / DPI, (height + 0.5) / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def style(ax: "Axes") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)


def save(figure: "Figure", path: Path, few_colors: bool = False) -> None:
    """Writes a PNG atomically, without the version and date that would change its bytes.

    Args:
      figure: the figure.
      path: the file; its folder is made.
      few_colors: write 256 colours, a third of the size for a cloud of dots.
    """
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Software": None}
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=DPI, facecolor="white", metadata=metadata)
        if few_colors:
            image = Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            file.seek(0)
            file.truncate()
            image.save(file, format="png", optimize=True)
