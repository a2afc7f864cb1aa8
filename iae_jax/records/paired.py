"""Two variants compared seed by seed, and what can be said of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

CONFIDENCE = 0.95

# A statement, and whether it holds; None where the seeds do not decide it.
Claim = tuple[str, bool | None]


class Difference(NamedTuple):
    """Of the values of two variants with the same seed: mean, confidence interval and p of the
    paired t test (against no difference). Of one seed, only the mean is finite. n: seeds."""

    mean: float
    low: float
    high: float
    p: float
    n: int

    @property
    def text(self) -> str:
        if self.n < 2:
            return f"difference {self.mean:.3g}, one seed"
        return (
            f"difference {self.mean:.3g}, {100 * CONFIDENCE:.0f} % interval {self.low:.3g} to "
            f"{self.high:.3g}, p {self.p:.2g}, {self.n} seeds"
        )

    def above(self, least: float) -> bool | None:
        """Whether it is above this: True or False if all of the interval says so, else None."""
        if self.low > least:
            return True
        return False if self.high < least else None


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference | None:
    """Theirs less ours, of the seeds that both have: seed -> value. None if there are none."""
    from scipy import stats

    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    each = [theirs[seed] - ours[seed] for seed in seeds]
    mean = math.fsum(each) / len(each)
    if len(each) == 1:
        return Difference(mean, -math.inf, math.inf, math.nan, 1)
    if max(each) == min(each):  # no spread, which the test divides by
        return Difference(mean, mean, mean, float(mean == 0), len(each))
    found = stats.ttest_1samp(each, 0.0)
    interval = found.confidence_interval(CONFIDENCE)
    return Difference(
        mean, float(interval.low), float(interval.high), float(found.pvalue), len(each)
    )


def by_seed(records: Sequence[Mapping[str, Any]], metric: str) -> dict[str, dict[int, float]]:
    """Variant -> seed -> value."""
    return {
        one["variant"]: dict(zip(one["seeds"], one["values"], strict=True))
        for one in records
        if one["metric"] == metric
    }


def compared(
    records: Sequence[Mapping[str, Any]],
    metric: str,
    ours: str,
    theirs: str,
    statement: str,
    better: str = "lower",
    margin: float = 0.0,
) -> list[Claim]:
    """The claim that a variant, `ours`, is better in a metric than `theirs`, or worse by at most
    the margin; none if a variant or a common seed is missing. better: lower or higher."""
    found = by_seed(records, metric)
    pair = found.get(ours, {}), found.get(theirs, {})
    gain = difference(*(pair if better == "lower" else pair[::-1]))
    if gain is None:
        return []
    numbers = " and ".join(f"{math.fsum(own.values()) / len(own):.4g}" for own in pair)
    return [(f"{statement}: {numbers} ({gain.text})", gain.above(-margin))]


def all_of(outcomes: Sequence[bool | None]) -> bool | None:
    """Whether all hold: one that does not decides it, then one that is not decided."""
    if False in outcomes:
        return False
    return None if None in outcomes else True
