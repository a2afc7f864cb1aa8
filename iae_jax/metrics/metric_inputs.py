"""What a metric sees of one batch: the draws, the extractor's outputs and the labels."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import jax

from iae_jax.errors import InputError
from iae_jax.metrics.extractor import Output
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array

T = TypeVar("T")


class MetricInputs:
    """One batch; everything is computed when it is first read, and once."""

    def __init__(
        self,
        draw: Callable[[Array], Draws],
        batch: Mapping[str, Array],
        extract: Callable[[Array], Output] | None = None,
    ) -> None:
        """draw: keys [B] -> the draws of the batch. batch: "keys" [B], "other" f32[B, ...] and
        "labels" i32[B]. extract: see `Extractor.apply`."""
        self._draw, self._batch, self._extract = draw, batch, extract
        self._found: dict[Hashable, Any] = {}
        self.draws = draw(batch["keys"])

    @property
    def other(self) -> Array:
        """Another example of the split for each x: f32[B, ...]."""
        return self._batch["other"]

    @property
    def labels(self) -> Array:
        """i32[B]; -1 for none."""
        return self._batch["labels"]

    def of(self, draw: Callable[["MetricInputs"], T]) -> T:
        """draw(self), computed once, for what several metrics read. draw: a function."""
        if draw not in self._found:
            self._found[draw] = draw(self)
        found: T = self._found[draw]
        return found

    def again(self, number: Array | int) -> Draws:
        """Draws of the same x with other noise; another number, other noise. Use numbers from 1000
        on: those below belong to the names of noise."""
        return self._draw(
            jax.vmap(lambda key: jax.random.fold_in(key, number))(self._batch["keys"])
        )

    def extract(self, x: Array) -> Output:
        """The extractor's output of any x. Raises: InputError if there is no extractor."""
        if self._extract is None:
            raise InputError("reads features and there is no feature extractor")
        return Output(*self._extract(x))

    @cached_property
    def of_x(self) -> Output:
        """The extractor's output of x."""
        return self.extract(self.draws.x)

    @cached_property
    def of_x_hat(self) -> Output:
        """The extractor's output of the reconstructions."""
        return self.extract(self.draws.x_hat)

    @cached_property
    def of_x_prior(self) -> Output:
        """The extractor's output of the model's samples."""
        return self.extract(self.draws.x_prior)

    @cached_property
    def of_other(self) -> Output:
        """The extractor's output of `other`."""
        return self.extract(self.other)
