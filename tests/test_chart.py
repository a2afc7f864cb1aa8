"""Charts, against the straight lines that axes are; the colours of pages, against the figures'."""

import re

import numpy as np
import pytest

from iae_jax.files import html_page
from iae_jax.files.canvas import COLORS
from iae_jax.files.chart import FRAME, MAX_POINTS, chart
from iae_jax.files.curves import panels


def test_points_and_ticks_are_on_one_scale():
    """Of a curve from (100, -3) to (700, 5), with the origin of steps."""
    drawn = chart("a", "nats", {"one": [[(100, -3.0), (400, 5.0), (700, 1.0)]]})
    (line,) = drawn.lines
    right, bottom = FRAME.right - FRAME.left, FRAME.bottom - FRAME.top
    expected = [
        (FRAME.left + right / 7, FRAME.bottom),
        (FRAME.left + right * 4 / 7, FRAME.top),
        (FRAME.right, FRAME.bottom - bottom / 2),
    ]
    np.testing.assert_allclose(line.points, expected, atol=0.06)
    assert line.last == "1" and line.marked and line.dash == "solid"
    assert len(drawn.y_ticks) > 2 and len(drawn.x_ticks) > 2
    for tick in drawn.y_ticks:
        value = float(tick.text.replace("−", "-"))
        assert tick.place == pytest.approx(FRAME.bottom - (value + 3) / 8 * bottom, abs=0.06)
    for tick in drawn.x_ticks:
        place = FRAME.left + float(tick.text.replace(",", "")) / 700 * right
        assert tick.place == pytest.approx(place, abs=0.06)


def test_a_name_has_one_colour_and_dashes_come_after_the_colours():
    names = [f"m{i}" for i in range(len(COLORS) + 2)]
    drawn = chart("a", "", {name: [[(1, 1.0), (2, 3.0)], [(1, 2.0)]] for name in names})
    assert [one.color for one in drawn.lines[::2]] == [*range(len(COLORS)), 0, 1]
    assert [one.color for one in drawn.lines[1::2]] == [one.color for one in drawn.lines[::2]]
    assert {one.dash for one in drawn.lines[: 2 * len(COLORS)]} == {"solid"}
    assert {one.dash for one in drawn.lines[2 * len(COLORS) :]} == {"dashed"}


def test_what_is_level_empty_or_long():
    (line,) = chart("a", "", {"level": [[(1, 2.0), (2, 2.0)]]}).lines
    assert {y for _, y in line.points} == {(FRAME.top + FRAME.bottom) / 2}
    assert chart("a", "", {"none": [[]]}) is None and chart("a", "", {}) is None
    long = chart("a", "", {"long": [[(i, float(i % 7)) for i in range(10 * MAX_POINTS + 1)]]})
    points = long.lines[0].points
    assert len(points) <= MAX_POINTS + 1 and points[-1][0] == FRAME.right


def test_a_line_that_is_not_whole_is_no_point():
    lines = [{"step": 1, "loss": 2.0}, {"loss": 3.0}, {"step": 2, "loss": float("nan")}]
    (members,) = panels(lines).values()
    assert members == {"loss": [(1, 2.0)]}


def test_pages_have_the_colours_of_the_figures():
    style = (html_page.TEMPLATES / "style.css").read_text()
    light = style.partition("@media")[0]
    assert re.findall(r"--c\d: (#\w{6})", light) == list(COLORS)
