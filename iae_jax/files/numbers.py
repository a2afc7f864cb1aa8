"""Numbers as text."""

import math
import statistics
from collections.abc import Sequence

MAX_DECIMALS = 6
LEAST = 3  # values: two say next to nothing of their spread


def number(value: float) -> str:
    """Four significant digits; whole numbers as they are."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation, of at least 3 values."""
    return statistics.stdev(values) if len(values) >= LEAST else None


def mean_and_sd(mean: float, sd: float | None) -> str:
    """Mean ± SD, with two digits of the SD; the mean alone where there is no SD."""
    if sd is None:
        return number(mean)
    decimals = 0 if sd == 0 else max(0, 1 - math.floor(math.log10(sd)))
    if sd == 0 or decimals > MAX_DECIMALS:
        return f"{number(mean)} ± {sd:.2g}"
    return f"{mean:.{decimals}f} ± {sd:.{decimals}f}"
