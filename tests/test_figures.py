"""Figures: what a reader would see, by reading the PNG's pixels back."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from iae_jax.errors import InputError
from iae_jax.files import canvas, curves, figures

RNG = np.random.default_rng(3)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def holds(canvas, tile):
    """How often a block of pixels stands in a picture, exactly."""
    windows = np.lib.stride_tricks.sliding_window_view(canvas, tile.shape)
    corners = np.argwhere(np.all(windows[:, :, 0, ::7, ::7] == tile[::7, ::7], axis=(2, 3, 4)))
    return sum(
        np.array_equal(canvas[y : y + len(tile), x : x + tile.shape[1]], tile) for y, x in corners
    )


@pytest.mark.parametrize(("side", "channels", "scale"), [(8, 1, 8), (28, 1, 3), (64, 3, 1)])
def test_every_image_is_there_pixel_by_pixel(side, channels, scale, tmp_path):
    images = RNG.integers(0, 256, (4, side, side, channels), dtype=np.uint8)
    path = tmp_path / "rows.png"
    figures.reconstructions(path, images[:1], [images[1:2]], images[2:])
    canvas = pixels(path)
    for image in images:
        colours = np.broadcast_to(image, (side, side, 3))
        tile = np.kron(colours, np.ones((scale, scale, 1), np.uint8))
        assert holds(canvas, tile) == 1


def test_rows_stand_in_reading_order_with_their_names(tmp_path):
    """Columns are examples: x, x_hats and samples of example i share a column."""
    grays = [np.full((2, 8, 8, 1), value, np.uint8) for value in (50, 100, 150, 200)]
    figures.reconstructions(tmp_path / "a.png", grays[0], grays[1:3], grays[3])
    canvas = pixels(tmp_path / "a.png")
    rows = []
    for value in (50, 100, 150, 200):  # whole tiles: the edges of letters have greys too
        place = np.all(canvas == value, axis=-1)
        across = place.sum(axis=1) >= 128
        rows.append(np.argwhere(place & across[:, None]))
    tops = [found[:, 0].min() for found in rows]
    assert tops == sorted(tops) and len(set(tops)) == 4
    assert [found[:, 1].min() for found in rows] == [figures.MARGIN] * 4
    bottoms = [found[:, 0].max() for found in rows]
    for above, first in ((0, 0), (bottoms[0] + 1, 1), (bottoms[2] + 1, 3)):
        assert canvas[above : tops[first]].min() < 128  # a name above each group
    assert canvas[bottoms[1] + 1 : tops[2]].min() == 255  # and none within


def test_floats_are_clipped_not_wrapped(tmp_path):
    images = np.stack([np.full((8, 8, 1), value) for value in (-3.0, 0.5, 7.0, np.nan)])
    figures.reconstructions(tmp_path / "a.png", images)
    canvas = pixels(tmp_path / "a.png")
    middle = len(canvas) - figures.MARGIN - 32
    firsts = [figures.MARGIN + i * (64 + figures.GAP) + 32 for i in range(4)]
    assert [int(canvas[middle, x, 0]) for x in firsts] == [0, 128, 255, 0]


def test_many_samples_are_folded_into_rows(tmp_path):
    x = np.zeros((30, 8, 8, 1))
    figures.reconstructions(tmp_path / "a.png", x, [], x)
    figures.reconstructions(tmp_path / "b.png", None, [], np.zeros((10_000, 8, 8, 1)))
    a, b = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")
    assert a.shape[1] == b.shape[1] < 1200
    assert 4 * 64 < a.shape[0] < 5 * 64 + 100 and b.shape[0] < 1500


@pytest.mark.parametrize("side", [2, 8, 28, 32, 64, 100, 256, 512])
def test_no_figure_is_wider_than_a_phone_can_show(side, tmp_path):
    """Whatever the images and however many columns: every third pixel of it is."""
    x = np.zeros((30, side, side, 1), np.uint8)
    figures.reconstructions(tmp_path / "a.png", x, [x[:12]], x)
    figures.rows_of_images(tmp_path / "b.png", [("", [x])], 30)
    for name in ("a.png", "b.png"):
        width = Image.open(tmp_path / name).width
        assert width <= 3 * canvas.PHONE
        # As many as fit: another one, with its gap, would not.
        tile = max(1, -(-64 // side)) * side
        full = name == "a.png" and width == 2 * figures.MARGIN + 12 * (tile + 4) - 4
        assert full or width + tile + figures.GAP > 3 * canvas.PHONE


def test_many_panels_are_smaller_ones(tmp_path):
    with figures.panels(tmp_path / "a.png", 2, 8, ["a"] * 16, size=300):
        pass
    assert Image.open(tmp_path / "a.png").size == (1200, 300)


def test_blocks_have_every_column_once_and_in_order():
    """Of 30 categories; of 12 steps between large images."""
    for side, count, sizes in ((28, 30, [10] * 3), (28, 12, [12]), (256, 12, [4] * 3)):
        x = np.zeros((3, count, side, side, 1)) + np.arange(count)[:, None, None, None]
        found = figures.blocks(x)
        assert [len(block[0]) for block in found] == sizes
        assert all(len(block) == 3 for block in found)
        for row in range(3):
            shown = [int(image[0, 0, 0]) for block in found for image in block[row]]
            assert shown == list(range(count))


# To be drawn again, of runs that are kept elsewhere: they are from before there was a bound.
STALE = {"mnist_clustering", "mnist_reconstruction", "mnist_reconstruction_learned_prior"}


def test_the_pictures_of_the_pages_can_be_shown_on_a_phone():
    pictures = sorted((Path(__file__).parent.parent / "docs").glob("*.png"))
    wide = {path.stem for path in pictures if Image.open(path).width > 3 * canvas.PHONE}
    assert len(pictures) > 10 and wide <= STALE


@pytest.mark.parametrize("draw", ["images", "curves", "points"])
def test_the_same_arrays_give_the_same_bytes(draw, tmp_path):
    rng = np.random.default_rng(0)
    images, points = rng.random((3, 8, 8, 1)), rng.normal(size=(50, 2))
    for name in ("a.png", "b.png"):
        path = tmp_path / "deep" / name
        if draw == "images":
            figures.reconstructions(path, images, [images], None)
        elif draw == "curves":
            curves.draw(path, [{"step": 1, "reconstruction": 2.0}])
        else:
            figures.scatter(path, [points], ["x"])
    first, second = (tmp_path / "deep" / name for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()
    assert Image.open(first).info.keys() <= {"dpi"}  # no version, no date
    assert sorted(path.name for path in first.parent.iterdir()) == ["a.png", "b.png"]


def test_a_failed_write_leaves_the_old_figure(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    curves.draw(path, [{"step": 1, "reconstruction": 2.0}])
    before = path.read_bytes()

    def fail(*names):
        raise OSError("no space left")

    monkeypatch.setattr(canvas.Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        curves.draw(path, [{"step": 1, "reconstruction": 3.0}])
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.png"]


def drawn(monkeypatch, tmp_path, lines):
    """The axes of the figure that curves.draw draws."""
    kept = []
    save = canvas.save

    def keeping(figure, *rest):
        kept.append(figure)
        save(figure, *rest)

    monkeypatch.setattr(canvas, "save", keeping)
    curves.draw(tmp_path / "curves.png", lines)
    return kept[0].axes


def test_curves_show_every_number_by_step(monkeypatch, tmp_path):
    lines = [
        {"step": 10, "seconds": 1.0, "reconstruction": 3.0, "regularization": 1.0},
        {"step": 20, "seconds": 2.0, "reconstruction": 2.0, "validation_pixel_error": 0.5},
        {"step": 30, "seconds": 3.0, "reconstruction": float("nan"), "regularization": None},
    ]
    axes = drawn(monkeypatch, tmp_path, lines)
    shown = {line.get_label(): line.get_xydata().tolist() for ax in axes for line in ax.get_lines()}
    assert shown == {
        "reconstruction": [[10, 3], [20, 2]],
        "regularization": [[10, 1]],
        "validation_pixel_error": [[20, 0.5]],
    }
    assert axes[0].get_title(loc="left") == "validation: pixel error"


def test_curves_of_an_empty_run(tmp_path):
    curves.draw(tmp_path / "a.png", [])
    curves.draw(tmp_path / "b.png", [{"step": 1, "reconstruction": float("inf")}])
    assert pixels(tmp_path / "a.png").size and pixels(tmp_path / "b.png").size


def test_vectors_of_the_plane_are_points(tmp_path):
    points = RNG.normal(size=(200, 2))
    figures.reconstructions(tmp_path / "a.png", points, [points], points * 3)
    canvas = pixels(tmp_path / "a.png").astype(int)
    colourful = np.ptp(canvas, axis=-1) > 30
    thirds = np.array_split(colourful, 3, axis=1)
    assert all(third.sum() > 200 for third in thirds)


def test_what_cannot_be_drawn_is_one_line(tmp_path):
    for arguments in (
        (None,),
        (np.zeros((0, 8, 8, 1)),),
        (np.zeros((3, 5)),),
        (np.zeros((3, 8, 8, 2)),),
    ):
        with pytest.raises(InputError) as error:
            figures.reconstructions(tmp_path / "a.png", *arguments)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError):
        figures.scatter(tmp_path / "a.png", [np.zeros((4, 3))], ["x"])
    with pytest.raises(InputError):
        figures.scatter(tmp_path / "a.png", [], [])
    assert not list(tmp_path.iterdir())


def test_panels_are_a_small_file(tmp_path):
    """One byte a pixel before compression."""
    cloud = np.random.default_rng(0).normal(size=(300, 2))
    with figures.panels(tmp_path / "a.png", 1, 2, ["one", "other"]) as axes:
        figures.dots(axes[0][1], cloud, color="tab:red")
    assert Image.open(tmp_path / "a.png").mode == "P"
    assert Image.open(tmp_path / "a.png").size == (600, 300)


def drawn_panels(monkeypatch, path, rows, columns, titles, draw):
    """The figure of panels as it would be saved."""
    kept = []

    def keeping(figure, *rest, **options):
        figure.draw_without_rendering()
        kept.append(figure)

    monkeypatch.setattr(canvas, "save", keeping)
    with figures.panels(path, rows, columns, titles) as axes:
        draw(axes)
    return kept[0]


def test_text_can_be_read_where_a_phone_shows_the_figure(monkeypatch, tmp_path):
    """Eight pixels of 400; with a fixed size it would be five in a figure of three columns."""
    for columns in (1, 2, 3, 5):
        figure = drawn_panels(
            monkeypatch, tmp_path, 1, columns, ["a"] * columns, lambda axes: axes[0][0].legend([])
        )
        ax, width = figure.axes[0], figure.get_figwidth()
        texts = [ax.title, ax.xaxis.label, *ax.get_xticklabels(), ax.get_legend().get_title()]
        for text in texts:
            assert text.get_fontsize() / 72 / width * canvas.PHONE >= 0.99 * canvas.LEAST


def test_a_panel_without_a_title_is_blank(monkeypatch, tmp_path):
    figure = drawn_panels(monkeypatch, tmp_path, 2, 2, ["a", "b", "c"], lambda axes: None)
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]


def test_points_outside_are_counted_and_axes_are_named(monkeypatch, tmp_path):
    cloud = np.array([[0.0, 1.0], [2.0, 2.0], [5.0, 0.0], [0.0, -9.0]])

    def draw(axes):
        figures.plane(axes[0][0], cloud, 3.0, "z", color="0.3")
        figures.plane(axes[0][1], cloud, 4.0, "x", (1.0, -5.0), color="0.3")
        figures.plane(axes[0][2], cloud, 9.0, "x", color="0.3")

    figure = drawn_panels(monkeypatch, tmp_path, 1, 3, ["a", "b", "c"], draw)
    first, second, third = figure.axes
    assert [text.get_text() for text in first.texts] == ["2 outside"]
    assert [text.get_text() for text in second.texts] == ["3 outside"] and not third.texts
    assert (first.get_xlabel(), first.get_ylabel()) == ("z₁", "z₂")
    assert second.get_xlim() == (-3, 5) and second.get_ylim() == (-9, -1)


def test_the_spread_of_seeds_is_a_shade_in_the_colour_of_the_line(monkeypatch, tmp_path):
    x, middle, low, high = np.array([[1, 2], [5, 7], [4, 7], [6, 9]])
    figure = drawn_panels(
        monkeypatch,
        tmp_path,
        1,
        1,
        [""],
        lambda axes: figures.band(axes[0][0], x, middle, low, high, color=canvas.MODELS["GAN"]),
    )
    (ax,) = figure.axes
    (line,), (shade,) = ax.lines, ax.collections
    assert line.get_xydata().tolist() == [[1, 5], [2, 7]]
    corners = {tuple(point) for point in shade.get_paths()[0].vertices.tolist()}
    assert corners == {(1, 4), (1, 6), (2, 7), (2, 9)}
    color = to_rgb(canvas.MODELS["GAN"])
    assert tuple(shade.get_facecolor()[0][:3]) == color and 0 < shade.get_facecolor()[0][3] < 0.5


def test_models_have_colours_of_their_own():
    models = ("IAE", "VAE", "AAE", "ALI", "GAN", "AVB", "data", "pythae")
    assert len({canvas.MODELS[name] for name in models}) == len(models)
