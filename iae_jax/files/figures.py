"""Figures of images, of points in the plane and of curves: arrays -> PNG."""

import itertools
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
MIN_WIDTH = 400  # of rows of images: room for their names
MAX_WIDTH = 1200  # of any figure, of which a phone shows every third pixel
GAP = 4  # between two images
GROUP_GAP = 20  # between two groups of rows
MARGIN = 16  # around everything
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
) -> None:
    """Draws rows of originals, of their reconstructions, and of prior samples.

    Images [H, W, 1 or 3] are drawn pixel by pixel, vectors [2] as points of the plane.

    Args:
      path: the PNG.
      x: u8 or f32[N, ...] in [0, 1], or None.
      x_hats: reconstructions of x, an array like x for each draw of the local code; 12 examples are
        drawn, of large images as many as fit.
      samples: like x; the first 20 rows are drawn.

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
        return scatter(path, [points for _, points in clouds], [name for name, _ in clouds])
    if not drawable(shape):
        raise InputError(
            f"x has shape {list(shape)}: only images [H, W, 1 or 3] and vectors [2] can be drawn"
        )
    columns = min(PER_ROW, across(shape), max(len(array) for array in arrays))
    if samples is not None:  # folded into rows
        shown = samples[: columns * MAX_ROWS]
        rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        groups[-1] = (groups[-1][0], rows)
    rows_of_images(path, groups, columns)


def rows_of_images(
    path: Path, groups: Sequence[tuple[str, Sequence[np.ndarray]]], columns: int = PER_ROW
) -> None:
    """Draws groups of rows of images on one canvas, each pixel of an image as a square.

    Args:
      path: the PNG.
      groups: (name, rows); a row is u8 or f32[N, H, W, 1 or 3]. The name stands above ("": none).
      columns: how many images of a row are drawn, if so many fit. See `blocks`.
    """
    height, width = groups[0][1][0].shape[1:3]
    scale, columns = _scale(height, width), min(columns, across((height, width)))
    tile_height, tile_width = scale * height, scale * width
    right = max(MIN_WIDTH, 2 * MARGIN + columns * (tile_width + GAP) - GAP)
    points = canvas.points(right)
    line = round(1.5 * points * canvas.DPI / 72)  # the height of a name
    heights = [line * bool(name) + len(rows) * (tile_height + GAP) - GAP for name, rows in groups]
    bottom = 2 * MARGIN + sum(heights) + GROUP_GAP * (len(groups) - 1)
    pixels = np.full((bottom, right, 3), 255, np.uint8)
    figure, top = canvas.blank(right, bottom), MARGIN
    for name, rows in groups:
        if name:
            middle = 1 - (top + line / 2) / bottom
            figure.text(MARGIN / right, middle, name, fontsize=points, va="center")
            top += line
        for row in rows:
            for column, image in enumerate(row[:columns]):
                left = MARGIN + column * (tile_width + GAP)
                pixels[top : top + tile_height, left : left + tile_width] = _tile(image, scale)
            top += tile_height + GAP
        top += GROUP_GAP - GAP
    figure.figimage(pixels)
    canvas.save(figure, path)


def blocks(x: np.ndarray, columns: int = PER_ROW) -> list[list[np.ndarray]]:
    """Rows of images [R, N, H, W, 1 or 3], in blocks of all rows: of at most so many columns, and
    of no more than fit."""
    count = -(-x.shape[1] // min(columns, across(x.shape[2:])))
    return [list(block) for block in np.array_split(x, count, axis=1)]


def across(shape: Sequence[int]) -> int:
    """How many images [H, W, ...] stand side by side at most; one that is larger is alone."""
    height, width = shape[:2]
    each = _scale(height, width) * width + GAP
    return max(1, (MAX_WIDTH - 2 * MARGIN + GAP) // each)


def _scale(height: int, width: int) -> int:
    """How many pixels an image's pixel has, across and down."""
    return max(1, -(-MIN_TILE // min(height, width)))


def _tile(image: np.ndarray, scale: int) -> np.ndarray:
    """u8 or f32[H, W, 1 or 3] -> u8[scale H, scale W, 3], each pixel a square."""
    image = png_folder.pixels(image).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def scatter(path: Path, points: Sequence[np.ndarray], labels: Sequence[str]) -> None:
    """Draws clouds of points of the plane side by side, on the same axes, which fit the first cloud
    with a margin.

    Args:
      path: the PNG.
      points: f32[N, 2] for each cloud; the first 5,000 are drawn.
      labels: one for each cloud.

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
    with panels(path, 1, len(points), labels, size=330) as axes:
        for i, (ax, cloud) in enumerate(zip(axes[0], points, strict=True)):
            color = canvas.COLORS[i % len(canvas.COLORS)]
            plane(ax, cloud[:MAX_POINTS], reach, "x", middle, size=5, alpha=0.4, color=color)


@contextmanager
def panels(
    path: Path, rows: int, columns: int, titles: Sequence[str], size: int = 300
) -> "Iterator[list[list[Axes]]]":
    """A grid of axes to draw in, whose text can be read on a phone. The figure is written when the
    block ends without an error.

    Args:
      path: the PNG.
      rows, columns: of the grid.
      titles: one for each panel, row by row; panels without one are blank.
      size: pixels a side of a panel, fewer if they do not fit.
    """
    import matplotlib

    size = min(size, MAX_WIDTH // columns)
    with matplotlib.rc_context({"font.size": canvas.points(columns * size)}):
        figure = canvas.blank(columns * size, rows * size)
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax, title in itertools.zip_longest(axes.flat, titles):
            if title is None:
                ax.set_axis_off()
                continue
            ax.set_title(title)
            canvas.style(ax)
        yield [list(row) for row in axes]
        figure.set_layout_engine("constrained")
        canvas.save(figure, path, few_colors=True)


def dots(ax: "Axes", cloud: np.ndarray, size: float = 2, **style: Any) -> Any:
    """Draws points f32[N, 2] of the plane, without outlines."""
    return ax.scatter(cloud[:, 0], cloud[:, 1], s=size, linewidths=0, **style)


def plane(
    ax: "Axes",
    cloud: np.ndarray,
    reach: float,
    name: str,
    middle: Sequence[float] | np.ndarray = (0.0, 0.0),
    **style: Any,
) -> Any:
    """Draws the points f32[N, 2] within `reach` of the middle, says how many are outside, and
    labels the axes. name: of a point. style: of `dots`."""
    (x, y), outside = middle, int(np.sum(~np.all(np.abs(cloud - middle) <= reach, axis=1)))
    if outside:
        ax.text(0.98, 0.02, f"{outside} outside", ha="right", transform=ax.transAxes)
    ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal")
    ax.set(xlabel=f"{name}₁", ylabel=f"{name}₂")
    return dots(ax, cloud, **style)


def band(
    ax: "Axes", x: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray, **style: Any
) -> None:
    """Draws a curve of several seeds or rounds: a line, and their spread from low to high as a
    shade."""
    (line,) = ax.plot(x, middle, "o-", **style)
    ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def labelled(path: Path, points: np.ndarray, labels: np.ndarray) -> None:
    """Draws one cloud of codes of the plane, f32[N, 2], coloured by label i[N] (-1: grey)."""
    with panels(path, 1, 1, [""], size=640) as axes:
        ax = axes[0][0]
        has_label = labels >= 0
        dots(ax, points[~has_label], color="0.7")
        if has_label.any():
            drawn = dots(ax, points[has_label], 4, c=labels[has_label], cmap="tab10")
            legend = drawn.legend_elements()
            ax.legend(*legend, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        ax.set(aspect="equal", xlabel="z₁", ylabel="z₂")
