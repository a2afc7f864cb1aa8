"""What a measured value is compared with: a published value, or an aim."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Reference(NamedTuple):
    """A published value or an aim.

    better: "higher", "lower" or "near" (within `tolerance` of it).
    source: where it is published.
    seeds: the share of seeds that have to meet it, each by itself; 0: their mean has to.
    """

    value: float
    better: str
    source: str
    seeds: float = 0.0
    tolerance: float = 0.0

    @property
    def text(self) -> str:
        """The requirement, for a table."""
        if self.better == "near":
            return f"{self.value:g} ± {self.tolerance:g}"
        return f"{'≥' if self.better == 'higher' else '≤'} {self.value:g}"

    def met(self, value: float) -> bool:
        if self.better == "near":
            return abs(value - self.value) <= self.tolerance
        return value >= self.value if self.better == "higher" else value <= self.value

    def met_by(self, values: Sequence[float]) -> bool:
        """Whether a record's seeds meet it, in the sense of `seeds`."""
        if self.seeds:
            return sum(map(self.met, values)) >= self.seeds * len(values)
        return self.met(statistics.fmean(values))
