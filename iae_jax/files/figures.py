"""Figures of images and of points in the plane: arrays -> PNG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iae_jax.errors import InputError
from iae_jax.files import canvas, png_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Lengths are in pixels.
MIN_TILE = 64  # an image is drawn at least this large, by a whole factor
GAP = 4  # between two images
GROUP_GAP = 20  # between two groups of rows
MARGIN = 16  # around everything
LABEL_WIDTH = 220
TITLE_HEIGHT = 40
FONT_PIXELS = 20
PER_ROW = 12  # images
MAX_ROWS = 20  # of prior samples
MAX_POINTS = 5_000  # of a scatter plot


def drawable(shape: Sequence[int]) -> bool:
    """Whether an example of this shape can be drawn: an image [H, W, 1 or 3] or a point [2]."""
    return tuple(shape) == (2,) or (len(shape) == 3 and shape[-1] in (1, 3))


def reconstructions(
    path: Path,
    x: np.ndarray | None,
    x_hats: Sequence[np.ndarray] = (),
    samples: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Draws rows of originals, of their reconstructions, and of prior samples.

    Images [H, W, 1 or 3] are drawn pixel by pixel, vectors [2] as points of the plane.

    Args:
      path: the PNG.
      x: u8 or f32[N, ...] in [0, 1], or None.
      x_hats: reconstructions of x, an array like x for each draw of the local code; 12 examples are
        drawn.
      samples: like x; the first 20 rows are drawn.
      title: above the figure.

    Raises:
      InputError: the examples cannot be drawn, or there are none.
    """
    groups: list[tuple[str, list[np.ndarray]]] = []
    if x is not None:
        groups.append(("original", [x]))
    if len(x_hats):
        name = "reconstruction" if len(x_hats) == 1 else f"{len(x_hats)} reconstructions"
        groups.append((name, list(x_hats)))
    if samples is not None:
        groups.append(("prior samples", [samples]))
    arrays = [array for _, rows in groups for array in rows]
    if not arrays or min(len(array) for array in arrays) == 0:
        raise InputError("there is nothing to draw: give x, x_hats or samples")
    shape = arrays[0].shape[1:]
    if shape == (2,):
        clouds = [(name, np.concatenate(rows)) for name, rows in groups]
        return scatter(path, [points for _, points in clouds], [name for name, _ in clouds], title)
    if not drawable(shape):
        raise InputError(
            f"x has shape {list(shape)}: only images [H, W, 1 or 3] and vectors [2] can be drawn"
        )
    columns = min(PER_ROW, max(len(array) for array in arrays))
    if samples is not None:  # folded into rows
        shown = samples[: columns * MAX_ROWS]
        rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        groups[-1] = (groups[-1][0], rows)
    rows_of_images(path, groups, columns, title)


