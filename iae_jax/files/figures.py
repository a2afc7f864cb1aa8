"""Figures: arrays -> PNG.

A figure is written whole or not at all, and the same arrays give the same bytes. Matplotlib is
imported where it is used, and only its file backend: no window, no global state.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iae_jax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE = 64  # an image is drawn with at least this many pixels a side
GAP = 4  # pixels between two images
GROUP_GAP = 20  # pixels between two kinds of rows
PER_ROW = 12  # images of a row
MOST_ROWS = 20  # of prior samples
MARGIN = 16  # pixels, around everything
LABEL_WIDTH = 220  # pixels
TITLE_HEIGHT = 40
FONT_PIXELS = 20
DPI = 100
VALIDATION = "validation_"  # how metrics.jsonl prefixes what was measured on held-out images
MOST_POINTS = 5_000  # of a scatter plot

# Colour-blind safe (Okabe & Ito 2008).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def drawable(shape: Sequence[int]) -> bool:
    """Of one x: images [H, W, 1 or 3] and points [2]."""
    return tuple(shape) == (2,) or (len(shape) == 3 and shape[-1] in (1, 3))


def reconstructions(
    path: Path,
    x: np.ndarray | None,
    x_hats: Sequence[np.ndarray] = (),
    samples: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Rows of originals, of their reconstructions, and of prior samples.

    x: u8 or f32[N, ...] in [0, 1], or None. x_hats: reconstructions of x, one array like x for
    each draw of the local code; the first 12 are drawn. samples: like x, the first 20 rows are
    drawn. Images [H, W, 1 or 3] are drawn pixel by pixel; vectors [2] as points of the plane.
    Errors: InputError for anything else, or if there is nothing to draw.
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
        shown = samples[: columns * MOST_ROWS]
        rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
        groups[-1] = (groups[-1][0], rows)
    rows_of_images(path, groups, columns, title)


def rows_of_images(
    path: Path,
    groups: Sequence[tuple[str, Sequence[np.ndarray]]],
    columns: int = PER_ROW,
    title: str = "",
) -> None:
    """Every image on whole pixels of one canvas, every group's name at its left. groups: (name,
    rows), a row u8 or f32[N, H, W, 1 or 3] of which `columns` are drawn."""
    height, width = groups[0][1][0].shape[1:3]
    scale = max(1, -(-TILE // min(height, width)))
    tile_height, tile_width = scale * height, scale * width
    top = TITLE_HEIGHT if title else MARGIN
    heights = [len(rows) * (tile_height + GAP) - GAP for _, rows in groups]
    bottom = top + sum(heights) + GROUP_GAP * (len(groups) - 1) + MARGIN
    right = LABEL_WIDTH + columns * (tile_width + GAP) - GAP + MARGIN
    canvas = np.full((bottom, right, 3), 255, np.uint8)
    labels = []
    for (name, rows), extent in zip(groups, heights, strict=True):
        labels.append((name, top + extent / 2))
        for row in rows:
            for column, image in enumerate(row[:columns]):
                left = LABEL_WIDTH + column * (tile_width + GAP)
                canvas[top : top + tile_height, left : left + tile_width] = _tile(image, scale)
            top += tile_height + GAP
        top += GROUP_GAP - GAP

    figure = _figure(canvas.shape[1], canvas.shape[0])
    figure.figimage(canvas)
    points = FONT_PIXELS * 72 / DPI

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / canvas.shape[1], 1 - y / canvas.shape[0], text, fontsize=points, **style)

    for name, middle in labels:
        write(LABEL_WIDTH - 16, middle, name, ha="right", va="center")
    if title:
        write(LABEL_WIDTH, TITLE_HEIGHT / 2, title, ha="left", va="center", weight="bold")
    _save(figure, path)


def _tile(image: np.ndarray, scale: int) -> np.ndarray:
    """u8 or f32[H, W, 1 or 3] -> u8[scale H, scale W, 3], each pixel a square."""
    if image.dtype != np.uint8:
        image = np.rint(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    image = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def curves(path: Path, lines: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """What metrics.jsonl says, by step: losses, their discriminators, logits, validation.

    lines: mappings with "step" and numbers; a name that a line lacks is a gap in its curve.
    """
    names = sorted({name for line in lines for name in line} - {"step", "seconds"})
    panels: dict[str, list[str]] = {}
    for name in names:
        panels.setdefault(_panel(name), []).append(name)
    # What a reader looks for first stands at the top.
    ordered = sorted(panels.items(), key=lambda item: ("validation" not in item[0], item[0]))
    count = max(1, len(panels))
    height = 260 * count + 60 * bool(title)
    figure = _figure(1000, height)
    # By hand: a layout engine draws everything three times, and a run draws this again and again.
    figure.subplots_adjust(
        left=0.08,
        right=0.65,
        bottom=50 / height,
        top=1 - (40 + 60 * bool(title)) / height,
        hspace=0.22,
    )
    axes = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    for ax, (panel, members) in zip(axes, ordered, strict=False):
        for i, name in enumerate(members):
            rows = [(line["step"], line[name]) for line in lines if _drawn(line.get(name))]
            if rows:
                marker = "o" if len(rows) < 30 else None
                ax.plot(
                    *zip(*rows, strict=True),
                    color=COLORS[i % len(COLORS)],
                    label=name,
                    linestyle=("-", "--", ":")[i // len(COLORS) % 3],
                    marker=marker,
                    markersize=3.5,
                    linewidth=1.6,
                )
        _clean(ax)
        ax.set_title(panel, loc="left", fontsize=11)
        _legend(ax)
    axes[-1].set_xlabel("step")
    if title:
        figure.suptitle(title, fontsize=12, weight="bold")
    _save(figure, path)


def _panel(name: str) -> str:
    """Curves of one unit and scale share a panel; a validation metric has one of its own."""
    if name.startswith(VALIDATION):
        return f"validation: {name.removeprefix(VALIDATION).replace('_', ' ')}"
    if name.endswith("_logit"):
        return "logits"
    if name.endswith("gradient_norm"):
        return "norms of gradients"
    return f"losses of {'discriminators' if 'discriminator' in name else 'encoder and generator'}"


def _drawn(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def scatter(
    path: Path, points: Sequence[np.ndarray], labels: Sequence[str], title: str = ""
) -> None:
    """Clouds of points of the plane, side by side on the same axes.

    points: each f32[N, 2]; the first 5,000 are drawn. labels: one a cloud. The axes fit the
    first cloud with a margin; what lies outside is counted in the panel's title.
    """
    if not points or len(points[0]) == 0:
        raise InputError("there is nothing to draw: give at least one cloud of points")
    for cloud in points:
        if cloud.ndim != 2 or cloud.shape[1] != 2:
            raise InputError(f"points have shape {list(cloud.shape)}: only [N, 2] can be drawn")
    middle = (points[0].max(axis=0) + points[0].min(axis=0)) / 2
    reach = max(float(np.ptp(points[0], axis=0).max()) * 0.6, 1e-3)
    figure = _figure(330 * len(points) + 30, 360 + 40 * bool(title))
    axes = figure.subplots(1, len(points), squeeze=False, sharex=True, sharey=True)[0]
    for i, (ax, cloud, label) in enumerate(zip(axes, points, labels, strict=True)):
        cloud = cloud[:MOST_POINTS]
        outside = int(np.sum(~np.all(np.abs(cloud - middle) <= reach, axis=1)))
        ax.scatter(*cloud.T, s=5, alpha=0.4, color=COLORS[i % len(COLORS)], linewidths=0)
        ax.set_title(label + (f" ({outside} outside)" if outside else ""), fontsize=11)
        ax.set_xlim(middle[0] - reach, middle[0] + reach)
        ax.set_ylim(middle[1] - reach, middle[1] + reach)
        ax.set_aspect("equal")
        _clean(ax)
    _finish(figure, path, title)


@contextmanager
def panels(
    path: Path, rows: int, columns: int, titles: Sequence[str], size: int = 300
) -> "Iterator[list[list[Axes]]]":
    """A grid of axes to draw in; the figure is written when the block ends without an error.

    titles: one a panel, row by row ("" for none). size: pixels a side of a panel.
    """
    figure = _figure(columns * size, rows * size)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.set_title(title, fontsize=11)
        _clean(ax)
    yield [list(row) for row in axes]
    # 256 colours: a third of the size for a cloud of dots.
    _finish(figure, path, "", few_colors=True)


def dots(ax: "Axes", cloud: np.ndarray, size: float = 2, **style: Any) -> Any:
    """Points f32[N, 2] of the plane, without outlines."""
    return ax.scatter(cloud[:, 0], cloud[:, 1], s=size, linewidths=0, **style)


def labelled(path: Path, points: np.ndarray, labels: np.ndarray) -> None:
    """One cloud of points of the plane, f32[N, 2], coloured by label i[N] (-1: grey)."""
    with panels(path, 1, 1, [""], size=640) as axes:
        ax = axes[0][0]
        known = labels >= 0
        dots(ax, points[~known], color="0.7")
        if known.any():
            drawn = dots(ax, points[known], 4, c=labels[known], cmap="tab10")
            ax.legend(
                *drawn.legend_elements(),
                fontsize=8,
                frameon=False,
                loc="upper left",
                bbox_to_anchor=(1, 1),
            )
        ax.set_aspect("equal")


def _figure(width: int, height: int) -> "Figure":
    """A white figure of so many pixels, drawn by the file backend whatever the user's is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Half a pixel more, so that rounding down does not lose one.
    figure = Figure(figsize=((width + 0.5) / DPI, (height + 0.5) / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def _clean(ax: "Axes") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.tick_params(labelsize=9)


def _legend(ax: "Axes") -> None:
    """Beside the curves, not over them; a panel's title names a validation metric already."""
    handles, labels = ax.get_legend_handles_labels()
    if handles and not labels[0].startswith(VALIDATION):
        names = [label.replace("_", " ") for label in labels]
        ax.legend(
            handles, names, frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0)
        )


def _finish(figure: "Figure", path: Path, title: str, few_colors: bool = False) -> None:
    if title:
        figure.suptitle(title, fontsize=12, weight="bold")
    figure.set_layout_engine("constrained")
    _save(figure, path, few_colors)


def _save(figure: "Figure", path: Path, few_colors: bool = False) -> None:
    """Atomically, and without the version and date that would change the bytes."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    plain = {"Software": None}
    try:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white", metadata=plain)
        if few_colors:
            image = Image.open(temporary).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            image.save(temporary, format="png", optimize=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
