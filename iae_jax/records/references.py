"""What a measured value is compared with: an aim, a published value, the best one that is known."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Published(NamedTuple):
    """A value that others have published. sd: of it, where they say it."""

    value: float
    source: str
    sd: float | None = None

    @property
    def text(self) -> str:
        sd = "" if self.sd is None else f" ± {self.sd:g}"
        return f"{self.value:g}{sd} ({self.source})"


class Reference(NamedTuple):
    """What a value has to meet.

    better: "higher", "lower" or "near" (within `tolerance` of it).
    source: where it is published; if it begins with "aim", it is an aim of this project.
    seeds: the share of seeds that have to meet it, each by itself; 0: their mean has to.
    published: a published value of the same task, where `value` is an aim.
    best_known: the best published value of the task that we know of, whatever the method.
    """

    value: float
    better: str
    source: str
    seeds: float = 0.0
    tolerance: float = 0.0
    published: Published | None = None
    best_known: Published | None = None

    @property
    def text(self) -> str:
        """The requirement, for a table."""
        if self.better == "near":
            return f"{self.value:g} ± {self.tolerance:g}"
        return f"{'≥' if self.better == 'higher' else '≤'} {self.value:g}"

    @property
    def sourced(self) -> str:
        """The requirement with its source, and what is published beside an aim."""
        beside = f"; published {self.published.text}" if self.published else ""
        return f"{self.text} ({self.source}){beside}"

    def met(self, value: float) -> bool:
        if self.better == "near":
            return abs(value - self.value) <= self.tolerance
        return value >= self.value if self.better == "higher" else value <= self.value

    def met_by(self, values: Sequence[float]) -> bool:
        """Whether a record's seeds meet it, in the sense of `seeds`."""
        if self.seeds:
            return sum(map(self.met, values)) >= self.seeds * len(values)
        return self.met(statistics.fmean(values))

    def worse(self, values: Sequence[float]) -> bool:
        """Whether a record's seeds do not meet it, or their mean is worse than what is published
        beside it."""
        if self.published is None:
            return not self.met_by(values)
        beside = self._replace(value=self.published.value, seeds=0.0)
        return not (self.met_by(values) and beside.met_by(values))


class Headline(NamedTuple):
    """A value that a reader looks for first: a row of RESULTS.md.

    claim: what is measured, in words and with its unit.
    metric, variant: of its record.
    beyond: what the variant has beside what the slides describe.
    beside: more metrics of the same model that stand next to it, in the order of the claim.
    """

    claim: str
    metric: str
    variant: str
    beyond: str = ""
    beside: tuple[str, ...] = ()