def rows_of_images(
    path: Path,
    groups: Sequence[tuple[str, Sequence[np.ndarray]]],
    columns: int = PER_ROW,
    title: str = "",
) -> None:
    """Draws groups of rows of images on one canvas, each pixel of an image as a square.

    Args:
      path: the PNG.
      groups: (name, rows); a row is u8 or f32[N, H, W, 1 or 3].
      columns: how many images of a row are drawn.
      title: above the figure.
    """
    height, width = groups[0][1][0].shape[1:3]
    scale = max(1, -(-MIN_TILE // min(height, width)))
    tile_height, tile_width = scale * height, scale * width
    top = TITLE_HEIGHT if title else MARGIN
    heights = [len(rows) * (tile_height + GAP) - GAP for _, rows in groups]
    bottom = top + sum(heights) + GROUP_GAP * (len(groups) - 1) + MARGIN
    right = LABEL_WIDTH + columns * (tile_width + GAP) - GAP + MARGIN
    pixels = np.full((bottom, right, 3), 255, np.uint8)
    labels = []
    for (name, rows), extent in zip(groups, heights, strict=True):
        labels.append((name, top + extent / 2))
        for row in rows:
            for column, image in enumerate(row[:columns]):
                left = LABEL_WIDTH + column * (tile_width + GAP)
                pixels[top : top + tile_height, left : left + tile_width] = _tile(image, scale)
            top += tile_height + GAP
        top += GROUP_GAP - GAP

    figure = canvas.blank(right, bottom)
    figure.figimage(pixels)
    points = FONT_PIXELS * 72 / canvas.DPI

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / right, 1 - y / bottom, text, fontsize=points, **style)

    for name, middle in labels:
        write(LABEL_WIDTH - 16, middle, name, ha="right", va="center")
    if title:
        write(LABEL_WIDTH, TITLE_HEIGHT / 2, title, ha="left", va="center", weight="bold")
    canvas.save(figure, path)


def _tile(image: np.ndarray, scale: int) -> np.ndarray:
    """u8 or f32[H, W, 1 or 3] -> u8[scale H, scale W, 3], each pixel a square."""
    image = png_folder.pixels(image).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def scatter(
    path: Path, points: Sequence[np.ndarray], labels: Sequence[str], title: str = ""
) -> None:
    """Draws clouds of points of the plane side by side, on the same axes.

    The axes fit the first cloud with a margin. Points outside are counted in the panel's title.

    Args:
      path: the PNG.
      points: f32[N, 2] for each cloud; the first 5,000 are drawn.
      labels: one for each cloud.
      title: above the figure.

    Raises:
      InputError: there is no cloud, or one has another shape.
    """
    if not points or len(points[0]) == 0:
        raise InputError("there is nothing to draw: give at least one cloud of points")
    for cloud in points:
        if cloud.ndim != 2 or cloud.shape[1] != 2:
            raise InputError(f"points have shape {list(cloud.shape)}: only [N, 2] can be drawn")
    middle = (points[0].max(axis=0) + points[0].min(axis=0)) / 2
    reach = max(float(np.ptp(points[0], axis=0).max()) * 0.6, 1e-3)
    figure = canvas.blank(330 * len(points) + 30, 360 + 40 * bool(title))
    axes = figure.subplots(1, len(points), squeeze=False, sharex=True, sharey=True)[0]
    for i, (ax, cloud, label) in enumerate(zip(axes, points, labels, strict=True)):
        cloud = cloud[:MAX_POINTS]
        outside = int(np.sum(~np.all(np.abs(cloud - middle) <= reach, axis=1)))
        color = canvas.COLORS[i % len(canvas.COLORS)]
        ax.scatter(*cloud.T, s=5, alpha=0.4, color=color, linewidths=0)
        ax.set_title(label + (f" ({outside} outside)" if outside else ""), fontsize=11)
        ax.set_xlim(middle[0] - reach, middle[0] + reach)
        ax.set_ylim(middle[1] - reach, middle[1] + reach)
        ax.set_aspect("equal")
        canvas.style(ax)
    canvas.save_with_layout(figure, path, title)


@contextmanager
def panels(
    path: Path, rows: int, columns: int, titles: Sequence[str], size: int = 300
) -> "Iterator[list[list[Axes]]]":
    """A grid of axes to draw in. The figure is written when the block ends without an error.

    Args:
      path: the PNG.
      rows, columns: of the grid.
      titles: one for each panel, row by row ("" for none).
      size: pixels a side of a panel.
    """
    figure = canvas.blank(columns * size, rows * size)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.set_title(title, fontsize=11)
        canvas.style(ax)
    yield [list(row) for row in axes]
    canvas.save_with_layout(figure, path, few_colors=True)


def dots(ax: "Axes", cloud: np.ndarray, size: float = 2, **style: Any) -> Any:
    """Draws points f32[N, 2] of the plane, without outlines."""
    return ax.scatter(cloud[:, 0], cloud[:, 1], s=size, linewidths=0, **style)


def labelled(path: Path, points: np.ndarray, labels: np.ndarray) -> None:
    """Draws one cloud of points of the plane, f32[N, 2], coloured by label i[N] (-1: grey)."""
    with panels(path, 1, 1, [""], size=640) as axes:
        ax = axes[0][0]
        has_label = labels >= 0
        dots(ax, points[~has_label], color="0.7")
        if has_label.any():
            drawn = dots(ax, points[has_label], 4, c=labels[has_label], cmap="tab10")
            ax.legend(
                *drawn.legend_elements(),
                fontsize=8,
                frameon=False,
                loc="upper left",
                bbox_to_anchor=(1, 1),
            )
        ax.set_aspect("equal")
