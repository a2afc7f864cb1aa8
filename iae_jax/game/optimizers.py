"""Optimizers of the players, and learning rates as functions of the game's step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.game.game import Turns
from iae_jax.kinds import instance
from iae_jax.types import Section


def by_step(schedule: optax.Schedule, turns: Turns, player: str) -> optax.Schedule:
    """A schedule of the game's steps, as the player's optimizer has to read it: optax counts the
    player's moves, of which a step can have several."""
    moves = sum(player in turn.movers for turn in turns)
    return lambda count: schedule(count // max(1, moves))


def by_turn(
    optimizers: Sequence[optax.GradientTransformation | None],
) -> optax.GradientTransformationExtraArgs:
    """An optimizer for each turn of a step, each with a state of its own; None where the player
    does not move."""

    def init(params: Any) -> tuple[Any, ...]:
        return tuple(own and own.init(params) for own in optimizers)

    def update(
        gradient: Any, states: tuple[Any, ...], params: Any = None, *, turn: int, **more: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        own = optax.with_extra_args_support(optimizers[turn])
        updates, state = own.update(gradient, states[turn], params, turn=turn, **more)
        return updates, (*states[:turn], state, *states[turn + 1 :])

    return optax.GradientTransformationExtraArgs(init, update)


@dataclass
class Optimizer(Section):
    """A player's optimizer. kind: adam, sgd, or MODULE:NAME, a function (rate, b1, b2) -> optax
    transformation. rate: per step. b1, b2: decays of adam's two moments. decay: "constant",
    "cosine" down to `final` times the rate at the last step, or "warmup_cosine", where the cosine
    begins after the warm-up. final: over the rate, where a decay ends. warmup_steps: the first
    ones, in which the rate rises linearly. clip: the largest norm of the player's gradient, 0 for
    none."""

    kind: str = "adam"
    rate: float = 2e-4
    b1: float = 0.5
    b2: float = 0.99
    decay: str = "cosine"
    final: float = 0.05
    warmup_steps: int = 0
    clip: float = 0.0


Rate: TypeAlias = float | optax.Schedule
KINDS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": lambda rate, b1, b2: optax.adam(rate, b1=b1, b2=b2),
    "sgd": lambda rate, b1, b2: optax.sgd(rate),
}
DECAYS = ("constant", "cosine", "warmup_cosine")


def optimizer(
    config: Optimizer, steps: int, turns: Turns, player: str
) -> optax.GradientTransformation:
    """A player's optimizer; its rate is a schedule of steps, however often the player moves in one.

    Raises:
      InputError: a name that is not there or a number that is out of range.
    """
    rate = rate_of(config, steps)
    if callable(rate):
        rate = by_step(rate, turns, player)
    chosen: optax.GradientTransformation = instance(
        optax.GradientTransformation, config.kind, KINDS, f"{player}.optimizer.kind", rate,
        config.b1, config.b2,
    )  # fmt: skip
    return optax.chain(optax.clip_by_global_norm(config.clip), chosen) if config.clip else chosen


def rate_of(config: Optimizer, steps: int) -> Rate:
    """The learning rate, or a function of the game's step.

    Raises:
      InputError: a number that is out of range.
    """
    _check(config, steps)
    rate: Rate = config.rate
    if config.decay == "cosine":
        rate = optax.cosine_decay_schedule(config.rate, steps, config.final)
    elif config.decay == "warmup_cosine":
        rate = optax.warmup_cosine_decay_schedule(
            0.0, config.rate, config.warmup_steps, steps, config.final * config.rate
        )
    if config.warmup_steps and config.decay != "warmup_cosine":
        rate = _warmed_up(rate, config.warmup_steps)
    return rate


def _check(config: Optimizer, steps: int) -> None:
    if not 0 < config.rate < math.inf:
        raise InputError(f"a learning rate is positive, not {config.rate}")
    for name, decay in (("b1", config.b1), ("b2", config.b2)):
        if not 0 <= decay < 1:
            raise InputError(f"{name} of adam is from 0 to below 1, not {decay}")
    if not 0 <= config.final < math.inf:
        raise InputError(f"final is a share of the rate, not {config.final}")
    if config.decay not in DECAYS:
        raise InputError(f"decay is one of {', '.join(DECAYS)}, not {config.decay!r}")
    if not 0 <= config.warmup_steps < steps:
        raise InputError(f"warmup_steps are from 0 to below {steps}, not {config.warmup_steps}")
    if not 0 <= config.clip < math.inf:
        raise InputError(f"clip is the largest norm of a gradient, 0 for none, not {config.clip}")


def _warmed_up(rate: Rate, steps: int) -> optax.Schedule:
    """The rate times a factor that rises from 1 / steps to 1 in the first steps."""

    def schedule(count: Any) -> Any:
        full = rate(count) if callable(rate) else rate
        return full * jnp.minimum(1.0, (count + 1) / steps)

    return schedule
