"""The optimizers of a config's players."""

from typing import Any

import optax

from iae_jax.game.game import PHASES, TURNS
from iae_jax.game.optimizers import by_turn, optimizer
from iae_jax.runs.config import Config
from iae_jax.types import Players


def optimizers(config: Config, networks: Players, prior_rate: float) -> Players:
    """Those of the players that are there. prior_rate: of a prior that learns, over the rate of the
    generator, whose player it is in.

    Raises:
      InputError: a name that is not there or a number that is out of range.
    """
    turns = TURNS[config.turns]
    found: list[Any] = [
        network and optimizer(part.optimizer, config.steps, turns, name)
        for network, part, name in zip(networks, config.players, Players._fields, strict=True)
    ]
    if turns == PHASES:
        found[0] = found[0] and _of_phases(config)
    if prior_rate != 1:
        # Adam's moves do not depend on the scale of a gradient: that of the move is changed.
        scaled_moves = optax.masked(optax.scale(prior_rate), {"decoder": False, "prior": True})
        found[1] = found[1] and optax.chain(found[1], scaled_moves)
    return Players(*found)


def _of_phases(config: Config) -> optax.GradientTransformation:
    """The encoder's: in the phase of its codes that of their discriminator, in others its own."""
    own = []
    for turn in PHASES:
        part = config.regularization if "regularization" in turn.losses else config.encoder
        moves = "encoder" in turn.movers
        own.append(optimizer(part.optimizer, config.steps, (turn,), "encoder") if moves else None)
    return by_turn(own)
