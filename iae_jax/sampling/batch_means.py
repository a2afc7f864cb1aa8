"""Means over a batch that is spread over devices and cut into microbatches."""

from typing import Any, TypeVar

import jax

from iae_jax.types import Array

T = TypeVar("T")


class BatchMeans:
    """Means over the global batch, of which a device's examples, or a microbatch's, are a part.

    parts: into how many the batch is cut. part: which of them this one is. own: the part's means by
    name, as far as they were read.
    """

    def __init__(
        self,
        axis_name: str | None = None,
        parts: int = 1,
        whole: dict[str, Any] | None = None,
        part: Array | int = 0,
    ) -> None:
        """axis_name: the pmapped axis over which the batch is spread. whole: the means of all
        microbatches; None where they are not known yet, and `own` keeps those of the part (a trace
        of a gradient may leave nothing behind)."""
        self._axis_name, self.parts, self._whole = axis_name, parts, whole
        self.part = part
        self.own: dict[str, Any] = {}

    def __call__(self, name: str, value: T) -> T:
        """value: a tree of means over this part's examples."""
        if self._axis_name is not None:
            value = jax.lax.pmean(value, self._axis_name)
        if self._whole is None:
            self.own[name] = value
        if not self._whole or name not in self._whole:
            return value
        # The whole's value with the gradient of a part: since the whole is the mean of its parts,
        # the mean of a loss's gradients over all parts is then the gradient of the whole.
        return jax.tree.map(
            lambda own, all_: own + jax.lax.stop_gradient(all_ - own), value, self._whole[name]
        )

    def spread(self, value: Array) -> Array:
        """Values of this part's examples, [B, ...] -> f32[parts, B, ...], whose mean over the parts
        has those of every part in their place."""
        if self.parts == 1:
            return value[None]
        mine = jax.nn.one_hot(self.part, self.parts, dtype=value.dtype)
        return self.parts * mine.reshape(-1, *(1,) * value.ndim) * value
