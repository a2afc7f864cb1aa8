"""A feature extractor: the space in which images are compared, `feature_classifier` or `hog`."""

from typing import NamedTuple, Protocol

from iae_jax.types import Array


class Output(NamedTuple):
    """Of a batch. logits: f32[B, K] of the classes, or None. features: f32[B, F]."""

    logits: Array | None
    features: Array


class Extractor(Protocol):
    """What evaluation asks of one."""

    @property
    def extractor(self) -> str:
        """Its name in records, which ends with a hash: numbers compare only within one."""

    @property
    def classes(self) -> int:
        """Of the logits; 0 if it has none."""

    def apply(self, x: Array, /) -> tuple[Array | None, Array]:
        """f32[B, ...] -> (logits, features), see `Output`."""
