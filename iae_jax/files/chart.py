"""Charts of curves as numbers that a template draws as SVG: lines, ticks and labels in place."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from iae_jax.files.canvas import COLORS
from iae_jax.files.numbers import number

# In units of the drawing, which are about pixels where a phone shows it.
WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 26, 40  # around the curves
DASHES = ("solid", "dashed", "dotted")  # once the colours are used up
MAX_STEPS = 4  # between ticks
MAX_POINTS = 800  # of a curve: more could not be seen
MARKED = 30  # fewer points are marked each

Curve = Sequence[tuple[float, float]]  # (step, value)


class Tick(NamedTuple):
    """place: on the axis, in units of the drawing."""

    place: float
    text: str


class Line(NamedTuple):
    """points: x and y, in units of the drawing. color: which of canvas.COLORS. last: the last
    value, as text."""

    name: str
    points: list[tuple[float, float]]
    color: int
    dash: str
    marked: bool
    last: str


class Frame(NamedTuple):
    """Where a drawing has its edges, and within it the curves theirs."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


FRAME = Frame(WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM)


class Chart(NamedTuple):
    """A chart. unit: of the vertical axis. The horizontal one is in training steps."""

    title: str
    unit: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    frame: Frame


def chart(title: str, unit: str, curves: Mapping[str, Sequence[Curve]]) -> Chart | None:
    """The curves of each name in one colour, that of the figures; None if there are none."""
    each = [(name, i, _thinned(one)) for i, (name, own) in enumerate(curves.items()) for one in own]
    each = [one for one in each if one[2]]
    if not each:
        return None
    steps = [step for *_, curve in each for step, _ in curve]
    values = [value for *_, curve in each for _, value in curve]
    x_axis, y_axis = _axis(min(0, *steps), max(steps)), _axis(min(values), max(values))

    def x(step: float) -> float:
        return round(LEFT + _share(step, x_axis) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - _share(value, y_axis) * (HEIGHT - TOP - BOTTOM), 1)

    lines = [
        Line(
            name,
            [(x(step), y(value)) for step, value in curve],
            i % len(COLORS),
            DASHES[i // len(COLORS) % len(DASHES)],
            len(curve) < MARKED,
            number(curve[-1][1]),
        )
        for name, i, curve in each
    ]
    x_ticks = [Tick(x(one), f"{one:,g}") for one in _ticks(x_axis)]
    y_ticks = [Tick(y(one), f"{one:g}".replace("-", "−")) for one in _ticks(y_axis)]
    return Chart(title, unit, lines, x_ticks, y_ticks, FRAME)


def _thinned(curve: Curve) -> Curve:
    """Every k-th point, and the last one."""
    every = -(-len(curve) // MAX_POINTS)
    return [*curve[:-1:every], curve[-1]] if every > 1 else curve


def _axis(low: float, high: float) -> tuple[float, float]:
    """From where to where an axis goes, with some room if all is one value."""
    if high > low:
        return low, high
    return low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2


def _share(value: float, axis: tuple[float, float]) -> float:
    return (value - axis[0]) / (axis[1] - axis[0])


def _ticks(axis: tuple[float, float]) -> list[float]:
    """Round numbers on an axis: multiples of 1, 2 or 5 times a power of ten."""
    low, high = axis
    least = (high - low) / MAX_STEPS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]
