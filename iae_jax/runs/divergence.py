"""Divergence: losses and parameters that are no longer numbers."""

import jax
import numpy as np

from iae_jax.errors import InputError
from iae_jax.runs.feed import step_of
from iae_jax.types import TrainState


class Diverged(InputError):
    """A loss or a parameter is no longer a number."""


def not_finite(metrics: dict[str, np.ndarray], first_step: int) -> str:
    """Which metrics are not finite, and at which step first; "" if all are. metrics: name ->
    f32[steps], with several seeds f32[S, steps]."""
    bad = {
        name: ~np.isfinite(np.atleast_2d(values)).all(axis=0) for name, values in metrics.items()
    }
    steps = np.any(list(bad.values()), axis=0)
    if steps.any():
        at_step = int(np.argmax(steps))
        names = ", ".join(name for name, where in bad.items() if where[at_step])
        return f"{names} is not finite at step {first_step + at_step}"
    return ""


def parameter_not_finite(state: TrainState) -> str:
    """Whose parameters are not finite, so that no such checkpoint is saved; "" if all are."""
    for name, parameters in state.params._asdict().items():
        leaves = jax.tree.leaves(jax.device_get(parameters))
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            return f"a parameter of the {name} is not finite at step {step_of(state)}"
    return ""
