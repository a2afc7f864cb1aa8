"""The configs of a sweep beside its variants: FIELD=VALUE, every combination or random ones."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iae_jax.errors import InputError

MAX_DRAWS = 100_000
Changes = tuple[str, ...]  # FIELD=VALUE of several fields


class Range(NamedTuple):
    """FIELD=LOW..HIGH, uniform, or FIELD=LOW..HIGH:log, uniform in the logarithm. A range between
    whole numbers is of whole numbers, both ends among them."""

    field: str
    low: float
    high: float
    log: bool
    whole: bool

    def value(self, unit: float) -> str:
        """The value at a number from 0 to below 1."""
        low, high = (self.low, self.high + 1) if self.whole else (self.low, self.high)
        found = low * (high / low) ** unit if self.log else low + (high - low) * unit
        return str(math.floor(found)) if self.whole else f"{found:.4g}"


def _field(axis: str, flag: str, form: str) -> tuple[str, str]:
    field, equals, rest = axis.partition("=")
    if not field or not equals or not rest:
        raise InputError(f"{flag} is {form}, not {axis!r}")
    if field.partition(".")[0] in ("run", "seed") or field == "data.directory":
        raise InputError(f"variants do not differ in {field}: leave it out of {flag}")
    return field, rest


def _grid_axis(axis: str) -> tuple[str, list[str]]:
    form = "FIELD=VALUE,VALUE"
    field, rest = _field(axis, "--grid", form)
    if not all(values := rest.split(",")):
        raise InputError(f"--grid is {form}, not {axis!r}")
    return field, values


def _range(axis: str) -> Range:
    form = "FIELD=LOW..HIGH or FIELD=LOW..HIGH:log"
    field, rest = _field(axis, "--range", form)
    bounds, colon, scale = rest.partition(":")
    low, dots, high = bounds.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError as error:
        raise InputError(f"--range is {form}, not {axis!r}") from error
    if not dots or (colon and scale != "log"):
        raise InputError(f"--range is {form}, not {axis!r}")
    if not -np.inf < ends[0] < ends[1] < np.inf or (colon and ends[0] <= 0):
        raise InputError(
            f"--range goes from a number to a larger one, both above 0 with :log, not {axis!r}"
        )
    whole = all(bound.lstrip("+-").isdigit() for bound in (low, high))
    return Range(field, *ends, log=bool(colon), whole=whole)


def _once(fields: list[str]) -> None:
    if len(set(fields)) < len(fields):
        raise InputError(f"--grid and --range have a field twice: {', '.join(fields)}")


def combinations(grid: Sequence[str]) -> list[Changes]:
    """FIELD=V1,V2 of several fields -> FIELD=VALUE of each, in every combination.

    Raises:
      InputError: an axis has another form, is there twice, or is not part of a variant.
    """
    axes = [_grid_axis(axis) for axis in grid]
    _once([field for field, _ in axes])
    return list(itertools.product(*([f"{field}={v}" for v in values] for field, values in axes)))


def drawn(grid: Sequence[str], ranges: Sequence[str], count: int, seed: int) -> list[Changes]:
    """As many random combinations, all different: of each --grid one value, of each --range a
    number. The first ones are the same for any larger count.

    Raises:
      InputError: as `combinations`, or there are not so many.
    """
    axes, scales = [_grid_axis(axis) for axis in grid], [_range(axis) for axis in ranges]
    _once([field for field, _ in axes] + [scale.field for scale in scales])
    if not axes and not scales:
        raise InputError("--random draws from --range and --grid: give one")
    found: dict[Changes, None] = {}
    for number in range(MAX_DRAWS):
        if len(found) == count:
            return list(found)
        units = np.random.default_rng([seed, number]).random(len(axes) + len(scales))
        chosen = [
            f"{field}={values[int(unit * len(values))]}"
            for (field, values), unit in zip(axes, units, strict=False)
        ]
        numbers = zip(scales, units[len(axes) :], strict=True)
        chosen += [f"{scale.field}={scale.value(unit)}" for scale, unit in numbers]
        found[tuple(chosen)] = None
    raise InputError(f"--random={count} is more than the {len(found)} combinations that there are")
