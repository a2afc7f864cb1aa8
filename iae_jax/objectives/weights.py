"""Weights of losses, as functions of the step."""

from dataclasses import dataclass

import jax.numpy as jnp

from iae_jax.types import Array, Scheduled, Section


def at(weight: Scheduled, step: Array | int) -> Array | float:
    """The value of a weight or schedule at a step."""
    return weight(jnp.asarray(step)) if callable(weight) else weight


@dataclass
class Weight(Section):
    """A weight that may differ in the first steps; 0 throughout: the loss is absent. value: the
    weight. start: the weight in the first steps. start_steps: how many steps. ramp_steps: in how
    many steps it then goes linearly from `start` to `value` (0: at once)."""

    value: float = 0.0
    start: float = 0.0
    start_steps: int = 0
    ramp_steps: int = 0

    @property
    def absent(self) -> bool:
        return not self.value and not (self.start and (self.start_steps or self.ramp_steps))

    @property
    def scheduled(self) -> Scheduled:
        """A number if it never changes, else a function of the step."""
        value, start, first, ramp = self.value, self.start, self.start_steps, self.ramp_steps
        if not (first or ramp) or start == value:
            return value

        def weight(step: Array) -> Array:
            if not ramp:
                return jnp.where(step < first, start, value)
            risen = jnp.clip((step - first) / ramp, 0.0, 1.0)
            return start + (value - start) * risen

        return weight
